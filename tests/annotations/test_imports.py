"""Imports: staged where nobody sees them, published at once, or gone without a trace."""

from datetime import UTC, datetime
from typing import Any

import pytest

from annotations.errors import ConflictError, InputError
from annotations.models import ImportBatch
from annotations.store.imports import ImportedJudgement
from annotations.store.scores import NewScore
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage, NewQuery
from tests.annotations.desk import Desk, raw

JUDGED = datetime(2020, 2, 2, 12, tzinfo=UTC)


def begin(desk: Desk, **changed: Any) -> ImportBatch:
    """Begin an import of graded labels."""
    values = {"source_kind": "csv", "source_name": "labels.csv", "sha256": "ab" * 32, "scale": "graded", **changed}
    return desk.store.imports.begin(desk.project_id, **values)


def stage(desk: Desk, batch: ImportBatch) -> tuple[int, int]:
    """Stage something of every kind, part of it beside what is there, and give the new query and its candidate."""
    texts = desk.store.texts
    query, _ = texts.add_queries(
        desk.project_id,
        [
            NewQuery(text="new query", external_id="n1", split="test"),
            NewQuery(text="what is panda, asks pandas?", external_id="n2"),
        ],
        batch_id=batch.id,
    ).ids
    passages = texts.add_passages(
        desk.project_id,
        [NewPassage(text="new passage", external_id="p1", title="new"), NewPassage(text="passage 0", external_id="p2")],
        batch_id=batch.id,
    ).ids
    candidates = texts.add_candidates(
        [
            NewCandidate(query_id=query, passage_id=passages[0], source="import"),
            NewCandidate(query_id=desk.query_id, passage_id=passages[0], source="import"),
        ],
        batch_id=batch.id,
    ).ids
    model = desk.store.scores.add_model("m3")
    scored = (candidates[1], desk.candidates[0])
    desk.store.scores.put(model.id, [NewScore(candidate_id=key, score=1.5) for key in scored], batch_id=batch.id)
    judged = [candidates[0], candidates[1], desk.candidates[1]]
    desk.store.imports.add_judgements(
        batch.id,
        [
            ImportedJudgement(candidate_id=key, annotator_id=desk.annotator_id, state="graded", grade=2, judged_at=JUDGED)
            for key in judged
        ],
    )
    return query, candidates[0]


def look(desk: Desk) -> list[Any]:
    """Give what every reading method gives."""
    store, project_id, annotator_id = desk.store, desk.project_id, desk.annotator_id
    queries = store.texts.queries(project_id)
    passages = store.texts.passages(project_id)
    candidates = [row.candidate.id for query in queries for row in store.texts.candidates(query.id)]
    return [
        [query.text for query in queries],
        [passage.text for passage in passages],
        candidates,
        store.texts.external_ids_of_queries([query.id for query in queries]),
        {
            key: [name.ext_id for name in names]
            for key, names in store.texts.external_ids_of_passages([passage.id for passage in passages]).items()
        },
        [(row.candidate_id, row.score) for query in queries for row in store.scores.of_query(query.id)],
        [(row.candidate_id, row.grade) for query in queries for row in store.judgements.of_query(query.id)],
        [row.grade if row else None for row in (store.judgements.get(key, annotator_id) for key in range(1, 12))],
        [[event.action for event in store.history.of(key)] for key in range(1, 12)],
        store.counts.of_project(project_id, annotator_id),
        [store.counts.of_query(query.id, annotator_id) for query in queries],
        store.counts.today(project_id, annotator_id, since=datetime(2000, 1, 1, tzinfo=UTC)),
        store.projects.get_by_id(project_id).scale,
        store.imports.list(project_id),
    ]


def test_no_reading_method_gives_anything_of_a_staged_import(desk: Desk) -> None:
    desk.judge(0, None)
    model = desk.store.scores.add_model("m3")
    desk.store.scores.put(model.id, [NewScore(candidate_id=desk.candidates[0], score=0.25)])
    before = look(desk)
    query, candidate = stage(desk, begin(desk))  # which scores that candidate by the same model

    assert look(desk) == before
    assert desk.store.texts.candidates(query) == []
    assert desk.store.judgements.of_query(query) == []
    assert desk.store.scores.of_query(query) == []
    assert desk.store.counts.of_query(query, desk.annotator_id).candidates == 0
    assert desk.store.texts.external_ids_of_queries([query]) == {}
    with pytest.raises(InputError, match="no query"):
        desk.store.texts.query(query)
    with pytest.raises(InputError, match="no candidate"):
        desk.judge(0, candidate_id=candidate)
    with pytest.raises(InputError, match="no candidate"):
        desk.store.scores.put(1, [NewScore(candidate_id=candidate, score=1.0)])
    with pytest.raises(InputError, match="no query"):
        desk.store.texts.add_candidates([NewCandidate(query_id=query, passage_id=1, source="manual")])


def test_a_published_import_is_all_there_at_once(desk: Desk) -> None:
    batch = begin(desk)
    query, candidate = stage(desk, batch)
    published = desk.store.imports.publish(batch.id, counts={"judgements": 3}, report=["line 4: no grade"])

    assert (published.counts, published.report) == ({"judgements": 3}, ["line 4: no grade"])
    assert desk.store.texts.query(query).split == "test"
    assert len(desk.store.texts.candidates(desk.query_id)) == 6
    judgement = desk.store.judgements.get(candidate, desk.annotator_id)
    assert judgement is not None
    assert (judgement.grade, judgement.created_at, judgement.updated_at) == (2, JUDGED, JUDGED)
    assert [(event.action, event.before) for event in desk.store.history.of(judgement)] == [("import", None)]
    assert desk.store.counts.of_project(desk.project_id, desk.annotator_id).graded == 3
    assert desk.store.projects.get_by_id(desk.project_id).scale == "graded"
    assert [one.id for one in desk.store.imports.list(desk.project_id)] == [batch.id]
    assert desk.undo() == "nothing"


def test_a_cancelled_import_leaves_nothing(desk: Desk) -> None:
    desk.judge(0, None)
    before = look(desk)
    with raw(desk.store.path) as connection:
        tables = [
            row[0]
            for row in connection.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        ]

        def count() -> list[int]:
            return [
                connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables if name != "model_ref"
            ]

        rows = count()
        batch = begin(desk)
        stage(desk, batch)
        assert count() != rows
        desk.store.imports.discard(batch.id)
        assert count() == rows
    assert look(desk) == before
    assert desk.store.imports.find_staged(desk.project_id) is None


def test_what_somebody_adds_meanwhile_is_there_at_once_and_stays_when_the_import_is_cancelled(desk: Desk) -> None:
    batch = begin(desk)
    stage(desk, batch)
    query = desk.store.texts.add_query(desk.project_id, "new query", external_id="n1")
    passages = desk.store.texts.add_passages(desk.project_id, [NewPassage(text="new passage")])
    wanted = [NewCandidate(query_id=query.id, passage_id=passages.ids[0], source="manual")]
    candidate = desk.store.texts.add_candidates(wanted).ids[0]
    assert [row.passage.text for row in desk.store.texts.candidates(query.id)] == ["new passage"]

    desk.store.imports.discard(batch.id)
    assert [row.candidate.id for row in desk.store.texts.candidates(query.id)] == [candidate]
    assert desk.store.texts.external_ids_of_queries([query.id]) == {query.id: ["n1"]}
    assert desk.store.judgements.of_query(query.id) == []
    assert desk.judge(0, 1, candidate_id=candidate, expected_version=0).status == "saved"


def test_a_label_made_while_an_import_is_staged_goes_before_the_imported_one(desk: Desk) -> None:
    batch = begin(desk)
    stage(desk, batch)
    assert desk.judge(1, 0).status == "saved"  # the import has a 2 for it

    desk.store.imports.publish(batch.id)
    judgement = desk.judgement(1)
    assert judgement is not None
    assert judgement.grade == 0
    assert [event.action for event in desk.store.history.of(judgement)] == ["save"]


def test_an_import_leaves_labels_that_are_there(desk: Desk) -> None:
    desk.judge(0, 3)
    batch = begin(desk)
    given = [
        ImportedJudgement(candidate_id=key, annotator_id=desk.annotator_id, state="graded", grade=1)
        for key in (desk.candidates[0], desk.candidates[1], desk.candidates[1])
    ]
    became = desk.store.imports.add_judgements(batch.id, given)
    desk.store.imports.publish(batch.id)

    assert (became.new, became.kept) == (1, 2)
    assert desk.grades()[:2] == [3, 1]


def test_a_redo_does_not_overwrite_what_an_import_brought_meanwhile(desk: Desk) -> None:
    desk.judge(0, 3)
    desk.undo()
    batch = begin(desk)
    given = ImportedJudgement(candidate_id=desk.candidates[0], annotator_id=desk.annotator_id, state="graded", grade=1)
    assert desk.store.imports.add_judgements(batch.id, [given]).new == 1
    desk.store.imports.publish(batch.id)

    with pytest.raises(ConflictError, match="by an import") as refused:
        desk.redo()
    assert refused.value.current is not None
    assert refused.value.current.grade == 1
    assert desk.grades()[0] == 1
    assert refused.value.current.version > 2  # than any that a page may have seen


def test_a_project_stages_one_import_at_a_time(desk: Desk) -> None:
    first = begin(desk)
    with pytest.raises(ConflictError, match=r"import of labels\.csv .* is not finished"):
        begin(desk)
    staged = desk.store.imports.find_staged(desk.project_id)
    assert staged is not None
    assert staged.id == first.id

    desk.store.imports.discard(first.id)
    assert begin(desk).id


def test_what_was_published_takes_nothing_more_and_is_not_cancelled(desk: Desk) -> None:
    batch = begin(desk)
    desk.store.imports.publish(batch.id)

    for act in (
        lambda: desk.store.imports.publish(batch.id),
        lambda: desk.store.imports.discard(batch.id),
        lambda: desk.store.texts.add_queries(desk.project_id, [NewQuery(text="late")], batch_id=batch.id),
        lambda: desk.store.imports.add_judgements(batch.id, []),
    ):
        with pytest.raises(InputError, match="published already"):
            act()
    found = desk.store.imports.find_published(desk.project_id, "ab" * 32)
    assert found is not None
    assert found.id == batch.id
    assert desk.store.imports.find_published(desk.project_id, "cd" * 32) is None


def test_an_import_keeps_to_the_scale_of_the_project(desk: Desk) -> None:
    binary = begin(desk, scale="binary")
    given = ImportedJudgement(candidate_id=desk.candidates[0], annotator_id=desk.annotator_id, state="graded", grade=2)
    with pytest.raises(InputError, match="scale is binary, which has no grade 2"):
        desk.store.imports.add_judgements(binary.id, [given])
    allowed = ImportedJudgement(candidate_id=desk.candidates[0], annotator_id=desk.annotator_id, state="graded", grade=1)
    desk.store.imports.add_judgements(binary.id, [allowed])
    desk.judge(1, 3, scale="graded")

    with pytest.raises(ConflictError, match=r"are binary, those of .* graded"):
        desk.store.imports.publish(binary.id)
    desk.store.imports.discard(binary.id)
    with pytest.raises(InputError, match=r"are binary, those of .* graded"):
        begin(desk, scale="binary")
    without = begin(desk, scale=None)
    with pytest.raises(InputError, match="not given"):
        desk.store.imports.add_judgements(without.id, [allowed])


def test_an_import_does_not_bring_back_or_move_what_was_there(desk: Desk) -> None:
    query = desk.store.texts.query(desk.query_id)
    desk.store.texts.delete_queries([query.id])
    batch = begin(desk)
    same = NewQuery(text=query.text, split="test")
    assert desk.store.texts.add_queries(desk.project_id, [same], batch_id=batch.id).ids == (query.id,)
    desk.store.imports.publish(batch.id)

    assert desk.store.texts.queries(desk.project_id) == []
    assert desk.store.texts.query(query.id).split is None
