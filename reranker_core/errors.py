"""What can go wrong, as one small tree. Every message says what was expected, what came and what to do.

RerankerError
├── InputError (also a ValueError)   a text, an argument or an input file cannot be used
├── ModelNotFoundError               no such model here, and how to get it
├── UnsupportedModelError            a folder that is no reranker, or none that can be read
├── AdapterError                     an adapter that does not fit its base
├── ScoringError                     the device ran out of memory, or the model gave no finite score
└── TrainingError                    a training that cannot go on; what was saved before stays
"""


class RerankerError(Exception):
    """The root: catch this to catch everything that the package raises on purpose."""


class InputError(RerankerError, ValueError):
    """A text, an argument or an input file cannot be used as it is."""


class ModelNotFoundError(RerankerError):
    """The model is neither a known name, nor a folder, nor in the Hugging Face cache."""


class UnsupportedModelError(RerankerError):
    """The folder holds no reranker, or one of an architecture that is not supported."""


class AdapterError(RerankerError):
    """The adapter cannot be read, or does not fit the base that it was asked for."""


class ScoringError(RerankerError):
    """The model could not score: memory ran out at one sequence, or a score is not finite."""


class TrainingError(RerankerError):
    """A training cannot go on: memory or disk ran out, or a number is not finite. What was saved before stays."""
