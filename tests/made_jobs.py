"""Job folders written by hand, file by file as the supervisor, the worker and the training write them."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reranker_core.jobs.folder import now
from reranker_core.jobs.processes import own_mark
from reranker_core.reports.parts import (
    FixedPair,
    JudgedShare,
    LayerRow,
    MeasureRow,
    PassageMove,
    Provenance,
    QueryChange,
    RegressionResult,
    ScoreGroup,
    ScoreShift,
)
from reranker_core.reports.report import Report
from reranker_core.training.results import TrainingResult
from reranker_core.training.settings import TrainingSettings

CHECKPOINTS = Path(__file__).parent / "checkpoints"
HOSTILE = '<img src=x onerror="window.wasRun = true"> ${window.wasRun = true} {{value}}'
LATER = "2026-01-02T10:05:00.000+00:00"


class MadeJobs:
    """The jobs of a home. Ids count up, so that the last one made is the newest."""

    def __init__(self, home: Path) -> None:
        """Name the home."""
        self.folder = home / "jobs"
        self._number = 0

    def make(
        self,
        name: str,
        *,
        state: str = "completed",
        step: int = 12,
        total: int = 12,
        losses: Sequence[float | None] | None = None,
        dev: Mapping[int, float] | None = None,
        adapter: str = "",
        report: Report | None = None,
        error: Mapping[str, str] | None = None,
        base: Path = CHECKPOINTS / "encoder",
        log: str = "loaded\n",
    ) -> str:
        """Write a job, and give its id.

        Args:
            name: of the job.
            state: "queued", "running", "evaluating", "stopping", "completed", "stopped", "failed" or "lost". Active ones
                are worked on by this very process.
            step: that were done.
            total: in all.
            losses: of the steps, from 1; by default falling ones.
            dev: nDCG@10 by step.
            adapter: folder of tests/checkpoints/adapters that it trained; empty for none.
            report: of it.
            error: of a failed one.
            base: folder of the model.
            log: what the worker said.
        """
        self._number += 1
        folder = self.folder / f"20260102-100000-{self._number:06x}"
        folder.mkdir(parents=True)
        settings = TrainingSettings(
            model_name_or_path=str(base), train_data=(folder / "rows.jsonl",), output_dir=folder, device="cpu"
        )
        record = {"id": folder.name, "name": name, "settings": settings.to_dict(), "report_data": None, "device": "cpu"}
        record |= {"created_at": "2026-01-02T10:00:00.000+00:00", "argv": [], "versions": {}, "data": {}, "base": str(base)}
        _write(folder / "job.json", record)
        _add(folder / "attempts.jsonl", {"attempt": 1, "at": "2026-01-02T10:00:00.000+00:00", "argv": []})
        _write(folder / "supervisor.json", self._supervisor(state))
        if state != "queued":
            self._write_worker(folder, state, step, total, error)
            self.log_steps(
                folder.name, losses if losses is not None else [2 / at for at in range(1, step + 1)], dev=dev or {}
            )
        if state == "completed":
            _write(folder / "result.json", _make_result(folder, step, total).to_dict())
            _write(folder / "settings.json", settings.to_dict())
        if adapter:
            shutil.copytree(CHECKPOINTS / "adapters" / adapter, folder / "adapter")
        if report is not None:
            self.write_report(folder.name, report)
        (folder / "log.txt").write_text(log, encoding="utf-8")
        return folder.name

    def log_steps(
        self, job_id: str, losses: Sequence[float | None], *, first: int = 1, dev: Mapping[int, float] | None = None
    ) -> None:
        """Add lines to metrics.jsonl: one for each loss, and one for each measurement."""
        file = self.folder / job_id / "metrics.jsonl"
        for step, loss in enumerate(losses, start=first):
            spread = None if loss is None else 0.5 + step / 50
            line = {"kind": "train", "step": step, "loss": loss, "gap": 0.1 * step, "spread": spread, "learning_rate": 2e-4}
            _add(file, line | {"tokens_per_second": 900.0 + step, "time": 1767348000.0 + step})
        for step, value in (dev or {}).items():
            _add(file, {"kind": "dev", "step": step, "nDCG@10": value, "spread": 1.0, "time": 1767348000.0 + step})

    def add_event(self, job_id: str, step: int, event: str, message: str) -> None:
        """Add an event to metrics.jsonl."""
        _add(self.folder / job_id / "metrics.jsonl", {"kind": "event", "step": step, "event": event, "message": message})

    def end(self, job_id: str, state: str = "completed") -> None:
        """Let a job end, as its worker and its supervisor write it."""
        folder = self.folder / job_id
        known = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        self._write_worker(folder, state, known["total"], known["total"], None)
        _write(folder / "supervisor.json", self._supervisor(state))
        if state == "completed":
            _write(folder / "result.json", _make_result(folder, known["total"], known["total"]).to_dict())

    def write_report(self, job_id: str, report: Report) -> None:
        """Write the report of a job."""
        _write(self.folder / job_id / "report.json", report.to_dict())

    def _supervisor(self, state: str) -> dict[str, Any]:
        lives = state in ("queued", "running", "evaluating", "stopping")
        process = own_mark().to_dict() if lives else own_mark().to_dict() | {"create_time": 1.0}
        return {"attempt": 1, "phase": "queued" if state == "queued" else "running", "process": process}

    def _write_worker(self, folder: Path, state: str, step: int, total: int, error: Mapping[str, str] | None) -> None:
        lives = state in ("running", "evaluating", "stopping")
        mark = own_mark().to_dict()
        stage = "evaluating" if state in ("evaluating", "completed") else "training"
        message = f"Training: step {step} of {total}." if lives else "It is done." if error is None else error["message"]
        status = state if state in ("completed", "stopped", "failed") else ""
        worker = {"process": mark if lives else mark | {"create_time": 1.0}, "attempt": 1, "stage": stage, "step": step}
        worker |= {"total": total, "message": message, "status": status, "error": error, "seconds_left": 130.0}
        started = "2026-01-02T10:01:00.000+00:00"
        _write(folder / "state.json", worker | {"started_at": started, "updated_at": now() if lives else LATER})
        if state == "stopping":
            (folder / "control").mkdir(exist_ok=True)
            _write(folder / "control" / "STOP", {"at": LATER})
        if status:
            _write(folder / "exit.json", {"attempt": 1, "rc": 0 if error is None else 1, "signal": None, "ended_at": LATER})


def make_report(verdict: str = "better", *, query: str = "what is panda?", passage: str = "A bear of China.") -> Report:
    """Make a report as `reranker_core.reports` would, of a layerwise model, with one win and one loss."""
    tuned, difference = (0.463, 0.051) if verdict == "better" else (0.380, -0.032)
    row = MeasureRow(
        name="nDCG@10",
        first_stage=0.337,
        bm25=0.35,
        base=0.412,
        tuned=tuned,
        difference=difference,
        low=difference - 0.03,
        high=difference + 0.03,
        p=0.004,
        verdict=verdict,
    )
    move = PassageMove(
        passage_id="p1", text=passage, grade=2, rank_before=7, rank_after=1, score_before=-1.0, score_after=2.5
    )
    fall = PassageMove(
        passage_id="p2", text="A library.", grade=None, rank_before=1, rank_after=4, score_before=1.0, score_after=0.5
    )
    group = ScoreGroup(
        passages=90,
        mean_before=0.1,
        mean_after=1.2,
        spread_before=1.0,
        spread_after=1.5,
        passed_before=0.5,
        passed_after=0.8,
    )
    pair = FixedPair(
        query="what is a bee?",
        relevant="An insect.",
        irrelevant="A car.",
        language="en",
        relevant_before=2.0,
        irrelevant_before=-1.0,
        relevant_after=1.5,
        irrelevant_after=-1.2,
    )
    words = "Better" if verdict == "better" else "Worse"
    return Report(
        verdict=verdict,
        headline=f"{words}: nDCG@10 0.412 → {tuned:.3f} on 60 held-out queries",
        detail=f"difference {difference:+.3f}, 95 % interval · p 0.004 · 34 better, 17 worse, 9 equal",
        queries=60,
        better=34,
        worse=17,
        equal=9,
        measures=(row,),
        by_layer=(
            LayerRow(layer=3, base=0.4, tuned=tuned, difference=difference, low=0.01, high=0.08, p=0.01, verdict=verdict),
        ),
        judged=JudgedShare(base=0.6, tuned=0.62, only_base=0.6, only_tuned=0.7),
        wins=(QueryChange(query_id="q1", query=query, base=0.3, tuned=1.0, passages=(move,)),),
        losses=(QueryChange(query_id="q2", query="how old is a bee?", base=1.0, tuned=0.4, passages=(fall,)),),
        scale=ScoreShift(relevant=group, other=None, same_share=0.7, sentence="Choose thresholds anew."),
        regression=RegressionResult(
            pairs=(pair,), right_before=1, right_after=1, broken=0, mended=0, largest_drop=0.3, sentence="Unchanged."
        ),
        largest_change=3.5,
        notes=("60 queries are few: only large differences can be shown.",),
        made_of=Provenance(
            base="encoder",
            fingerprint="0123456789abcdef",
            product="adapter",
            kind="adapter",
            status="completed",
            steps=12,
            kept_step=8,
            data="cranfield, snapshot 4 (test)",
            data_from="/somewhere/of/this/machine/snapshot",
            data_sha256="ab" * 32,
            data_note="Each query ranks its candidates.",
            chose_step=False,
            first_stage="bm25",
            pairs=6000,
            relevant_from=1,
            max_length=512,
            trained_on={"train.jsonl": "cd" * 32},
            settings={"learning_rate": 0.0002},
            device="cpu",
            dtype="float32",
            versions={"torch": "2.12"},
            made_at=LATER,
        ),
    )


def _make_result(folder: Path, step: int, total: int) -> TrainingResult:
    return TrainingResult(
        status="completed",
        output_dir=folder,
        product=folder / "adapter",
        kind="adapter",
        merged_model=None,
        steps=step,
        planned_steps=total,
        kept_step=step,
        before=None,
        after=None,
        dev=(),
        dev_note="",
        warnings=(),
        difference=None,
        seconds=60.0,
        base={"name": "llm", "fingerprint": "0123456789abcdef"},
        data={"rows.jsonl": "ab" * 32},
        versions={"torch": "2.12"},
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _add(path: Path, content: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(content)}\n")
