"""How far annotators agree, by pair and overall."""

from dataclasses import asdict

from ui.label_requests import Answer, Request
from ui.services import Services
from ui.tabs.data.pages import require_project

SHOWN = 300  # pairs of annotators: those of 25 people


def agreement_of(services: Services, wanted: Request) -> Answer:
    """Measure the agreement in a project; see `annotations.agreement.Agreement`, whose fields are the answer's."""
    from annotations.agreement import measure_agreement

    project = require_project(services, wanted.get("project"))
    found = asdict(measure_agreement(services.labels.store, project.id))
    by_pair = found.pop("by_pair")
    shown = sorted(by_pair, key=lambda one: -one["pairs"])[:SHOWN]
    return found | {"by_pair": shown, "left_out": len(by_pair) - len(shown)}
