"""Who gives a run's folder as a model or an adapter is told which of its folders to give."""

import re
import shutil
from pathlib import Path

import pytest

from reranker_core import load_reranker
from reranker_core.errors import AdapterError, UnsupportedModelError
from reranker_core.local_models import LocalModels, describe_local_model

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
ADAPTER = CHECKPOINTS / "adapters" / "adapter-llm"


def make_run(run: Path, *, adapters: tuple[int, ...] = (), models: tuple[int, ...] = ()) -> Path:
    """Make the folder of a run that was killed after some checkpoints."""
    (run / "checkpoints").mkdir(parents=True)
    for step in (*adapters, *models):
        source = ADAPTER if step in adapters else CHECKPOINTS / "encoder"
        place = Path(shutil.copytree(source, run / "checkpoints" / f"checkpoint-{step}"))
        (place / "run.json").write_text("{}", encoding="utf-8")
    return run


def test_the_newest_whole_checkpoint_of_a_killed_run_is_named_and_loads(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", adapters=(9, 10))
    (run / "checkpoints" / "checkpoint-11").mkdir()  # the one during which it was killed
    newest = run / "checkpoints" / "checkpoint-10"

    with pytest.raises(AdapterError, match=re.escape(f"give {newest} as the adapter")) as error:
        load_reranker(CHECKPOINTS / "llm", adapter=run)
    with pytest.raises(UnsupportedModelError, match=re.escape(f"give {newest} as the adapter")):
        load_reranker(run)
    with pytest.raises(AdapterError, match=re.escape(str(newest))):
        LocalModels().add(str(CHECKPOINTS / "llm"), adapter=str(run))

    assert "resume the run" in str(error.value)
    load_reranker(CHECKPOINTS / "llm", adapter=newest)


def test_a_run_that_trained_every_weight_is_a_model_and_no_adapter(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", models=(5,))
    with pytest.raises(AdapterError, match=r"give .*checkpoint-5 as the model, as it was at that step"):
        load_reranker(CHECKPOINTS / "encoder", adapter=run)

    shutil.copytree(CHECKPOINTS / "encoder", run / "model")
    sentence = re.escape(f"It holds a whole model: give {run / 'model'} as the model, without an adapter.")
    with pytest.raises(AdapterError, match=sentence):
        load_reranker(CHECKPOINTS / "encoder", adapter=run)
    with pytest.raises(UnsupportedModelError, match=sentence):
        load_reranker(run)


def test_a_run_with_an_adapter_is_no_model(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    shutil.copytree(ADAPTER, run / "adapter")
    with pytest.raises(UnsupportedModelError, match="give its base as the model, and this folder as the adapter"):
        load_reranker(run)


def test_a_run_in_which_nothing_can_be_loaded_says_so(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="nothing that can be loaded lies in it: resume the run, or train anew"):
        load_reranker(CHECKPOINTS / "llm", adapter=make_run(tmp_path / "run"))


@pytest.mark.parametrize("lost", ["adapter", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"])
def test_an_added_job_whose_adapter_is_gone_or_half_written_says_so_in_a_sentence(tmp_path: Path, lost: str) -> None:
    run = make_run(tmp_path / "run", adapters=(3,))
    shutil.copytree(ADAPTER, run / "adapter")
    models = LocalModels()
    model, _ = models.add(str(CHECKPOINTS / "llm"), adapter=str(run))
    shutil.rmtree(run / lost) if lost == "adapter" else (run / lost).unlink()

    for look in (lambda: describe_local_model(model), lambda: load_reranker(model.base, adapter=model.adapter)):
        with pytest.raises(AdapterError, match=r"is no adapter: it needs .*give .*checkpoint-3 as the adapter"):
            look()
    with pytest.raises(AdapterError, match=r"give .*checkpoint-3 as the adapter"):
        load_reranker(CHECKPOINTS / "llm", adapter=run / "adapter")


def test_a_folder_that_is_no_run_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="Choose the folder that training wrote"):
        load_reranker(CHECKPOINTS / "llm", adapter=tmp_path)
    with pytest.raises(UnsupportedModelError, match="Choose the folder that holds it"):
        load_reranker(tmp_path)
