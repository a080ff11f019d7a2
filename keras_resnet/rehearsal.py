"""Rehearsal: what two steps of a training tell about all of it."""

import dataclasses
import datetime
import resource
import sys
import time

import keras
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Rehearsal:
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


def peak_memory() -> int:
    """Bytes that the first GPU, or without one the process, has held at most."""
    if tf.config.list_logical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
