"""What models said about candidates: one row for each model and layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import col, select

from annotations.errors import InputError
from annotations.models import Candidate, ModelRef, ModelScore
from annotations.store.database import Database, require
from annotations.store.sqlite import upsert
from annotations.store.text_rows import require_staged, split_up
from annotations.store.visibility import is_published


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScore:
    """A model's score of a candidate, and its rank among the query's candidates, from 1."""

    candidate_id: int
    score: float
    rank: int | None = None


class Scores:
    """The scores of a store; a newer score of the same model takes the place of the older one."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def add_model(
        self,
        name: str,
        *,
        revision: str = "",
        adapter: str = "",
        layer: int = 0,
        max_length: int = 0,
        normalised: bool = False,
        prompt: str = "",
    ) -> ModelRef:
        """Give what scores are put under, which is new if nothing was scored so before; empty or 0 where there is none."""
        wanted = ModelRef(
            name=name,
            revision=revision,
            adapter=adapter,
            layer=layer,
            max_length=max_length,
            normalised=normalised,
            prompt=prompt,
        )
        same = select(ModelRef).where(
            col(ModelRef.name) == name,
            col(ModelRef.revision) == revision,
            col(ModelRef.adapter) == adapter,
            col(ModelRef.layer) == layer,
            col(ModelRef.max_length) == max_length,
            col(ModelRef.normalised) == normalised,
            col(ModelRef.prompt) == prompt,
        )
        with self._database.write() as session:
            known = session.exec(same).first()
            if known:
                return known
            session.add(wanted)
            session.flush()
            return wanted

    def put(self, model_ref_id: int, scores: Sequence[NewScore], *, batch_id: int | None = None) -> int:
        """Write a model's scores; with a `batch_id` they are staged, and one that is there already stays.

        Returns:
            How many candidates that model had not scored before.

        Raises:
            InputError: there is no such model or candidate, or a score is no finite number.
        """
        rows = []
        for score in scores:
            if not math.isfinite(score.score):
                raise InputError(f"A score must be a finite number, got {score.score} for candidate {score.candidate_id}.")
            rows.append(
                {
                    "candidate_id": score.candidate_id,
                    "model_ref_id": model_ref_id,
                    "score": score.score,
                    "rank": score.rank,
                    "batch_id": batch_id,
                }
            )
        table = ModelScore.__table__  # type: ignore[attr-defined]
        statement = upsert(
            table,
            key=("candidate_id", "model_ref_id"),
            values=("score", "rank", "batch_id"),
            only_where=None if batch_id is None else table.c.batch_id == batch_id,
        )
        with self._database.write() as session:
            require(session, ModelRef, model_ref_id)
            if batch_id is not None:
                require_staged(session, batch_id)
            there = 0
            for chunk in split_up({row["candidate_id"]: None for row in rows}):
                known = select(col(Candidate.id)).where(col(Candidate.id).in_(chunk))
                if batch_id is None:
                    known = known.where(is_published(Candidate.batch_id))
                for candidate_id in set(chunk) - set(session.scalars(known)):
                    raise InputError(f"There is no candidate {candidate_id}. Add it first.")
                of_model = select(func.count()).where(col(ModelScore.model_ref_id) == model_ref_id)
                there += session.exec(of_model.where(col(ModelScore.candidate_id).in_(chunk))).one()
            if rows:
                session.connection().execute(statement, rows)
        return len({row["candidate_id"] for row in rows}) - there

    def of_query(self, query_id: int) -> list[ModelScore]:
        """List all scores of a query's candidates, by candidate."""
        statement = (
            select(ModelScore)
            .join(Candidate, col(Candidate.id) == col(ModelScore.candidate_id))
            .where(col(Candidate.query_id) == query_id)
            .where(is_published(Candidate.batch_id), is_published(ModelScore.batch_id))
            .order_by(col(ModelScore.candidate_id), col(ModelScore.model_ref_id))
        )
        with self._database.read() as session:
            return [*session.exec(statement)]

    def models(self) -> list[ModelRef]:
        """List all that scores were put under."""
        with self._database.read() as session:
            return [*session.exec(select(ModelRef).order_by(col(ModelRef.id)))]
