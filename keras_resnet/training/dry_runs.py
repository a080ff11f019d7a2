"""Dry runs: two steps that tell what a run would take."""

import dataclasses
import datetime
import os
import textwrap
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.models.complexity import multiply_adds, trainable_parameters
from keras_resnet.recipes import Recipe
from keras_resnet.training.building import compiled_model
from keras_resnet.training.distillation import load_teacher
from keras_resnet.training.fine_tuning import fine_tuning
from keras_resnet.training.memory import of_size, peak_memory
from keras_resnet.training.throughput import DataTime
from keras_resnet.training.trainer import checked_arguments
from keras_resnet.training.training_input import TrainingInput

WIDTH = 120  # of the printed table, characters


@dataclasses.dataclass(frozen=True)
class DryRun:
    """The result of `keras_resnet.dry_run`; `print` shows it as a table.

    Attributes:
        model: its name.
        parameters: trainable parameters.
        other_weights: moving statistics and frozen weights.
        multiply_adds: for one image, forward.
        batch_size: images per step, over all devices.
        replicas: number of devices.
        memory: peak memory in bytes, of the process or of the first GPU.
        seconds_per_step: of the last step, which has a full batch; the first one also compiles.
        recipe: the training setup.
        steps: of the whole run.
    """

    model: str
    parameters: int
    other_weights: int
    multiply_adds: int
    batch_size: int
    replicas: int
    memory: int
    seconds_per_step: float
    recipe: Recipe
    steps: int

    def __str__(self):
        images_per_second = self.batch_size / self.seconds_per_step
        duration = str(datetime.timedelta(seconds=round(self.steps * self.seconds_per_step)))
        grows = self.recipe.early_sizes or self.recipe.unfreeze_milestones
        duration = f"at most {duration}" if grows else duration
        devices = f"{self.replicas} device{'s' * (self.replicas > 1)}"
        step = f"{self.batch_size} in {self.seconds_per_step:.3f} s on {devices}"
        rows = {
            "model": self.model,
            "parameters": f"{self.parameters:,} trainable, {self.other_weights:,} non-trainable",
            "GFLOPs": f"{self.multiply_adds / 1e9:.2f} (multiply-adds per image, forward)",
            "memory": f"{self.memory / 2**30:.1f} GiB at peak",
            "speed": f"{images_per_second:.0f} images/s ({step})",
            "to the end": f"{duration} for {self.steps:,} steps ({self.recipe.epochs:g} epochs), without validation",
            "recipe": repr(self.recipe).removeprefix("Recipe(").removesuffix(")"),
            "source": self.recipe.source,
            "published": self.recipe.published,
            "measured": self.recipe.measured,
        }
        return "\n".join(_row(name, value) for name, value in rows.items() if value)


def _row(name: str, value: str) -> str:
    """A row of the table, its value in lines that fit a terminal."""
    return textwrap.fill(value, WIDTH, initial_indent=f"{name:13}", subsequent_indent=13 * " ")


class StepTimes(keras.callbacks.Callback):
    """Measures the seconds that each step takes."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def dry_run(
    model: str | keras.Model,
    data: Any,
    recipe: str | Recipe,
    *,
    optimizer: str | keras.optimizers.Optimizer | None = None,
    augmentation: keras.layers.Layer | None = None,
    teacher: keras.Model | str | os.PathLike | None = None,
    strategy: tf.distribute.Strategy | None = None,
) -> DryRun:
    """Builds everything that `train` builds, runs two or three training steps, and writes no files.

    The steps have images of the full size and train all layers, so they take as long as the run's slowest. A model that
    is given has its weights back afterwards.

    Args:
        model: as in `train`.
        data: as in `train`.
        recipe: as in `train`.
        optimizer: as in `train`.
        augmentation: as in `train`.
        teacher: as in `train`.
        strategy: as in `train`.

    Returns:
        Parameters, multiply-adds, memory, speed, and the time that the whole run would take; `print` it.

    Raises:
        ValueError: an argument is invalid, or model, data and recipe do not fit together.
        MemoryError: a batch does not fit into memory.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.random.randint(0, 256, (64, 32, 32, 3), "uint8"), np.arange(64) % 10))
        >>> result = keras_resnet.dry_run("resnet20_cifar", data, keras_resnet.Recipe(epochs=3, batch_size=32))
        >>> result.parameters, result.steps
        (269722, 6)
    """
    data, recipe, optimizer = checked_arguments(model, data, recipe, optimizer, augmentation, strategy)
    own_variables = [] if isinstance(model, str) else model.variables
    loaded_teacher = load_teacher(teacher, model, data, recipe)
    model, worker = compiled_model(model, data, recipe, strategy, optimizer, loaded_teacher)
    largest = dataclasses.replace(recipe, early_sizes=(), size_milestones=())
    training_input = TrainingInput(data, largest, augmentation, UnreadableImages(), worker)
    times, values = StepTimes(), [np.array(variable) for variable in own_variables]
    steps = 3 if training_input.steps_per_epoch == 2 else 2  # the last step has a full batch
    try:
        batches = training_input.training(0, 0, DataTime())
        with fine_tuning(model, recipe):
            model.fit(batches, steps_per_epoch=steps, callbacks=[times], shuffle=False, verbose=0)
    except tf.errors.ResourceExhaustedError as error:
        raise training_input.out_of_memory(error) from None
    finally:
        for variable, value in zip(own_variables, values, strict=True):
            variable.assign(value)
    parameters = trainable_parameters(model)
    return DryRun(
        model=model.name,
        parameters=parameters,
        other_weights=model.count_params() - parameters,
        multiply_adds=multiply_adds(of_size(model, data.image_shape)),
        batch_size=min(recipe.batch_size, len(data.train)),
        replicas=worker.strategy.num_replicas_in_sync,
        memory=peak_memory(),
        seconds_per_step=times.seconds[-1],
        recipe=recipe,
        steps=training_input.total_steps,
    )
