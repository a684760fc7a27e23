"""The labels that are chosen, as training will read them: where they lie, what is in each part, what to know of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotations.plurals import count
from reranker_core.errors import InputError
from reranker_core.examples import read_snapshot
from ui.services import Services
from ui.tabs.train.drafts import Draft, Drafts
from ui.tabs.train.sources import Labels

_MANIFEST = "manifest.json"
HELD_OUT = 0.2
_PARTS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a training reads.

    Attributes:
        place: a snapshot's folder, a draft of one, or a file of rows.
        rows: of training, roughly for a file.
        parts: figures of train, dev and test, by part; empty for a file.
        seen: the share of the test part's positive passages that stand in a training row, or `None`.
        draft: what holds the place for a project, else `None`.
    """

    place: Path
    rows: int
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seen: float | None = None
    draft: Draft | None = None

    def count_queries(self, part: str) -> int:
        """Count the queries with a grade in a part."""
        return int(self.parts.get(part, {}).get("queries", 0))

    @property
    def hold_out(self) -> float:
        """The share that is held out where nobody says one: 20 % without a dev part, else none."""
        return 0.0 if self.count_queries("dev") else HELD_OUT

    def describe(self) -> str:
        """Say what is in each part, such as `96 train / 24 dev / 40 test queries`."""
        if not self.parts:
            return f"about {count(self.rows, 'row')}"
        return " / ".join(f"{self.count_queries(part):,} {part}" for part in _PARTS if part in self.parts) + " queries"

    def warnings(self) -> list[str]:
        """Say what should be known before a training, in sentences."""
        if not self.parts:
            return []
        found = []
        if not self.count_queries("dev"):
            found.append(
                "The part dev is empty, so 20 % of the training queries are held out to find the best step. More labels "
                "fill it, or an import with a split."
            )
        if not self.count_queries("test"):
            found.append(
                "The part test is empty: the report judges on the queries that chose the step, which flatters. More labels "
                "fill it, or an import with a split."
            )
        without = self.count_queries("train") - int(self.parts.get("train", {}).get("rows", 0))
        if without > 0:
            found.append(
                f"{count(without, 'query has', 'queries have')} no training row, for want of a positive or of a negative "
                "passage. Judge more of their candidates, or find some under Data."
            )
        drawn = int(self.parts.get("train", {}).get("random_negatives", 0))
        if drawn:
            found.append(
                f"{count(drawn, 'negative is', 'negatives are')} drawn at random, for queries that have none. Judged or "
                "mined ones teach more: Data, Find candidates."
            )
        if self.seen:
            found.append(
                f"{self.seen:.0%} of the test part's positive passages stand in a training row too: usual where all "
                "queries share a small collection, and then only the questions are new. The checks can move queries."
            )
        return found


def read_material(services: Services, labels: Labels, drafts: Drafts, *, is_fresh: bool = False) -> Material:
    """Give what a training on these labels would read.

    Raises:
        AnnotationError: nothing has a grade, or the labels cannot be read.
        InputError: the snapshot was changed, or the place cannot be read.
    """
    if labels.project_id is not None and labels.place is None:
        draft = drafts.get(services, labels.project_id, is_fresh=is_fresh)
        return _of_manifest(draft.folder, draft.written.snapshot.manifest, draft)
    if labels.place is None:
        raise InputError("No labels are chosen. Choose a project, a snapshot or a file of training rows.")
    if (labels.place / _MANIFEST).is_file():
        return _of_manifest(labels.place, read_snapshot(labels.place).manifest, None)
    return Material(place=labels.place, rows=_count_lines(labels.place))


def _of_manifest(place: Path, manifest: Mapping[str, Any], draft: Draft | None) -> Material:
    parts = manifest.get("parts") or {}
    leak = manifest.get("leak") or {}
    return Material(
        place=place,
        rows=int(parts.get("train", {}).get("rows", 0)),
        parts=parts,
        seen=leak.get("share"),
        draft=draft,
    )


def _count_lines(place: Path) -> int:
    """Count the lines of a file, or of the jsonl files of a folder."""
    files = sorted(file for file in place.glob("*.json*") if file.is_file()) if place.is_dir() else [place]
    total = 0
    for file in files:
        try:
            with file.open("rb") as opened:
                total += sum(1 for line in opened if line.strip())
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}). Check who may read it.") from error
    return total
