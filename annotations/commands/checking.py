"""`check`: what may be wrong with a project's labels, and what can be done about it."""

import argparse
from collections.abc import Iterator
from typing import get_args

from annotations.checks import Check, CheckRow, apply_fix, count_deletion, run_checks
from annotations.commands.output import add_json_option, answer, answer_json, note
from annotations.commands.projects import add_project_option, find_project, open_labels
from annotations.errors import InputError
from annotations.gold import GoldRule
from annotations.home import find_home
from annotations.plurals import count
from annotations.store import Store

_SHOWN = 5  # rows of a check; all that there are with --json
_WIDTH = 60  # characters of a text


def add_check(command: argparse.ArgumentParser) -> None:
    """Add what `check` takes."""
    add_project_option(command)
    command.add_argument(
        "--rule", choices=get_args(GoldRule), default="majority", help="for several annotators' grades (default: majority)"
    )
    command.add_argument("--fix", metavar="NAME", help="do what a check offers, then check again")
    command.add_argument("--annotator", metavar="NAME", help="with --fix: whose judgements are opened again")
    command.add_argument("--yes", action="store_true", help="with --fix: delete texts; without it what would go is said")
    add_json_option(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.annotator is not None and options.fix is None:
        raise InputError("--annotator says whose judgements --fix opens again. Give --fix with it.")
    with open_labels(find_home(options.home)) as store:
        project = find_project(store, options.project)
        changed = None
        if options.fix is not None:
            annotator_id = _find_annotator(store, options)
            if not options.yes:
                _refuse_deletion(store, project.id, options)
            changed = apply_fix(store, project.id, options.fix, annotator_id=annotator_id, rule=options.rule)
            note(f"{options.fix} changed {changed}")
        checks = run_checks(store, project.id, rule=options.rule)
    if options.json:
        answer_json({"changed": changed, "checks": checks})
    else:
        answer(_describe(checks) if checks else ["Nothing was found."])


def _refuse_deletion(store: Store, project_id: int, options: argparse.Namespace) -> None:
    """Say what a fix would delete, if it would delete anything."""
    goes = count_deletion(store, project_id, options.fix, rule=options.rule)
    if goes.queries or goes.passages:
        raise InputError(
            f"{options.fix} would delete {count(goes.queries, 'query')} and {count(goes.passages, 'passage')}. With them "
            f"goes out of sight: {count(goes.candidates, 'candidate')} and {count(goes.judgements, 'judgement')}. All of "
            "it can be restored in the app, under Data. Nothing was changed; add --yes to do it."
        )


def _find_annotator(store: Store, options: argparse.Namespace) -> int:
    """Find who fixes; 0, which is nobody, for a fix that touches no judgement."""
    if options.annotator is None:
        if options.fix.startswith("judge_"):
            raise InputError(f"{options.fix} opens somebody's judgements again. Give --annotator NAME.")
        return 0
    annotators = {annotator.handle: annotator.id for annotator in store.annotators.list()}
    if options.annotator not in annotators:
        raise InputError(f'There is no annotator "{options.annotator}". There are: {", ".join(annotators) or "none yet"}.')
    return annotators[options.annotator]


def _describe(checks: list[Check]) -> Iterator[str]:
    for check in checks:
        yield f"{check.kind} ({check.count}): {check.sentence}"
        for row in check.rows[:_SHOWN]:
            yield f"  {_describe_row(row)}"
        if check.count > _SHOWN:
            yield f"  and {check.count - _SHOWN} more"
        for fix in check.fixes:
            yield f"  --fix {fix.name}: {fix.sentence}" if fix.can_apply else f"  {fix.sentence}"


def _describe_row(row: CheckRow) -> str:
    texts = [_shorten(text.text) for text in (*row.queries, *row.passages)]
    return " | ".join([*texts, row.note] if row.note else texts)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= _WIDTH else f'"{line[: _WIDTH - 1]}…"'
