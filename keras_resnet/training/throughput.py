"""Throughput: images per second, and the fraction of the time that training waits for data."""

import logging
import time
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.python_calls import call_python

INPUT_BOUND = 0.1  # data_time above which a warning is due

logger = logging.getLogger(__name__)


class DataTime:
    """Adds up the seconds that training waits for its next batch."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def add(self, seconds: float) -> np.int64:
        """Adds seconds, and returns 0: `call_python` wants a value."""
        self.seconds += float(seconds)
        return np.int64(0)


def measure_data_time(dataset: tf.data.Dataset, data_time: DataTime) -> tf.data.Dataset:
    """The same data set; each element adds to `data_time` how long its consumer waited for it."""

    def clock():
        return tf.data.Dataset.range(1).repeat().map(lambda _: tf.timestamp())

    def add_time(requested, element, ready):
        call_python(data_time.add, [ready - requested], tf.int64)
        return element

    # zip requests its parts in turn: a time, the element, a time.
    return tf.data.Dataset.zip(clock(), dataset, clock()).map(add_time)


class Throughput(keras.callbacks.Callback):
    """Adds `images_per_second`, `data_time` and `learning_rate` to the logs, and warns once if training is input-bound.

    `data_time` is the fraction of an epoch's time, 0 to 1, spent waiting for data (timm's `data_time` is the seconds).
    The first step of each epoch is not counted: it compiles, or fills the input pipeline.

    Args:
        examples: number of training images.
        batch_size: images per step.
        data_time: what `measure_data_time` adds to.
    """

    def __init__(self, examples: int, batch_size: int, data_time: DataTime):
        super().__init__()
        self.examples, self.batch_size, self.data_time = examples, batch_size, data_time
        self.warned = False

    def on_epoch_begin(self, epoch, logs=None):
        self.images_per_second = self.waiting = 0.0

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.start, self.waited_before = time.perf_counter(), self.data_time.seconds
        else:
            images = min(self.batch_size * (batch + 1), self.examples) - self.batch_size
            seconds = time.perf_counter() - self.start
            self.images_per_second = images / seconds
            self.waiting = min(1.0, (self.data_time.seconds - self.waited_before) / seconds)
        logs["images_per_second"] = round(self.images_per_second, 1)

    def on_epoch_end(self, epoch, logs=None):
        logs["images_per_second"] = round(self.images_per_second, 1)
        logs["data_time"] = round(self.waiting, 4)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if self.waiting > INPUT_BOUND and not self.warned:
            self.warned = True
            logger.warning(
                "Input-bound: training waited for images %.0f%% of the time. More CPU cores, smaller images "
                "(`keras-resnet prepare`) or simpler augmentation would speed it up.",
                100 * self.waiting,
            )


class BarUnits(keras.callbacks.Callback):
    """Gives the values in Keras's progress bar names with their units. It must be the last callback.

    log.csv and TensorBoard, which are written before, have names without symbols.
    """

    NAMES: ClassVar = {"images_per_second": ("images/s", 1), "data_time": ("data_time (%)", 100)}

    def on_train_batch_end(self, batch, logs=None):
        self._rename(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._rename(logs)

    def _rename(self, logs):
        for name, (shown, factor) in self.NAMES.items():
            if name in logs:
                logs[shown] = factor * logs.pop(name)
