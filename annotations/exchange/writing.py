"""What all exports share: words for their manifests, and the writers' refusals as errors of this package."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from annotations.errors import InputError
from annotations.exchange.options import Account, ExportOptions, Threshold
from annotations.exchange.tally import Tally
from annotations.store.labels import LabelReading
from reranker_core.examples import InputError as RefusedError


@contextmanager
def explaining_writer() -> Iterator[None]:
    """Turn what a writer of `reranker_core.examples` refuses into an error of this package, with the same sentence.

    Raises:
        InputError: a file cannot be written, or a row could not be read back. Whatever lay there before stays.
    """
    try:
        yield
    except RefusedError as error:
        raise InputError(str(error)) from error


def describe_export(reading: LabelReading, options: ExportOptions, threshold: Threshold, tally: Tally) -> dict[str, Any]:
    """Give what a manifest tells of how its labels were chosen, as plain JSON values."""
    return {
        "project": reading.project.name,
        "time": reading.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "scale": reading.project.scale,
        "threshold": asdict(threshold),
        "options": {name: [*value] if isinstance(value, tuple) else value for name, value in asdict(options).items()},
        "counts": dict(sorted(tally.counts.items())),
        "accounts": describe_accounts(tally.account()),
    }


def describe_accounts(accounts: Iterable[Account]) -> dict[str, Any]:
    """Give accounts as plain JSON values."""
    return {
        account.of: {"given": account.given, "used": account.used, "left_out": dict(account.left_out)}
        for account in accounts
    }


def describe_left_out(accounts: Iterable[Account]) -> str:
    """Say in words how many queries were left out and why."""
    found = [
        f"{count} × {reason}"
        for account in accounts
        if account.of == "queries"
        for reason, count in account.left_out.items()
    ]
    return "; ".join(found) or "the project has no queries"
