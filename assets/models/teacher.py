"""The sentence encoder as a teacher: one vector a text, run through the scoring pipeline's packed attention."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from reranker_core.families.encoder import EncoderReranker
from reranker_core.packing import pack, plan_chunks
from reranker_core.tokenizing import TextTokenizer

_TOKEN_BUDGET = 2048
_LONGEST = 256  # tokens, as the sentence encoder was published


@torch.inference_mode()
def embed(encoder: EncoderReranker, tokenizer: TextTokenizer, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Give each text the mean of its tokens' last hidden states, of length 1.

    Args:
        encoder: the converted sentence encoder; its score head is not used.
        tokenizer: of the same folder.
        texts: any.

    Returns:
        (texts, hidden)
    """
    roberta = encoder.model.roberta
    vectors = np.zeros((len(texts), roberta.config.hidden_size), dtype=np.float32)
    sequences = [[0, *ids[: _LONGEST - 2], 2] for ids in tokenizer.encode(texts)]
    for chunk in plan_chunks([len(sequence) for sequence in sequences], _TOKEN_BUDGET):
        batch = pack([sequences[index] for index in chunk], is_causal=False, device=encoder.device)
        hidden = roberta.embeddings(batch.input_ids, position_ids=batch.position_ids + 2)  # (1, tokens, hidden)
        for block in roberta.encoder.layer:
            hidden = block(hidden, layout=batch.layout)
        bounds = batch.layout.key_bounds
        lengths = torch.tensor([end - start for start, end in pairwise(bounds)])
        owner = torch.repeat_interleave(torch.arange(len(chunk)), lengths)
        means = torch.zeros(len(chunk), hidden.shape[-1]).index_add_(0, owner, hidden[0]) / lengths[:, None]
        vectors[chunk] = torch.nn.functional.normalize(means).numpy()
    return vectors
