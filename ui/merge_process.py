"""The process that merges a job's adapter into its base: `python -m ui.merge_process <the job's folder>`.

A process of its own, since both models are held in memory for the check, and running out of it must not end the app. How
far it is stands in the job's folder, so that every page and a later app can tell.
"""

import sys
import time
from pathlib import Path

from reranker_core.errors import RerankerError
from reranker_core.jobs.folder import JobFolder, read_object, write_object
from reranker_core.jobs.processes import own_mark
from reranker_core.jobs.records import read_settings

MERGED = "merged_model"
MERGE_STATE = "merge.json"
MERGE_LOG = "merge-log.txt"

_TOLD_EVERY = 0.5  # s


def merge_folder(folder: Path) -> None:
    """Merge, and write how far it is; what goes wrong is written as a sentence.

    Args:
        folder: of a job that has trained an adapter.
    """
    state = folder / MERGE_STATE
    process = own_mark().to_dict()
    told_at = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _TOLD_EVERY:
            told_at = time.monotonic()
            write_object(state, {"process": process, "share": done / total if total else 0.0})

    try:
        settings = read_settings(read_object(JobFolder(folder).record) or {}, folder)
        tell(0, 1)
        from reranker_core.training import merge_adapter

        merge_adapter(
            settings.model_name_or_path,
            folder / "adapter",
            folder / MERGED,
            allow_download=False,  # it was trained from what is here
            cache_dir=settings.cache_dir,
            on_progress=tell,
        )
    except RerankerError as error:
        write_object(state, {"error": str(error)})
    except Exception as error:
        write_object(
            state, {"error": f"The merge failed ({type(error).__name__}). {MERGE_LOG} of the job has the details."}
        )
        raise


if __name__ == "__main__":
    merge_folder(Path(sys.argv[1]))
