"""The parts of a report: plain values, as report.json holds them. Which measure, query or passage each is about, it says.

"Base" is the model before training, "tuned" the same with what was trained; "before" and "after" mean the same two.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRow:
    """One measure before and after.

    Attributes:
        name: as ir-measures writes it; the first row decides.
        first_stage: of the order in which the candidates came; `None` where that order means nothing.
        bm25: of BM25 over the same candidates.
        base: of the base.
        tuned: of the tuned model.
        difference: `tuned - base`.
        low: lower end of the difference's 95 % bootstrap interval.
        high: its upper end.
        p: of the randomisation test; of all rows but the first adjusted by Holm.
        verdict: "better", "worse" or "cannot tell", by p below 0.05.
    """

    name: str
    first_stage: float | None
    bm25: float
    base: float
    tuned: float
    difference: float
    low: float
    high: float
    p: float
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """The first measure at one cutoff layer; the fields are those of `MeasureRow`, p adjusted by Holm over the layers."""

    layer: int
    base: float
    tuned: float
    difference: float
    low: float
    high: float
    p: float
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedShare:
    """How much of what was ranked highest has a grade at all; what has none counts as not relevant.

    Attributes:
        base: of the base's best 10 passages of each query, the share with a grade, 0 to 1.
        tuned: the same of the tuned model.
        only_base: the first measure of the base with passages without a grade taken out.
        only_tuned: the same of the tuned model.
    """

    base: float
    tuned: float
    only_base: float
    only_tuned: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageMove:
    """A passage of a query whose place changed.

    Attributes:
        passage_id: as the data has it.
        text: the first 2,000 characters.
        grade: `None` where it was not judged.
        rank_before: by the base, from 1, among all candidates of the query.
        rank_after: by the tuned model.
        score_before: of the base.
        score_after: of the tuned model.
    """

    passage_id: str
    text: str
    grade: int | None
    rank_before: int
    rank_after: int
    score_before: float
    score_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryChange:
    """A query on which the models differ.

    Attributes:
        query_id: as the data has it.
        query: its text.
        base: the first measure, by the base.
        tuned: the same by the tuned model.
        passages: those that changed places most where it counts, the largest change first.
    """

    query_id: str
    query: str
    base: float
    tuned: float
    passages: tuple[PassageMove, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreGroup:
    """Scores of some of the passages, before and after.

    Attributes:
        passages: how many pairs.
        mean_before: of the base's scores.
        mean_after: of the tuned model's.
        spread_before: standard deviation of the base's scores.
        spread_after: of the tuned model's.
        passed_before: the share whose sigmoid is above 0.5 by the base, 0 to 1.
        passed_after: the same by the tuned model.
    """

    passages: int
    mean_before: float
    mean_after: float
    spread_before: float
    spread_after: float
    passed_before: float
    passed_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreShift:
    """What became of the scale of the scores: order alone decides the measures, a threshold needs the scale.

    Attributes:
        relevant: the passages that count as relevant; `None` where there are none.
        other: all other candidates, those without a grade among them; `None` where there are none.
        same_share: the sigmoid threshold that lets as many passages through now as 0.5 did before; `None` where 0.5 let
            all or none through.
        sentence: what it means for who uses a threshold.
    """

    relevant: ScoreGroup | None
    other: ScoreGroup | None
    same_share: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPair:
    """A query of the regression set with its two passages, of which the relevant one should score higher."""

    query: str
    relevant: str
    irrelevant: str
    language: str
    relevant_before: float
    irrelevant_before: float
    relevant_after: float
    irrelevant_after: float

    @property
    def is_right_before(self) -> bool:
        """Whether the base has them in the right order."""
        return self.relevant_before > self.irrelevant_before

    @property
    def is_right_after(self) -> bool:
        """Whether the tuned model has."""
        return self.relevant_after > self.irrelevant_after


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionResult:
    """The fixed pairs before and after: whether something was forgotten that has nothing to do with the labels.

    Attributes:
        pairs: all of them.
        right_before: how many the base has in the right order.
        right_after: how many the tuned model has.
        broken: how many were right and are wrong now.
        mended: how many were wrong and are right now.
        largest_drop: the most by which the distance of relevant over irrelevant shrank, in units of score; 0 for none.
        sentence: the same in words.
    """

    pairs: tuple[FixedPair, ...]
    right_before: int
    right_after: int
    broken: int
    mended: int
    largest_drop: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What was compared, on what, and how it was made.

    Attributes:
        base: name of the base, or of its folder.
        fingerprint: of the base's weights.
        product: folder name of what was trained, such as "adapter".
        kind: "adapter" or "model".
        status: "completed" or "stopped".
        steps: how many were trained.
        kept_step: the one whose weights were kept.
        data: what was judged on, in words.
        data_from: file or folder of it.
        data_sha256: of its content.
        data_note: what each query ranks.
        chose_step: whether the same queries chose the step that was kept, which flatters.
        first_stage: what put the candidates in order; empty if nothing did.
        pairs: how many each model scored.
        relevant_from: the grade from which a passage is relevant to binary measures.
        max_length: tokens of a pair.
        trained_on: the SHA-256 of each file that was learnt from, by its name.
        settings: those of the run that differ from the defaults, without places of files.
        device: where it was scored.
        dtype: in which numbers.
        versions: of the libraries.
        made_at: UTC, ISO 8601.
    """

    base: str
    fingerprint: str
    product: str
    kind: str
    status: str
    steps: int
    kept_step: int
    data: str
    data_from: str
    data_sha256: str
    data_note: str
    chose_step: bool
    first_stage: str
    pairs: int
    relevant_from: int
    max_length: int
    trained_on: dict[str, str]
    settings: dict[str, str | int | float | bool | list[str] | None]
    device: str
    dtype: str
    versions: dict[str, str]
    made_at: str
