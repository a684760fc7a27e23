"""The settings of a run in the words of transformers' Trainer."""

from pathlib import Path

import torch
from transformers import TrainingArguments

from reranker_core.errors import InputError
from reranker_core.memory import default_device
from reranker_core.training.plan import count_steps
from reranker_core.training.settings import TrainingSettings


def make_arguments(settings: TrainingSettings, checkpoints: Path, *, rows: int, has_dev_set: bool) -> TrainingArguments:
    """Translate settings; under torchrun this also brings the processes together.

    Args:
        settings: of the run, as the machine can do it.
        checkpoints: where the Trainer finds and leaves checkpoints.
        rows: that are trained on.
        has_dev_set: whether there is something to measure on.

    Raises:
        InputError: the device cannot be used, DeepSpeed's configuration is no file, or there would be no step.
    """
    device = settings.device or default_device()
    if device.startswith("cuda:") and device != "cuda:0":
        raise InputError(
            f"device {device}: training takes the first GPU that it sees. Set CUDA_VISIBLE_DEVICES={device[5:]} and leave "
            "device out."
        )
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f'There is no device "{device}" here: torch sees 0 GPUs. Choose cpu.')
    if device not in ("cpu", "cuda", "cuda:0", "mps"):
        raise InputError(f'device must be cpu, cuda or mps, got "{device}".')
    if settings.deepspeed is not None and not settings.deepspeed.is_file():
        raise InputError(
            f"deepspeed {settings.deepspeed} is no file here. assets/stage1.json of this project is one: give its path "
            "(--deepspeed)."
        )
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        use_cpu=device == "cpu",
        bf16=settings.bf16,
        fp16=settings.fp16,
        deepspeed=None if settings.deepspeed is None else str(settings.deepspeed),
        ddp_find_unused_parameters=settings.ddp_find_unused_parameters,
        seed=settings.seed,
        num_train_epochs=settings.num_train_epochs,
        max_steps=settings.max_steps or -1,
        per_device_train_batch_size=settings.per_device_train_batch_size,
        gradient_accumulation_steps=settings.gradient_accumulation_steps,
        dataloader_drop_last=settings.dataloader_drop_last,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        logging_steps=settings.logging_steps,
        logging_nan_inf_filter=False,  # it would hide a loss that is not finite behind the mean of others
        disable_tqdm=True,
        report_to=list(settings.report_to or ("none",)),
        save_strategy=settings.save_strategy,
        save_steps=settings.save_steps,
        eval_strategy=settings.eval_strategy if has_dev_set else "no",
        eval_steps=settings.eval_steps,
        eval_on_start=True,  # without a dev set the probes of the collapse alarm
        remove_unused_columns=False,
        average_tokens_across_devices=True,  # counts the groups of a step in all processes
    )
    arguments.warmup_steps = count_steps(settings, rows, processes=arguments.world_size).warmup_steps
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # several GPUs in one process would part groups between them; torchrun uses them
    return arguments
