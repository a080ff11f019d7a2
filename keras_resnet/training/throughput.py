"""TODO training.throughput."""

import time

import keras
import numpy as np
import tensorflow as tf


class DataTime:
    """Adds up the seconds that training waits for its next batch."""

    def __init__(self):
        self.seconds = 0.0

    def add(self, seconds):
        self.seconds += float(seconds)
        return np.int64(0)


def measure_data_time(dataset: tf.data.Dataset, waits: DataTime) -> tf.data.Dataset:
    """The data set, each element of which tells `waits` how long it was waited for."""

    def clock():
        return tf.data.Dataset.range(1).repeat().map(lambda _: tf.timestamp())

    def note(asked, element, given):
        tf.numpy_function(waits.add, [given - asked], tf.int64)
        return element

    return tf.data.Dataset.zip(clock(), dataset, clock()).map(note)  # zip asks for its parts in turn


class Throughput(keras.callbacks.Callback):
    """Adds `images_per_second`, `data_time` and `learning_rate` to the logs.

    `data_time` is the share of the time, 0 to 1, that was spent waiting for images. The first step of an epoch is left
    out: it compiles, or fills the input pipeline. Says once that training is bound by its input, if it is.
    """

    BOUND = 0.1  # a share worth a word

    def __init__(self, examples, batch_size, waits):
        super().__init__()
        self.examples, self.batch_size, self.waits = examples, batch_size, waits
        self.told = False

    def on_epoch_begin(self, epoch, logs=None):
        self.speed = self.waiting = 0.0

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.start, self.waited = time.perf_counter(), self.waits.seconds
        else:
            images = min(self.batch_size * (batch + 1), self.examples) - self.batch_size
            seconds = time.perf_counter() - self.start
            self.speed = images / seconds
            self.waiting = min(1.0, (self.waits.seconds - self.waited) / seconds)
        logs["images_per_second"] = round(self.speed, 1)

    def on_epoch_end(self, epoch, logs=None):
        logs["images_per_second"] = round(self.speed, 1)
        logs["data_time"] = round(self.waiting, 4)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if self.waiting > self.BOUND and not self.told:
            self.told = True
            print(
                f"\nInput-bound: {self.waiting:.0%} of the time the model waited for images. More processor cores, "
                "smaller images (scripts/prepare_imagenet.py) or a simpler augmentation would train faster."
            )
