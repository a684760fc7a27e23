"""The pages of the Data screen."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from annotations.errors import InputError
from annotations.store import Store
from annotations.store.browsing import DeletionCount, Page, QueryCounts
from annotations.store.imports import ImportedJudgement
from annotations.store.pair_filters import PairFilter
from annotations.store.scores import NewScore
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage
from tests.annotations.desk import Desk, lay_out


@pytest.fixture
def desk(store: Store) -> Desk:
    """Two queries over five passages, the second with the last two; judged by Ada, Grace and an import."""
    desk = lay_out(store)
    grace = store.annotators.get_or_add("Grace")
    desk.judge(0, 3)
    desk.judge(1, 0)
    desk.judge(2, None, state="later")
    desk.judge(3, None, state="cant_tell")
    desk.judge(0, 1, annotator_id=grace.id)
    desk.judge(1, 3, annotator_id=grace.id)
    desk.judge(4, 2)
    desk.undo()
    second = store.texts.add_query(desk.project_id, "who eats bamboo?", split="dev").id
    passages = [one.passage.id for one in store.texts.candidates(desk.query_id)]
    wanted = [
        NewCandidate(query_id=second, passage_id=key, source="csv", source_rank=n) for n, key in enumerate(passages[3:], 1)
    ]
    desk.candidates += store.texts.add_candidates(wanted).ids
    desk.judge(5, 3, annotator_id=store.annotators.get_or_add("import", kind="import").id)
    lay_out(store, name="other project")
    return desk


def find(desk: Desk, **filters: Any) -> list[int]:
    """Give the indexes of the candidates that a filter lets through."""
    page = desk.store.browse.pairs(desk.project_id, filters=PairFilter(**filters))
    assert page.total == len(page.rows)
    return [desk.candidates.index(pair.candidate_id) for pair in page.rows]


def test_a_pair_has_its_texts_where_it_came_from_and_all_judgements(desk: Desk) -> None:
    model = desk.store.scores.add_model("m3")
    desk.store.scores.put(model.id, [NewScore(candidate_id=desk.candidates[0], score=1.0)])
    first, *_, last = desk.store.browse.pairs(desk.project_id).rows

    assert (first.query, first.passage, first.split, first.scores) == ("what is panda, asks pandas?", "passage 0", None, 1)
    assert [(one.handle, one.kind, one.state, one.grade, one.version) for one in first.judgements] == [
        ("Ada", "human", "graded", 3, 1),
        ("Grace", "human", "graded", 1, 1),
    ]
    assert (last.query, last.passage, last.split, last.source, last.source_rank) == (
        "who eats bamboo?",
        "passage 4",
        "dev",
        "csv",
        2,
    )
    assert (last.judgements, last.scores) == ((), 0)
    assert desk.store.browse.sources(desk.project_id) == ["bm25", "csv"]


def test_every_filter_lets_through_what_it_says(desk: Desk) -> None:
    second = desk.store.texts.queries(desk.project_id)[1].id
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"text": "bamboo"}, [5, 6]),
        ({"text": "PASSAGE 3"}, [3, 5]),
        ({"text": "bamboo passage"}, []),  # all in one of the two
        ({"query_id": second}, [5, 6]),
        ({"grades": (3,)}, [0, 1, 5]),
        ({"grades": (3,), "annotator": "Ada"}, [0]),
        ({"grades": (0, 1), "annotator": "Grace"}, [0]),
        ({"states": ("later", "cant_tell")}, [2, 3]),
        ({"states": ("graded",), "grades": (0,)}, [1]),
        ({"states": ("skipped",), "grades": (0,)}, []),
        ({"is_judged": True}, [0, 1, 3, 5]),
        ({"is_judged": False}, [2, 4, 6]),
        ({"is_judged": False, "annotator": "Grace"}, [2, 3, 4, 5, 6]),
        ({"split": "dev"}, [5, 6]),
        ({"split": "none"}, [0, 1, 2, 3, 4]),
        ({"split": "train"}, []),
        ({"source": "csv"}, [5, 6]),
        ({"source": "csv", "is_judged": True, "text": "passage", "split": "dev", "query_id": second}, [5]),
    ]
    assert [find(desk, **filters) for filters, _ in expected] == [found for _, found in expected]


def test_a_page_is_a_part_and_knows_the_whole(desk: Desk) -> None:
    for filters in (PairFilter(), PairFilter(text="passage")):
        page = desk.store.browse.pairs(desk.project_id, filters=filters, offset=5, limit=1)
        assert ([desk.candidates.index(pair.candidate_id) for pair in page.rows], page.total) == ([5], 7)
    assert desk.store.browse.pairs(desk.project_id, offset=99) == Page(rows=(), total=7)


def test_what_is_deleted_or_staged_is_on_no_page(desk: Desk) -> None:
    store = desk.store
    passages = [one.passage.id for one in store.texts.candidates(desk.query_id)]
    batch = store.imports.begin(desk.project_id, source_kind="csv", source_name="b", sha256="2", scale="graded")
    staged = store.texts.add_passages(desk.project_id, [NewPassage(text="passage staged")], batch_id=batch.id).ids[0]
    new = NewCandidate(query_id=desk.query_id, passage_id=staged, source="staged")
    store.texts.add_candidates([new], batch_id=batch.id)
    ada = ImportedJudgement(candidate_id=desk.candidates[4], annotator_id=desk.annotator_id, state="graded", grade=1)
    store.imports.add_judgements(batch.id, [ada])

    assert find(desk, text="passage") == [0, 1, 2, 3, 4, 5, 6]
    assert find(desk, grades=(1,)) == [0]
    assert store.browse.queries(desk.project_id).rows[0].candidates == 5
    store.texts.delete_passages(passages[3:4])
    assert find(desk) == [0, 1, 2, 4, 6]
    assert find(desk, text="passage 3") == []
    store.texts.delete_queries([desk.query_id])
    assert find(desk, is_judged=False) == [6]
    assert [row.text for row in store.browse.queries(desk.project_id).rows] == ["who eats bamboo?"]


def test_queries_say_how_far_their_labels_are(desk: Desk) -> None:
    second = desk.store.texts.queries(desk.project_id)[1].id

    def count() -> list[tuple[int, int, int, int]]:
        rows = desk.store.browse.queries(desk.project_id).rows
        return [(row.candidates, row.judged, row.positives, row.negatives) for row in rows]

    # Of the first, Ada says 3 and Grace 1, Ada 0 and Grace 3: of two the lower. An import's 3 stands until a person says 1.
    assert count() == [(5, 3, 0, 1), (2, 1, 1, 0)]
    desk.judge(5, 1)
    desk.judge(0, 3, annotator_id=desk.store.annotators.get_or_add("Alan").id)
    assert count() == [(5, 3, 1, 1), (2, 1, 0, 0)]
    assert desk.store.browse.queries(desk.project_id, text="BAMBOO") == Page(
        rows=(
            QueryCounts(
                query_id=second, text="who eats bamboo?", split="dev", candidates=2, judged=1, positives=0, negatives=0
            ),
        ),
        total=1,
    )
    assert [row.query_id for row in desk.store.browse.queries(desk.project_id, offset=1, limit=1).rows] == [second]


def test_on_the_binary_scale_one_is_positive(store: Store) -> None:
    desk = lay_out(store)
    desk.judge(0, 1, scale="binary")
    desk.judge(1, 0, scale="binary")
    importer = store.annotators.get_or_add("import", kind="import").id
    desk.judge(0, 0, scale="binary", annotator_id=importer)  # a person overrules an import

    (row,) = store.browse.queries(desk.project_id).rows
    assert (row.positives, row.negatives) == (1, 1)


def test_deleted_texts_are_listed_the_newest_deletion_first(path: Path) -> None:
    moments = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 29)]
    with Store.open(path, clock=moments.pop) as store:
        desk = lay_out(store)
        passages = [one.passage.id for one in store.texts.candidates(desk.query_id)]
        store.texts.delete_queries([desk.query_id])
        store.texts.delete_passages(passages[1:2])
        store.texts.delete_passages(passages[:1])

        page = store.browse.deleted(desk.project_id)
        assert [(row.kind, row.id, row.text) for row in page.rows] == [
            ("query", desk.query_id, "what is panda, asks pandas?"),
            ("passage", passages[1], "passage 1"),
            ("passage", passages[0], "passage 0"),
        ]
        assert page.rows[0].deleted_at > page.rows[1].deleted_at
        assert [row.id for row in store.browse.deleted(desk.project_id, offset=1, limit=1).rows] == [passages[1]]
        store.texts.restore_queries([desk.query_id])
        assert store.browse.deleted(desk.project_id).total == 2


def test_a_deletion_is_counted_before_it_is_made(desk: Desk) -> None:
    store = desk.store
    passages = [one.passage.id for one in store.texts.candidates(desk.query_id)]
    count = store.browse.count_of_deletion

    assert count(query_ids=[desk.query_id]) == DeletionCount(queries=1, passages=0, candidates=5, judgements=6)
    assert count(passage_ids=passages[3:]) == DeletionCount(queries=0, passages=2, candidates=4, judgements=2)
    both = count(query_ids=[desk.query_id, 999], passage_ids=passages[3:])
    assert both == DeletionCount(queries=1, passages=2, candidates=7, judgements=7)
    store.texts.delete_queries([desk.query_id])
    assert count(query_ids=[desk.query_id], passage_ids=passages[3:]) == DeletionCount(
        queries=0, passages=2, candidates=2, judgements=1
    )


def test_what_is_no_filter_and_no_page_is_refused(desk: Desk) -> None:
    browse, project = desk.store.browse, desk.project_id
    with pytest.raises(InputError, match='no annotator "Nobody"'):
        browse.pairs(project, filters=PairFilter(annotator="Nobody"))
    with pytest.raises(InputError, match="limit must be a whole number from 1 to 1,000, got 0"):
        browse.pairs(project, limit=0)
    with pytest.raises(InputError, match="offset must be a whole number from 0, got -1"):
        browse.queries(project, offset=-1)
    with pytest.raises(InputError, match="grade is one of 0, 1, 2, 3, got 4"):
        PairFilter(grades=(4,))
    with pytest.raises(InputError, match="state is one of graded"):
        PairFilter(states=("liked",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no project 99"):
        browse.queries(99)
