"""Text to token ids, straight from a folder's tokenizer.json.

transformers' tokenizer objects are left aside on purpose: from version 5 they rebuild parts of some tokenizers when
they load (transformers issue 45488), and they keep truncation and padding as mutable state, so that two threads get
"Already borrowed". A `tokenizers.Tokenizer` that is never changed after loading has neither problem.
"""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from reranker_core.errors import UnsupportedModelError
from reranker_core.hub import read_json

# What the tokenizer classes of transformers assume where a folder does not say it.
_CLASS_TOKENS: dict[str, dict[str, str | None]] = {
    "xlm-roberta": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
    "llama": {"bos_token": "<s>", "eos_token": "</s>"},
    "minicpm": {"bos_token": "<s>", "eos_token": "</s>"},
}


class TextTokenizer:
    """A folder's tokenizer: texts in, lists of ids out, without special tokens. Safe to use from several threads."""

    def __init__(self, folder: Path, *, model_type: str) -> None:
        """Read tokenizer.json and the names of the special tokens.

        Raises:
            UnsupportedModelError: tokenizer.json is missing or cannot be read.
        """
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise UnsupportedModelError(
                f"{folder} has no tokenizer.json, which is needed to turn text into ids. Copy it from the base model, "
                "or save the tokenizer again with a fast tokenizer of transformers."
            )
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the Rust library raises plain Exception
            raise UnsupportedModelError(f"{path} cannot be read as a tokenizer: {error}. Copy it again.") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._special = _CLASS_TOKENS.get(model_type, {}) | _read_special_tokens(folder)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn each text into ids, whole and without special tokens."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Turn ids back into text, special tokens included."""
        text: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        return text

    def token_ends(self, text: str) -> list[int]:
        """Say for each token of a text, as `encode` gives them, at which character of the text it ends."""
        return [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]

    def special_id(self, role: str) -> int | None:
        """Look up the id of a special token by its role, such as `"bos_token"`; `None` where there is none."""
        token = self._special.get(role)
        return None if token is None else self._tokenizer.token_to_id(token)

    def first_id(self, text: str) -> int:
        """Take the first id of a text, as for the answer `Yes`.

        Raises:
            UnsupportedModelError: the tokenizer gives no id for it.
        """
        ids = self.encode([text])[0]
        if not ids:
            raise UnsupportedModelError(f'The tokenizer has no token for "{text}", so there is no score to read.')
        return ids[0]


def _read_special_tokens(folder: Path) -> dict[str, str | None]:
    tokens: dict[str, str | None] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = folder / name
        content = read_json(path, purpose="it names the special tokens") if path.is_file() else {}
        for role, value in content.items():
            text = value.get("content") if isinstance(value, dict) else value
            if role.endswith("_token") and (text is None or isinstance(text, str)):
                tokens[role] = text  # null says that there is none, whatever the class assumes
    return tokens
