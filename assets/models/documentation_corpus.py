"""Documentation text of pinned packages → passages of English prose. Only wheels are read; nothing of them is run."""

import ast
import hashlib
import re
import textwrap
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_CODE_FOLDERS = re.compile(r"(^|/)(tests?|testing|_vendor|vendored|externals?|migrations|locale)/|(^|/)(test_|conftest)")

_UNDERLINE = re.compile(r"^\s*([-=~^\"'*+#])\1{2,}\s*$")
_PARAMETER = re.compile(r"^\s*[\w.*, {}'\"/-]{1,60}\s*:\s.{0,120}$|^\s*:\w+[^:]*:|^\s*@\w+")
_DIRECTIVE = re.compile(r"^\s*(\.\.\s|>>>|\.\.\.|[$%#]\s|\||\+[-=]|\[\d+\]|[-*]\s*$)")
_DROPPED_SECTIONS = {"references", "examples", "example", "see also", "methods", "attributes list", "usage", "doctest"}

_ROLE = re.compile(r":(?:[\w:+-]+):`(?:[^`<]*<)?[~!.]*([^`>]*)>?`")
_LINK = re.compile(r"`([^`<]+?)\s*<[^>`]*>`_{0,2}")
_TICKS = re.compile(r"`{1,2}([^`]*)`{1,2}_{0,2}")
_SENTENCE_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z(\"'])")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The prose of one docstring or file.

    Attributes:
        source: `package:module.name`.
        summary: its first sentence.
        sentences: those that follow.
    """

    source: str
    summary: str
    sentences: tuple[str, ...]


def read_documents(wheels: Sequence[Path]) -> list[Document]:
    """Read the docstrings of all wheels, in the order of their names; a text that came before is left out."""
    documents: list[Document] = []
    seen: set[str] = set()
    for wheel in sorted(wheels):
        package = wheel.name.split("-")[0].lower()
        for name, text in _read_docstrings(wheel):
            sentences = split_sentences(text)
            key = hashlib.sha256(" ".join(sentences[:3]).casefold().encode()).hexdigest()
            if len(sentences) < 2 or key in seen:
                continue
            seen.add(key)
            documents.append(Document(source=f"{package}:{name}", summary=sentences[0], sentences=tuple(sentences[1:])))
    return documents


def _read_docstrings(wheel: Path) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(wheel) as archive:
        for path in sorted(archive.namelist()):
            if not path.endswith(".py") or _CODE_FOLDERS.search(path):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # escapes in other people's strings
                try:
                    tree = ast.parse(archive.read(path).decode("utf-8"))
                except (SyntaxError, UnicodeDecodeError, ValueError):
                    continue
            module = path.removesuffix(".py").replace("/", ".")
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    text = ast.get_docstring(node)
                    if text and len(text) > 120:
                        yield f"{module}.{getattr(node, 'name', '')}".rstrip("."), text


def split_sentences(docstring: str) -> list[str]:
    """Take the sentences out of a docstring: no code, no lists of parameters, no markup."""
    return [
        sentence
        for block in _prose_blocks(docstring)
        for sentence in _SENTENCE_END.split(_strip_markup(block))
        if _is_prose(sentence)
    ]


def _prose_blocks(docstring: str) -> Iterator[str]:
    """Give the paragraphs; a heading, a parameter's name, and code end one."""
    lines = textwrap.dedent(docstring.expandtabs()).splitlines()
    block: list[str] = []
    is_dropped = False
    code_indent: int | None = None
    for place, line in enumerate(lines):
        following = lines[place + 1] if place + 1 < len(lines) else ""
        indent = len(line) - len(line.lstrip())
        if code_indent is not None:
            if not line.strip() or indent > code_indent:
                continue
            code_indent = None
        if _UNDERLINE.match(line):
            continue
        is_heading = bool(line.strip()) and bool(_UNDERLINE.match(following))
        if is_heading or not line.strip() or _PARAMETER.match(line) or _DIRECTIVE.match(line):
            yield " ".join(block)
            block = []
            if is_heading:
                is_dropped = line.strip().casefold() in _DROPPED_SECTIONS
            if _DIRECTIVE.match(line) and line.lstrip().startswith(".."):
                code_indent = indent
            continue
        if not is_dropped:
            block.append(line.strip())
            if line.rstrip().endswith("::"):
                code_indent = indent
    yield " ".join(block)


def _strip_markup(block: str) -> str:
    text = _ROLE.sub(lambda match: match[1].rsplit(".", 1)[-1] if " " not in match[1] else match[1], block)
    text = _TICKS.sub(r"\1", _LINK.sub(r"\1", text))
    text = re.sub(r"\[\d+\]_?|\|(\w+)\||\*{1,2}(\S[^*]*)\*{1,2}", lambda match: match[1] or match[2] or "", text)
    return " ".join(text.replace("::", ":").split()).lstrip("-*• ")


def _is_prose(sentence: str) -> bool:
    """Tell a sentence of English from formulas, signatures and fragments."""
    words = _WORD.findall(sentence)
    letters = sum(character.isalpha() or character == " " for character in sentence)
    return (
        4 <= len(words) <= 60
        and letters >= 0.86 * len(sentence)
        and sentence[0].isupper()
        and sentence[-1] in ".?!:"
        and "\\" not in sentence
        and "http" not in sentence
        and sum(len(word) for word in words) / len(words) < 9
        and not re.search(r"deprecat|versionadded|copyright|licen[cs]e|\bTODO\b|\.\. ", sentence, re.IGNORECASE)
    )


def make_passages(documents: Sequence[Document], *, words: int, seed: int) -> list[tuple[str, str]]:
    """Cut documents into passages.

    Args:
        documents: as `read_documents` gives them.
        words: about how many words a passage has; drawn between 0.6 and 1.6 times that by a hash.
        seed: of the draw.

    Returns:
        (source, passage), each passage of whole sentences; the summary stands before the first only.
    """
    passages: list[tuple[str, str]] = []
    for document in documents:
        sentences = [document.summary, *document.sentences]
        number = 0
        while sentences:
            draw = int(hashlib.sha256(f"{seed} {document.source} {number}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
            wanted = words * (0.6 + draw)
            taken: list[str] = []
            while sentences and (not taken or sum(len(text.split()) for text in taken) < wanted):
                taken.append(sentences.pop(0))
            text = " ".join(taken)
            if len(text.split()) >= 0.5 * words:
                passages.append((f"{document.source}#{number}", text))
            number += 1
    return passages
