"""Snapshots: labels frozen in a folder for training and evaluation, and registered with the project."""

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from annotations.errors import InputError
from annotations.exchange.corpus_files import collect_candidates, find_first_stage, read_corpus, read_queries
from annotations.exchange.export_ids import ExportIds
from annotations.exchange.import_options import Progress
from annotations.exchange.labelled import LabelledQuery, read_labelled
from annotations.exchange.options import Account, ExportOptions, Threshold, find_prompt, find_threshold
from annotations.exchange.qrels_export import name_grades
from annotations.exchange.row_choice import NOTHING_GRADED, Row, RowChoice, write_out
from annotations.exchange.splits import SPLITS, USUAL_WEIGHTS, Weights, check_weights
from annotations.exchange.tally import Tally
from annotations.exchange.writing import describe_accounts, describe_export, describe_left_out, explaining_writer
from annotations.models import DatasetSnapshot, Split
from annotations.plurals import count
from annotations.store import Store
from annotations.store.labels import LabelReading
from reranker_core.examples import Qrels, Snapshot, read_snapshot, write_snapshot

_LONGEST_NAME = 60
_USUAL = ExportOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What training sees of the test part: positive passages of test queries in a training row, positive or negative there.

    Attributes:
        test_positives: different passages that are positive for a query of the test part.
        seen: how many of them stand in `train.jsonl`.
    """

    test_positives: int
    seen: int

    @property
    def share(self) -> float | None:
        """The share that is seen, 0 to 1; `None` without test positives."""
        return self.seen / self.test_positives if self.test_positives else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReport:
    """A snapshot that was made.

    Attributes:
        registered: as the project knows it.
        snapshot: as training and evaluation read it.
        parts: for each part its figures, such as `queries`, `pairs`, `rows`.
        accounts: given = used + left out; used is what has a grade in the snapshot.
        row_accounts: the same for its training rows, which need a positive and a negative.
        leak: what training sees of the test part.
        warnings: sentences about what should be known before it is used.
    """

    registered: DatasetSnapshot
    snapshot: Snapshot
    parts: Mapping[Split, Mapping[str, int]]
    accounts: tuple[Account, ...]
    row_accounts: tuple[Account, ...]
    leak: Leak
    warnings: tuple[str, ...] = ()


def create_snapshot(
    store: Store,
    project_id: int,
    snapshots_folder: Path,
    *,
    name: str,
    options: ExportOptions = _USUAL,
    split_weights: Weights = USUAL_WEIGHTS,
    on_progress: Progress | None = None,
) -> SnapshotReport:
    """Freeze all queries that have a grade, with their grades, candidates and training rows, and all passages.

    Each text has one id, its first external one or a made one, so that no pair counts twice. All of it comes from one
    moment.

    Args:
        store: where the project is.
        project_id: of the project.
        snapshots_folder: in which the snapshot's folder is made.
        name: by which training and evaluation choose it; new in the project.
        options: as for an export.
        split_weights: how large train, dev and test are, for queries whose part is not stored.
        on_progress: told how far it is; what it raises cancels, and nothing stays.

    Raises:
        InputError: the name is taken or cannot be used, there is no such project or annotator, nothing has a grade, or the
            folder cannot be written.
        StorageError: the labels cannot be read, or the snapshot cannot be registered; it is gone then.
    """
    check_weights(split_weights)
    name = _check_name(name)
    if any(known.name == name for known in store.snapshots.list(project_id)):
        raise InputError(f'There is a snapshot "{name}" already, and snapshots never change. Give another name.')
    with store.labels.read(project_id) as reading, explaining_writer():
        plan = _plan(reading, options, split_weights, on_progress)
        folder = _find_free(Path(snapshots_folder), name)
        snapshot = _write(folder, reading, plan, name=name, on_progress=on_progress)
    try:
        manifest = {key: value for key, value in snapshot.manifest.items() if key != "files"}
        registered = store.snapshots.add(
            project_id, name, path=snapshot.folder.name, sha256=snapshot.sha256, manifest=manifest
        )
    except BaseException:
        shutil.rmtree(snapshot.folder, ignore_errors=True)
        raise
    return SnapshotReport(
        registered=registered,
        snapshot=snapshot,
        parts=plan.parts,
        accounts=plan.tally.account(),
        row_accounts=plan.row_tally.account(),
        leak=plan.leak,
        warnings=(*plan.ids[0].warnings, *plan.ids[1].warnings, *_warn(plan)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotDraft:
    """What a snapshot would be, made now: written, and known to nobody.

    Attributes:
        snapshot: as training reads it.
        parts: as in a report.
        warnings: as in a report.
    """

    snapshot: Snapshot
    parts: Mapping[Split, Mapping[str, int]]
    warnings: tuple[str, ...]


def draft_snapshot(
    store: Store, project_id: int, folder: Path, *, options: ExportOptions = _USUAL, weights: Weights = USUAL_WEIGHTS
) -> SnapshotDraft:
    """Write what `create_snapshot` would, for looking at it before; the project knows nothing of it.

    Args:
        store: where the project is.
        project_id: of the project.
        folder: a new one, which the caller deletes.
        options: as for an export.
        weights: as for `create_snapshot`.

    Raises:
        InputError: there is no such project, or nothing has a grade.
        StorageError: the labels cannot be read.
    """
    with store.labels.read(project_id) as reading, explaining_writer():
        plan = _plan(reading, options, weights, None)
        snapshot = _write(folder, reading, plan, name=folder.name, on_progress=None)
    return SnapshotDraft(snapshot=snapshot, parts=plan.parts, warnings=tuple(_warn(plan)))


def find_snapshot_folder(registered: DatasetSnapshot, snapshots_folder: Path) -> Path:
    """Tell where a registered snapshot lies: its path is kept in relation to the folder of all snapshots."""
    return Path(snapshots_folder) / registered.path


def check_snapshot(folder: Path, *, registered: DatasetSnapshot | None = None) -> Snapshot:
    """Compare every file of a snapshot with its hash, and the whole with what was registered, if that is given.

    Raises:
        InputError: it is no snapshot, or something was changed or is gone; says what.
    """
    with explaining_writer():
        snapshot = read_snapshot(folder)
    if registered is not None and snapshot.sha256 != registered.sha256:
        raise InputError(
            f'{folder} is not the snapshot that was registered as "{registered.name}": its manifest has the SHA-256 '
            f"{snapshot.sha256[:12]}…, expected {registered.sha256[:12]}…. Take it from a backup, or make a new snapshot."
        )
    return snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """All that a snapshot will hold, by ids."""

    options: ExportOptions
    threshold: Threshold
    weights: Weights
    ids: tuple[ExportIds, ExportIds]
    queries: list[LabelledQuery] = field(default_factory=list)
    rows: dict[Split, list[Row]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    qrels: dict[str, Qrels] = field(default_factory=lambda: {split: {} for split in SPLITS})
    tally: Tally = field(default_factory=Tally)
    row_tally: Tally = field(default_factory=Tally)

    @property
    def parts(self) -> dict[Split, dict[str, int]]:
        """Count what each part holds."""
        return {split: self._count(split) for split in SPLITS}

    @property
    def leak(self) -> Leak:
        """Compare the test part's positives with what training sees; equal texts are one passage."""
        positives = {
            passage_id
            for query in self.queries
            if query.split == "test"
            for passage_id, grade in query.grades.items()
            if grade >= self.threshold.positive_from
        }
        seen = {key for row in self.rows["train"] for key in (*row.positives, *row.negatives, *row.drawn)}
        return Leak(test_positives=len(positives), seen=len(positives & seen))

    def _count(self, split: Split) -> dict[str, int]:
        mine = [query for query in self.queries if query.split == split]
        rows = self.rows[split]
        return {
            "queries": len(mine),
            "queries_with_stored_part": sum(query.is_stored for query in mine),
            "pairs": sum(len(query.grades) for query in mine),
            "rows": len(rows),
            "positives": sum(len(row.positives) for row in rows),
            "negatives": sum(len(row.negatives) for row in rows),
            "random_negatives": sum(len(row.drawn) for row in rows),
        }


def _plan(reading: LabelReading, options: ExportOptions, weights: Weights, on_progress: Progress | None) -> _Plan:
    """Decide what goes in, without the texts."""
    plan = _Plan(
        options=options,
        threshold=find_threshold(options, reading.project.scale),
        weights=weights,
        ids=(
            ExportIds(reading.query_names(), prefix="q", is_trec=True, is_single=True),
            ExportIds(reading.passage_names(), prefix="p", is_trec=True, is_single=True),
        ),
    )
    labelled = read_labelled(reading, options, tally=plan.tally, weights=weights, on_progress=on_progress)
    choice = RowChoice(reading, options, plan.threshold, tally=plan.row_tally)
    for row in choice.choose(_keep_graded(labelled, plan)):
        plan.rows[row.query.split].append(row)
    accounts = plan.tally.account()
    if not plan.queries:
        raise InputError(
            f"There is no grade to freeze: {describe_left_out(accounts)}. Judge some, or choose other options."
        )
    plan.row_tally.account()
    return plan


def _keep_graded(queries: Iterable[LabelledQuery], plan: _Plan) -> Iterator[LabelledQuery]:
    """Let queries with a grade through, and note them and their grades."""
    for query in queries:
        if not query.grades:
            plan.tally.leave_out("queries", NOTHING_GRADED)
            continue
        plan.tally.use("queries")
        plan.qrels[query.split] |= name_grades(query, *plan.ids, tally=plan.tally)
        plan.queries.append(query)
        plan.row_tally.give("queries")
        plan.row_tally.give("pairs", len(query.grades))
        yield query


def _write(folder: Path, reading: LabelReading, plan: _Plan, *, name: str, on_progress: Progress | None) -> Snapshot:
    query_ids = [query.id for query in plan.queries]
    candidates = collect_candidates(reading, query_ids, names=plan.ids, tally=plan.tally)
    prompt = find_prompt(plan.options, reading.project.default_prompt)
    first_stage = find_first_stage(reading)
    leak = plan.leak
    manifest = {
        "name": name,
        **describe_export(reading, plan.options, plan.threshold, plan.tally),
        "prompt": prompt,
        "split": {
            "rule": "a stored part stays; other queries by the hash of seed and query",
            "seed": reading.project.split_seed,
            "weights": [*plan.weights],
        },
        "parts": plan.parts,
        "row_accounts": describe_accounts(plan.row_tally.account()),
        "candidates_scored_by": first_stage.name if first_stage else None,
        "leak": {**asdict(leak), "share": leak.share},
    }
    return write_snapshot(
        folder,
        corpus=read_corpus(reading, plan.ids[1], on_progress=on_progress),
        queries=read_queries(reading, query_ids, plan.ids[0]),
        qrels=plan.qrels,
        candidates=candidates,
        examples={
            split: write_out(_tell(rows, split, on_progress), reading, prompt=prompt) for split, rows in plan.rows.items()
        },
        manifest=manifest,
    )


def _tell(rows: list[Row], split: Split, on_progress: Progress | None) -> Iterator[Row]:
    for done, row in enumerate(rows):
        if on_progress and done % 100 == 0:
            on_progress(f"Writing training rows of {split}", done / len(rows))
        yield row


def _warn(plan: _Plan) -> Iterator[str]:
    for split, part in plan.parts.items():
        if not part["queries"]:
            yield f"The part {split} is empty."
        elif not part["rows"]:
            yield f"The part {split} has grades, but no query with a positive and a negative passage, so no training row."
    if plan.leak.seen:
        yield (f"Of {count(plan.leak.test_positives, 'positive passage')} in the test part training sees {plan.leak.seen}.")


def _check_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name.strip())
    if not name or not name.isprintable():
        raise InputError(f"The name of a snapshot needs a character and none that cannot be seen, got {name!r}.")
    return name


def _find_free(parent: Path, name: str) -> Path:
    """Give a folder that is not there: the name with a hyphen for whatever is no letter or digit, perhaps a number."""
    safe = re.sub(r"[\W_]+", "-", name)[:_LONGEST_NAME].strip("-") or "snapshot"
    folder, number = parent / safe, 1
    while os.path.lexists(folder):
        number += 1
        folder = parent / f"{safe}-{number}"
    return folder
