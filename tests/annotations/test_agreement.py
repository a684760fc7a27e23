"""How far annotators agree, against worked examples that were published."""

import pytest

from annotations.agreement import PairAgreement, compare_annotators, measure_agreement
from annotations.errors import InputError
from tests.annotations.desk import Desk

# Agresti, Categorical Data Analysis (1990), from Hout, Duncan and Sobel (1987): 91 couples in four ordered categories.
COUPLES = ((7, 7, 2, 3), (2, 8, 3, 7), (1, 5, 4, 9), (2, 8, 9, 14))

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": example A, binary, two observers; example C, four
# observers, five categories, some missing.
MEG, OWEN = "0100000010", "1110010000"
FOUR = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def number(grades: str) -> dict[int, int]:
    """Give grades by what was graded; a dot is none."""
    return {item: int(grade) for item, grade in enumerate(grades) if grade != "."}


def spread(table: tuple[tuple[int, ...], ...]) -> dict[str, dict[int, int]]:
    """Give the grades of two annotators whose agreement table it is."""
    both = [(one, other) for one, row in enumerate(table) for other, count in enumerate(row) for _ in range(count)]
    return {"one": dict(enumerate(one for one, _ in both)), "other": dict(enumerate(other for _, other in both))}


def test_kappa_of_two_categories_is_the_published_one() -> None:
    """Fifty proposals, read by two: 20 times both yes, 15 times both no (Wikipedia, "Cohen's kappa", simple example)."""
    found = compare_annotators(spread(((15, 5), (10, 20))), scale="binary").by_pair[0]

    assert found.pairs == 50
    assert found.raw == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)


def test_kappa_of_ordered_categories_is_the_published_one_with_linear_weights() -> None:
    """As R's vcd gives it for this table: 0.2374 with equal spacing, 0.1293 without weights."""
    graded = compare_annotators(spread(COUPLES), scale="graded")

    assert graded.kappa_weights == "linear"
    assert graded.kappa == pytest.approx(0.2374, abs=5e-5)
    assert compare_annotators(spread(COUPLES), scale="binary").kappa == pytest.approx(0.1293, abs=5e-5)


def test_alpha_is_the_published_one() -> None:
    two = compare_annotators({"Meg": number(MEG), "Owen": number(OWEN)}, scale="binary")
    four = {handle: number(grades) for handle, grades in zip("ABCD", FOUR, strict=True)}
    nominal, ordinal = compare_annotators(four, scale="binary"), compare_annotators(four, scale="graded")

    assert two.alpha == pytest.approx(0.095, abs=5e-4)
    assert two.by_pair[0].alpha == pytest.approx(0.095, abs=5e-4)
    assert nominal.alpha == pytest.approx(0.743, abs=5e-4)
    assert ordinal.alpha == pytest.approx(0.815, abs=5e-4)
    assert (nominal.alpha_level, ordinal.alpha_level) == ("nominal", "ordinal")


def test_agreement_of_several_is_told_two_by_two_and_together(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace").id
    robot = desk.store.annotators.get_or_add("robot", kind="model").id
    for index, (ada, other) in enumerate([(3, 3), (0, 0), (1, 2), (0, 3)]):
        desk.judge(index, ada)
        desk.judge(index, other, annotator_id=grace)
    desk.judge(0, 3, annotator_id=robot)
    desk.judge(1, None, annotator_id=robot)
    desk.judge(2, 0, annotator_id=robot)
    desk.judge(4, 2, annotator_id=robot)

    found = measure_agreement(desk.store, desk.project_id)
    assert (found.scale, found.annotators, found.pairs) == ("graded", ("Ada", "Grace", "robot"), 4)
    assert [(one.first, one.second, one.pairs, one.raw) for one in found.by_pair] == [
        ("Ada", "Grace", 4, 0.5),
        ("Ada", "robot", 2, 0.5),
        ("Grace", "robot", 2, 0.5),
    ]
    # By hand: observed 0+0+1+3 of 4; expected of 3 0 1 0 against 3 0 2 3: (0+3+1+0 + 2*(3+0+2+3) + 2+1+1+2)/4 = 26/4.
    assert found.by_pair[0].kappa == pytest.approx(1 - 4 / (26 / 4))
    kappas = [one.kappa for one in found.by_pair]
    assert found.kappa == pytest.approx(sum(kappa for kappa in kappas if kappa is not None) / 3)
    assert found.raw == 0.5
    assert found.note.startswith("Kappa is weighted linearly")


def test_what_was_deleted_or_undone_is_not_compared(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace").id
    for index, grade in enumerate((3, 0, 1)):
        desk.judge(index, grade, annotator_id=grace)
        desk.judge(index, grade)
    desk.undo()
    desk.store.texts.delete_passages([desk.store.texts.candidates(desk.query_id)[0].passage.id])

    assert measure_agreement(desk.store, desk.project_id).pairs == 1
    desk.store.texts.delete_queries([desk.query_id])
    assert measure_agreement(desk.store, desk.project_id).pairs == 0


def test_where_nothing_can_be_told_a_sentence_says_why() -> None:
    nobody = compare_annotators({}, scale=None)
    alone = compare_annotators({"Ada": {1: 3}, "Grace": {}}, scale="graded")
    apart = compare_annotators({"Ada": {1: 3}, "Grace": {2: 0}}, scale="graded")
    same = compare_annotators({"Ada": {1: 0, 2: 0, 3: 1}, "Grace": {1: 0, 2: 0}}, scale="binary")

    for found in (nobody, alone, apart, same):
        assert (found.kappa, found.alpha) == (None, None)
    assert "so far there is none" in nobody.note
    assert "so far there is 1" in alone.note
    assert (apart.raw, apart.note) == (
        None,
        "No pair was graded by two annotators. Let two of them judge the same queries.",
    )
    assert apart.by_pair == (
        PairAgreement(
            first="Ada",
            second="Grace",
            pairs=0,
            raw=None,
            kappa=None,
            alpha=None,
            note="Ada and Grace graded no pair both, so there is nothing to compare.",
        ),
    )
    assert (same.raw, same.note) == (
        1.0,
        "All grades that can be compared are the same; kappa and alpha need two different ones.",
    )
    assert "gave grade 0 to all 2" in same.by_pair[0].note
    opposite = compare_annotators({"Ada": {1: 0, 2: 0}, "Grace": {1: 1, 2: 1}}, scale="binary")
    assert (opposite.kappa, opposite.raw) == (0.0, 0.0)
    with pytest.raises(InputError, match="need a scale"):
        compare_annotators({"Ada": {1: 0}}, scale=None)
