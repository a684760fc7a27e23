"""The edge between the packages and the screen: every failure becomes one sentence, and nothing on the screen is lost."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import gradio as gr

from annotations.errors import AnnotationError
from reranker_core.errors import RerankerError
from ui.runs import ReplacedError

logger = logging.getLogger(__name__)

P = ParamSpec("P")

UNEXPECTED = "Something went wrong that should not have ({}). Your inputs are untouched; the log has the details."


def say_failure(failure: Exception) -> str:
    """Turn a failure into the sentence for the screen; what is no error of ours goes to the log in full."""
    if isinstance(failure, RerankerError | AnnotationError):
        return str(failure)
    logger.error("unexpected failure on the screen", exc_info=failure)
    return UNEXPECTED.format(type(failure).__name__)


def keep_on_failure(handler: Callable[P, Any]) -> Callable[P, Any]:
    """Wrap a handler that returns (result, message): on a failure the result stays as it is and the message says why."""

    @wraps(handler)
    def guarded(*values: P.args, **named: P.kwargs) -> Any:
        try:
            return handler(*values, **named)
        except ReplacedError:
            return gr.skip(), gr.skip()  # what replaced it speaks
        except Exception as failure:
            return gr.skip(), say_failure(failure)

    return guarded


def raise_to_client(handler: Callable[P, Any]) -> Callable[P, Any]:
    """Wrap an API function: on a failure the client gets the sentence."""

    @wraps(handler)
    def guarded(*values: P.args, **named: P.kwargs) -> Any:
        try:
            return handler(*values, **named)
        except Exception as failure:
            raise gr.Error(say_failure(failure), print_exception=False) from failure

    return guarded
