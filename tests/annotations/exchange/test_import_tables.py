"""csv and tsv: ours come back as they were, others' columns are found, and a bad row costs only itself."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotations.errors import InputError
from annotations.exchange import open_source, preview_import, source_from_text
from annotations.store import Store
from tests.annotations.exchange.imported import labels_of, listed, names_of, sources_of, take, take_into

OURS = (
    "query,passage,state,grade,annotator,judged_at,seconds,source,source_rank,split,query_id,passage_id,title,score_shown\r\n"
    'what is panda?,"Panda\r\nA bear, ""big""",graded,3,Ada,2026-11-23T12:03:11.000001Z,1.234,bm25,1,test,q1,p1,Panda,1\r\n'
    'what is panda?,"Panda\r\nA bear, ""big""",graded,0,Bob,2026-11-23T13:03:11+01:00,,bm25,1,test,q1,p1,Panda,\r\n'
    "what is panda?,,cant_tell,,Ada,,,random,,test,q1,p2,,false\r\n"
    "什么是熊猫？, 熊猫 \x00,,,,,,bm25,2,,,,,\r\n"
)


def test_a_csv_of_ours_comes_back_as_it_was(shared_store: Store, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(OURS, encoding="utf-8-sig", newline="")
    project_id, preview, report = take(shared_store, tmp_path / "labels.csv")

    bear = 'Panda\r\nA bear, "big"'
    assert labels_of(shared_store, project_id) == {
        ("what is panda?", bear): {"Ada": 3, "Bob": 0},
        ("what is panda?", ""): {"Ada": "cant_tell"},
        ("什么是熊猫？", " 熊猫 \x00"): {},
    }
    assert sources_of(shared_store, project_id) == {
        ("what is panda?", bear): ("bm25", 1),
        ("what is panda?", ""): ("random", None),
        ("什么是熊猫？", " 熊猫 \x00"): ("bm25", 2),
    }
    assert names_of(shared_store, project_id) == {bear: [("p1", "Panda")], "": [("p2", None)], " 熊猫 \x00": []}
    panda, chinese = shared_store.texts.queries(project_id)
    assert (panda.split, chinese.split) == ("test", None)
    assert shared_store.texts.external_ids_of_queries([panda.id]) == {panda.id: ["q1"]}
    judged = {one.grade: one for one in shared_store.judgements.of_query(panda.id)}
    assert (judged[3].created_at, judged[3].duration_ms) == (datetime(2026, 11, 23, 12, 3, 11, 1, tzinfo=UTC), 1234)
    assert (judged[0].updated_at, judged[0].duration_ms) == (datetime(2026, 11, 23, 12, 3, 11, tzinfo=UTC), None)
    assert {one.handle: one.kind for one in shared_store.annotators.list() if one.handle in ("Ada", "Bob")} == {
        "Ada": "human",
        "Bob": "human",
    }

    assert (preview.splits, preview.annotators, preview.raw_grades) == ({"test": 1}, {"Ada": 2, "Bob": 1}, {"3": 1, "0": 1})
    assert (preview.queries, preview.passages, preview.candidates, preview.judgements) == (2, 3, 3, 3)
    assert [(row.state, row.raw_grade, row.grade, row.annotator) for row in preview.sample] == [
        ("graded", "3", 3, "Ada"),
        ("graded", "0", 0, "Bob"),
        ("cant_tell", "", None, "Ada"),
        (None, "", None, ""),
    ]
    assert (report.used, report.problems.count) == (4, 0)
    assert [note.partition(", so")[0] for note in report.notes] == ["The file puts 1 query into test and none into train"]
    assert report.batch is not None
    assert report.batch.counts["judgements"] == {"new": 3, "known": 0}
    assert report.batch.report["grade_map"] == {"3": 3, "0": 0}
    assert report.sentence.startswith("labels.csv was imported: 2 new queries, 3 new passages, 3 new candidates, 3 new")


def test_columns_are_found_by_other_names_and_the_rest_is_named(shared_store: Store) -> None:
    text = "\n Query ;DOCUMENT;Label;doc-id;lang;score\nq;a;1;d1;en;0.5\nq;b;0;;;\n\nq;c;;d3;;\n"
    project_id, preview, report = take(shared_store, text, annotator="TREC")
    assert labels_of(shared_store, project_id) == {("q", "a"): {"TREC": 1}, ("q", "b"): {"TREC": 0}, ("q", "c"): {}}
    assert names_of(shared_store, project_id)["a"] == [("d1", None)]
    assert {one.handle: one.kind for one in shared_store.annotators.list() if one.handle == "TREC"} == {"TREC": "human"}
    assert preview.notes == (
        'These columns are not read: "lang", "score". Those that are: query, passage, grade, passage_id.',
    )
    assert (report.scale, shared_store.projects.get_by_id(project_id).scale) == ("binary", "binary")


def test_lines_of_query_tab_passage_need_no_header(shared_store: Store) -> None:
    project_id, preview, _ = take(shared_store, 'q\t"a" said he\n\nq\tb\nno tab\n')
    assert labels_of(shared_store, project_id) == {("q", '"a" said he'): {}, ("q", "b"): {}}
    assert listed(preview) == [(4, "expected a query, a tab and a passage, got 1 column. Correct the line.")]


def test_a_bad_row_is_left_out_with_its_line_and_costs_no_other(shared_store: Store, tmp_path: Path) -> None:
    head = b"query,passage,state,grade,annotator,judged_at,seconds,source_rank,split\n"
    bad = {
        b"q,a,b,c,d,e,f,g,h,i": "expected 9 columns as in the header, got 10",
        b"q,a": "expected 9 columns as in the header, got 2",
        b" ,a,,,,,,,": "the query is empty",
        b"q,\xff,,,,,,,": "no UTF-8",
        b'q,"a" b,,,,,,,': "no valid csv",
        b'q,"never closed,,,,,,,': "no valid csv",
        b"q,a,good,,,,,,": 'the state must be one of graded, skipped, cant_tell, later or empty, got "good"',
        b"q,a,graded,,,,,,": "the state is graded, but there is no grade",
        b"q,a,later,1,,,,,": 'the state is later, so there can be no grade, got "1"',
        b"q,a,,0.5,,,,,": 'the grade "0.5" is not mapped to 0, 1, 2 or 3 or unjudged',
        b"q,a,,1,A\x07,,,,": r'the annotator must be a name that can be seen, got "A\x07"',
        b"q,a,,1,,yesterday,,,": 'judged_at must be a time such as 2026-11-23T12:03:11Z, got "yesterday"',
        b"q,a,,1,,0001-01-01T00:00:00+14:00,,,": "judged_at must be",
        b"q,a,,1,,,-1,,": 'seconds must be a number from 0, got "-1"',
        b"q,a,,1,,,1e99,,": "seconds must be",
        b"q,a,,,,,,0,": 'the rank must be a whole number from 1, got "0"',
        b"q,a,,,,,,,valid": 'the split must be one of train, dev, test or empty, got "valid"',
    }
    good = [b"q,good %d,,2,,,,," % number for number in range(len(bad) + 1)]
    good[0] = b'q,"good\n0",,2,,,,,'
    rows = [row for pair in zip(good, bad, strict=False) for row in pair]
    (tmp_path / "labels.csv").write_bytes(head + b"\n".join([*rows, good[-1]]))
    project_id, preview, report = take(shared_store, tmp_path / "labels.csv")

    assert [line for line, _ in listed(preview)] == [2 * number + 4 for number in range(len(bad))]
    for (line, message), start in zip(listed(preview), bad.values(), strict=True):
        assert message.startswith(start), (line, message)
        assert message.endswith(".")
    assert report.used == len(good)
    assert set(labels_of(shared_store, project_id)) == {("q", row.split(b",")[1].decode().strip('"')) for row in good}


def test_whether_scores_were_seen_is_a_yes_or_a_no(shared_store: Store) -> None:
    rows = [f"q,{text},1,{text}" for text in ("1", "TRUE", "0", "false", "", "perhaps")]
    project_id, preview, _ = take(shared_store, "query,passage,grade,score_shown\n" + "\n".join(rows))
    assert listed(preview) == [(7, 'score_shown must be 1 or 0, got "perhaps". Correct it, or leave it empty.')]
    (query,) = shared_store.texts.queries(project_id)
    seen = [judgement.score_shown for judgement in shared_store.judgements.of_query(query.id)]
    assert seen == [True, True, False, False, False]


def test_who_judged_is_what_the_file_says_unless_that_is_known_here(shared_store: Store) -> None:
    shared_store.annotators.get_or_add("known model", kind="model")
    rows = {"a person": "", "a bot": "model", "NIST": "import", "known model": "human", "import": "", "": ""}
    lines = [f"q,p{n},1,{handle},{kind}" for n, (handle, kind) in enumerate(rows.items())]
    lines += ["q,p9,1,a person,model", "q,p9,1,import,human", "q,p9,1,Zoe,robot"]
    _, preview, _ = take(shared_store, "query,passage,grade,annotator,annotator_kind\n" + "\n".join(lines))
    kinds = {one.handle: one.kind for one in shared_store.annotators.list()}
    assert [kinds[handle] for handle in rows if handle] == ["human", "model", "import", "model", "import"]
    assert preview.notes == (
        'The file calls "known model" a person on some rows, but it is a model, and stays that.',
        'The file calls "a person" a model on some rows, but it is a person, and stays that.',
    )
    (reserved, unknown) = listed(preview)
    assert (reserved[0], unknown[0]) == (9, 10)
    assert reserved[1].startswith('"import" is nobody\'s name, but that of imports')
    assert unknown[1].startswith('the annotator_kind must be one of human, import, model or empty, got "robot"')


def test_what_two_rows_say_differently_is_a_problem_and_what_they_repeat_is_none(shared_store: Store) -> None:
    rows = "q,a,1,Ada\nq,a,1,Ada\nq,a,0,Ada\nq,a,0,Bob\nq,a,,\ncafe\u0301,a,1,\ncaf\u00e9,a,0,\n"
    project_id, preview, report = take(shared_store, f"query,passage,grade,annotator\n{rows}")
    assert labels_of(shared_store, project_id) == {("q", "a"): {"Ada": 1, "Bob": 0}, ("cafe\u0301", "a"): {"import": 1}}
    assert [line for line, _ in listed(preview)] == [4, 8]
    assert (
        "Ada judged the same passage for this query otherwise before: grade 1 in pasted:2, here grade 0"
        in listed(report)[0][1]
    )
    assert (report.judgements.new, report.used) == (3, 5)


def test_judgements_that_are_there_stay(shared_store: Store) -> None:
    head = "query,passage,grade,annotator,state\n"
    project_id, _, _ = take(shared_store, head + "q,a,1,Ada,\nq,c,,Ada,skipped\nq,d,1,Ada,\nq,e,1,,\nq,f,,Ada,later\n")
    other = "q,a,0,Ada,\nq,b,1,Ada,\nq,c,1,Ada,\nq,d,1,Ada,\nq,a,0,Bob,\nq,e,,,cant_tell\nq,f,,Ada,skipped\n"
    preview, report = take_into(shared_store, project_id, head + other)
    assert labels_of(shared_store, project_id) == {
        ("q", "a"): {"Ada": 1, "Bob": 0},
        **{("q", "b"): {"Ada": 1}, ("q", "c"): {"Ada": "skipped"}, ("q", "d"): {"Ada": 1}, ("q", "e"): {"import": 1}},
        ("q", "f"): {"Ada": "later"},
    }
    assert (report.judgements.new, report.judgements.known) == (2, 5)
    assert (report.passages.new, report.passages.known) == (1, 5)
    assert (
        "There were already: 1 query, 5 passages, 5 candidates, 5 judgements. 4 judgements of the file" in report.sentence
    )
    assert [(problem.line, problem.message) for problem in preview.differing.listed] == [
        (2, "grade 0 by Ada, but grade 1 in the project, which stays."),
        (4, "grade 1 by Ada, but skipped in the project, which stays."),
        (7, "can't tell by import, but grade 1 in the project, which stays."),
        (8, "skipped by Ada, but later in the project, which stays."),
    ]
    assert report.batch is not None
    assert report.batch.report["differing"]["count"] == 4
    more = "".join(f"q,x{number},{{0}},Ada,\n" for number in range(30))
    take_into(shared_store, project_id, head + more.format(0))
    preview, _ = take_into(shared_store, project_id, head + more.format(1))
    assert (preview.differing.count, len(preview.differing.listed)) == (30, 20)


def test_a_row_may_be_long_and_only_the_first_queries_can_be_taken(shared_store: Store) -> None:
    long = "long passage " * 20_000
    text = f"query\tpassage\nq1\t{long}\nq2\tb\nq3\tc\nq1\td\n"
    project_id, _, report = take(shared_store, text, max_queries=2)
    assert set(labels_of(shared_store, project_id)) == {("q1", long), ("q2", "b"), ("q1", "d")}
    assert report.left_out == {"they are of queries beyond the first 2": 1}


def test_a_file_that_is_no_table_is_one_sentence(shared_store: Store, tmp_path: Path) -> None:
    project_id = shared_store.projects.create("of no tables").id
    cases = {
        b"": "labels.csv is empty",
        b"question,answer\na,b\n": 'with at least query and passage, but it has "question", "answer". Add such a line',
        "query,passage\nq,p\n".encode("utf-16"): r"labels.csv is UTF-16, .* Save it as UTF-8\.",
        "query,passage\nq,p\n".encode("utf-16-be"): "with at least query and passage, but it has",
        b"\xfe\xff\x00q": "is UTF-16",
        b"query,passage\rq,p\rq,p2\r": "The lines of labels.csv end in a carriage return alone",
    }
    for content, message in cases.items():
        (tmp_path / "labels.csv").write_bytes(content)
        with pytest.raises(InputError, match=message):
            preview_import(shared_store, project_id, open_source(tmp_path / "labels.csv"))
    with pytest.raises(InputError, match='Several columns are taken for the passage: "text", "doc"'):
        preview_import(shared_store, project_id, source_from_text("query,text,doc\nq,a,b\n"))
    with pytest.raises(InputError, match="nothing that can be imported: expected csv or tsv"):
        source_from_text("just words\n")
