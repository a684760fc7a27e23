"""Files of `assets/`, read as text."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "assets"


def read_text(name: str) -> str:
    """Read a file of assets/ by its path inside it."""
    return (FOLDER / name).read_text(encoding="utf-8")


def read_examples() -> list[dict[str, Any]]:
    """Read the examples: each has `title`, `query` and `passages`; that of the first sight has `is_first`."""
    examples: list[dict[str, Any]] = json.loads(read_text("examples.json"))
    return examples
