"""TODO training.dry_runs."""

import dataclasses
import datetime
import time

import keras
import tensorflow as tf

from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.models.complexity import multiply_adds, trainable_parameters
from keras_resnet.recipes import Recipe, get_recipe
from keras_resnet.training.loop import TrainingInput
from keras_resnet.training.memory import peak_memory
from keras_resnet.training.throughput import DataTime
from keras_resnet.training.trainer import compiled


@dataclasses.dataclass(frozen=True)
class DryRun:
    """What `keras_resnet.dry_run` found."""

    model: str
    parameters: int  # that are trained
    other_weights: int  # moving statistics, and what is frozen
    multiply_adds: int  # for one image, forwards
    batch_size: int
    replicas: int
    memory: int  # bytes at most, of the process or of the first GPU
    seconds_per_step: float  # of the second step; the first one also compiles
    epochs: float
    steps: int  # of the whole run

    def __str__(self):
        per_second = self.batch_size / self.seconds_per_step
        rest = datetime.timedelta(seconds=round(self.steps * self.seconds_per_step))
        step = (
            f"{self.batch_size} in {self.seconds_per_step:.3f} s on {self.replicas} device{'s' * (self.replicas > 1)}"
        )
        return "\n".join(
            (
                f"model        {self.model}",
                f"parameters   {self.parameters:,}, and {self.other_weights:,} weights that are not trained",
                f"GFLOPs       {self.multiply_adds / 1e9:.2f} (multiply-adds for an image, forwards)",
                f"memory       {self.memory / 2**30:.1f} GiB at most",
                f"speed        {per_second:.0f} images/s ({step})",
                f"to the end   {rest} for {self.steps:,} steps ({self.epochs:g} epochs), without validation",
            )
        )


class StepTimes(keras.callbacks.Callback):
    """Notes how long each step took, seconds."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def dry_run(model, data: Data, recipe: str | Recipe, *, augmentation=None, strategy=None) -> DryRun:
    """Builds all that `train` builds, runs two steps, and writes nothing.

    Args: those of `train`.

    Returns:
        Parameters, arithmetic, memory, speed, and the time that the whole run would take; `print` it.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.random.randint(0, 256, (64, 32, 32, 3), "uint8"), np.arange(64) % 10))
        >>> rehearsal = keras_resnet.dry_run("resnet20_cifar", data, keras_resnet.Recipe(epochs=3, batch_size=32))
        >>> rehearsal.parameters, rehearsal.steps
        (269722, 6)
    """
    recipe = get_recipe(recipe)
    model, worker = compiled(model, data, recipe, strategy)
    return rehearse(model, TrainingInput(data, recipe, augmentation, UnreadableImages(), worker))


def rehearse(model, feed) -> DryRun:
    """Runs two steps of a compiled model."""
    times = StepTimes()
    try:
        batches = feed.training(0, 0, DataTime())
        model.fit(batches, steps_per_epoch=2, callbacks=[times], shuffle=False, verbose=0)
    except tf.errors.ResourceExhaustedError as error:
        raise feed.too_large(error) from None
    trained = trainable_parameters(model)
    return DryRun(
        model=model.name,
        parameters=trained,
        other_weights=model.count_params() - trained,
        multiply_adds=multiply_adds(model),
        batch_size=min(feed.recipe.batch_size, len(feed.data.train)),
        replicas=feed.worker.strategy.num_replicas_in_sync,
        memory=peak_memory(),
        seconds_per_step=times.seconds[-1],
        epochs=feed.recipe.epochs,
        steps=feed.total_steps,
    )
