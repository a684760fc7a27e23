"""Gold grades as qrels and as a BEIR folder: under the ids that texts came with, each id one text's."""

from pathlib import Path

import pytest

from annotations.errors import InputError
from annotations.exchange import ExportOptions, export_beir, export_qrels
from annotations.exchange.corpus_files import score_candidates
from annotations.store import Store
from annotations.store.labels import CandidateRow
from annotations.store.scores import NewScore
from annotations.store.texts import NewPassage
from reranker_core.examples import open_beir, read_beir_qrels, read_run, read_trec_qrels
from tests.annotations.exchange.messy_project import Bench, name_texts, set_up


def test_qrels_carry_every_usable_id_and_made_ones_for_the_rest(export_store: Store, tmp_path: Path) -> None:
    store = export_store
    bench = name_texts(store)
    food, car = bench.passages["food"], bench.passages["car"]
    none, same = (f"q{bench.queries[query]}" for query in ("none", "same"))
    report = export_qrels(store, bench.project_id, tmp_path / "qrels.tsv", form="beir")

    assert read_beir_qrels(tmp_path / "qrels.tsv") == {
        "1": {"d1": 3, "d1b": 3, "e1": 0, "e2": 0, "d 2": 1},
        "q1": {"x3": 2},
        "q 2": {"x3": 2},
        none: {f"p{car}": 0},
        same: {"c": 3, "d 2": 0},
    }
    assert (report.rows, report.account("pairs").used) == (10, 7)
    assert report.warnings[0].startswith("1 external ids of queries were not used")

    report = export_qrels(store, bench.project_id, tmp_path / "a.qrels", form="trec")
    qrels = read_trec_qrels(tmp_path / "a.qrels")
    assert qrels["1"] == {"d1": 3, "d1b": 3, "e1": 0, "e2": 0, f"p{food}": 1}
    assert [*qrels] == ["1", "q1", none, same]
    assert report.warnings[1].startswith("1 external ids of passages were not used")


def test_a_made_id_is_never_somebody_elses(export_store: Store, tmp_path: Path) -> None:
    store = export_store
    bench = name_texts(store)
    car = bench.passages["car"]
    store.texts.add_passages(bench.project_id, [NewPassage(text="sly", external_id=f"p{car}")])
    export_qrels(store, bench.project_id, tmp_path / "a.qrels", form="trec")
    assert read_trec_qrels(tmp_path / "a.qrels")[f"q{bench.queries['none']}"] == {f"p{car}x": 0}


def test_qrels_count_what_they_leave_out(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess
    report = export_qrels(store, bench.project_id, tmp_path / "a.qrels", form="trec", options=ExportOptions(rule="highest"))
    assert (report.rows, report.account("judgements").used, report.account("pairs").used) == (7, 8, 7)
    assert report.account("queries").left_out == {"no passage has a grade": 2, "the query was deleted": 1}
    with pytest.raises(InputError, match="no grade to write: 5 × no passage has a grade; 1 × the query was deleted"):
        export_qrels(
            store, bench.project_id, tmp_path / "a.qrels", form="beir", options=ExportOptions(annotators=("Cleo",))
        )
    assert len(read_trec_qrels(tmp_path / "a.qrels")) == 3
    with pytest.raises(InputError, match="form trec or beir, got 'json'"):
        export_qrels(store, bench.project_id, tmp_path / "a.qrels", form="json")


def test_a_beir_folder_has_all_passages_with_their_titles_taken_off_again(export_store: Store, tmp_path: Path) -> None:
    store = export_store
    bench = name_texts(store)
    store.texts.set_split([bench.queries["one"], bench.queries["none"]], "train")
    store.texts.set_split([bench.queries["two"], bench.queries["same"]], "test")
    report = export_beir(store, bench.project_id, tmp_path / "beir")
    folder = open_beir(tmp_path / "beir")
    corpus = {entry.id: entry for entry in folder.read_corpus()}

    assert {key: (entry.title, entry.text) for key, entry in corpus.items()} == {
        "d1": ("Panda", "a bear"),
        "d1b": ("", "Panda a bear"),
        "e1": ("", ""),
        "e2": ("", ""),
        f"p{bench.passages['food']}": ("", "food"),
        "x3": ("", "other"),  # which its title is not part of
        f"p{bench.passages['car']}": ("", "car"),
        "c": ("Car", ""),
    }
    assert [corpus[key].passage for key in ("d1", "c")] == ["Panda a bear", "Car"]
    assert [entry.text for entry in folder.read_queries()] == ["one", "two", "none", "same"]
    assert folder.splits == ("train", "test")
    assert [*folder.read_qrels("test")] == ["q1", f"q{bench.queries['same']}"]
    assert report.warnings[-1] == "The part dev has no grades."
    assert sorted(file.path.relative_to(tmp_path / "beir").as_posix() for file in report.files) == sorted(
        path.relative_to(tmp_path / "beir").as_posix() for path in (tmp_path / "beir").rglob("*.*")
    )
    with pytest.raises(InputError, match="is there already"):
        export_beir(store, bench.project_id, tmp_path / "beir")


def test_a_run_has_all_candidates_in_the_order_of_the_first_stage(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess
    elsewhere, other, bm25 = (store.scores.add_model(name) for name in ("bm25 elsewhere", "m3", "BM25"))
    stranger = set_up(store)
    stranger.add_query("q", "bear")
    store.scores.put(elsewhere.id, [NewScore(candidate_id=stranger.candidate("q", "bear"), score=1.0)])
    for name, score in {"car": 7.5, "food": 2.25}.items():
        key = bench.candidate("what is a panda?", name)
        store.scores.put(bm25.id, [NewScore(candidate_id=key, score=score)])
        store.scores.put(other.id, [NewScore(candidate_id=key, score=0.1)])
    report = export_beir(store, bench.project_id, tmp_path / "beir")
    run = read_run(tmp_path / "beir" / "candidates.run")
    names = {f"p{key}": short for short, key in bench.passages.items()}
    ranked = {query: {names[key]: score for key, score in scores.items()} for query, scores in run.items()}

    assert ranked[f"q{bench.queries['what is a panda?']}"] == {
        **{"car": 7.5, "food": 2.25, "bear": 1.25, "blank": 0.25, "half": -0.75, "later": -1.75, "unsure": -2.75},
        "far 0": -3.75,
    }
    assert ranked[f"q{bench.queries['only positive']}"] == {"bear": 1.0, "car": 0.5, "far 1": 1 / 3}
    account = report.account("candidates")
    assert (account.given, account.used, dict(account.left_out)) == (16, 15, {"the passage was deleted": 1})
    assert "staged" not in (tmp_path / "beir" / "corpus.jsonl").read_text(encoding="utf-8")


def test_equally_ranked_candidates_come_as_they_were_added() -> None:
    rows = [CandidateRow(1, key, key, "x", rank, False) for key, rank in ((5, None), (6, 2), (7, 1), (8, 2))]
    assert [*score_candidates(rows, {})] == [7, 6, 8, 5]
