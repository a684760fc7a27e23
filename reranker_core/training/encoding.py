"""A group of texts → the ids that the model reads: the same builder as for scoring, with the budget of training."""

from reranker_core.inputs import EncodedPair, PairInputs
from reranker_core.training.data import TrainingGroup
from reranker_core.training.settings import TrainingSettings


def encode_group(group: TrainingGroup, inputs: PairInputs, settings: TrainingSettings) -> list[EncodedPair]:
    """Build the ids of each passage of a group, in its order.

    An encoder reads no prompt; that of the row is left aside there.

    Raises:
        InputError: the lengths leave no room for query and passage beside the prompt.
    """
    prompt = group.prompt if inputs.reads_prompt else None
    budget = inputs.training_budget(
        query_max_len=settings.query_max_len, passage_max_len=settings.passage_max_len, prompt=prompt
    )
    return inputs.build(
        [(group.query, passage) for passage in group.passages],
        budget=budget,
        prompt=prompt,
        query_instruction=settings.query_instruction_for_rerank,
        passage_instruction=settings.passage_instruction_for_rerank,
    )
