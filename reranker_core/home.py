"""Where the app's own data lies: labels, jobs, snapshots, and the list of models that a person added."""

import os
from pathlib import Path

HOME_VARIABLE = "RERANKER_WORKBENCH_HOME"
MODELS_FILE = "models.json"


def find_home(home: str | Path | None = None) -> Path:
    """Tell the folder of the app's own data, as an absolute path. Nothing is created: whoever first writes there does.

    Args:
        home: as an option gave it; else the environment variable `RERANKER_WORKBENCH_HOME`, else `./workbench-data`. An
            empty text counts as not given.
    """
    chosen = str(home or "") or os.environ.get(HOME_VARIABLE, "") or "workbench-data"
    return Path(chosen).expanduser().absolute()
