"""The file formats of the field, each with one reader and one writer. Standard library only.

- training jsonl, the model card's rows: `read_training_jsonl`, `write_training_jsonl`
- BEIR folders: `open_beir`, `write_beir`, and each of their files
- TREC qrels and runs: `read_trec_qrels`, `read_run`, `write_trec_qrels`, `write_run`
- snapshots, labels frozen for training and evaluation: `read_snapshot`, `write_snapshot`

Every reader raises `InputError` at the first bad row, as `file:line: what was expected, what came, what to do`, or, given
`Problems`, leaves bad rows out and notes them there. Every writer refuses what could not be read back, and what it
writes appears whole or not at all.
"""

from reranker_core.errors import InputError
from reranker_core.examples.beir import (
    BeirFolder,
    CorpusEntry,
    QueryEntry,
    open_beir,
    read_beir_qrels,
    read_corpus,
    read_queries,
    write_beir,
    write_beir_qrels,
    write_corpus,
    write_queries,
)
from reranker_core.examples.lines import Problem, Problems, Source
from reranker_core.examples.new_files import WrittenFile
from reranker_core.examples.relevance import Qrels, Run
from reranker_core.examples.snapshots import Snapshot, read_snapshot, write_snapshot
from reranker_core.examples.texts import text_hash
from reranker_core.examples.training_rows import (
    TrainingExample,
    WrittenExamples,
    read_training_jsonl,
    write_training_jsonl,
)
from reranker_core.examples.trec import read_run, read_trec_qrels, write_run, write_trec_qrels

__all__ = [
    "BeirFolder",
    "CorpusEntry",
    "InputError",
    "Problem",
    "Problems",
    "Qrels",
    "QueryEntry",
    "Run",
    "Snapshot",
    "Source",
    "TrainingExample",
    "WrittenExamples",
    "WrittenFile",
    "open_beir",
    "read_beir_qrels",
    "read_corpus",
    "read_queries",
    "read_run",
    "read_snapshot",
    "read_training_jsonl",
    "read_trec_qrels",
    "text_hash",
    "write_beir",
    "write_beir_qrels",
    "write_corpus",
    "write_queries",
    "write_run",
    "write_snapshot",
    "write_training_jsonl",
    "write_trec_qrels",
]
