"""Moving averages of a model's weights, which are often more accurate than the weights of the last step."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf


class MovingAverages(keras.callbacks.Callback):
    """Keeps moving averages of all floating point weights, the statistics of batch normalization included.

    They start as the initial weights. After each step, average = d x average + (1 - d) x weight, where
    d = min(decay, (1 + t) / (10 + t)) after t updates, so that the initial weights have no part in a short run's.
    Sources: `tf.train.ExponentialMovingAverage` for d; timm's `ModelEmaV2` and torchvision's reference training for
    the statistics.

    Args:
        model: a Keras model. Its replicas have equal weights, so the averages are those of the first one.
        decay: 0 to below 1.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.averages import MovingAverages
        >>> model = keras_resnet.ResNet20Cifar()
        >>> averages = MovingAverages(model, decay=0.999)
        >>> with averages.applied():
        ...     model.save("ema.keras")
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.weights = [weight for weight in model.weights if keras.backend.is_float_dtype(weight.dtype)]
        self.averages = [tf.Variable(tf.convert_to_tensor(weight), trainable=False) for weight in self.weights]
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.update = tf.function(self._update)

    @property
    def variables(self) -> list[tf.Variable]:
        """All that a checkpoint must keep."""
        return [self.updates, *self.averages]

    def on_train_batch_end(self, batch, logs=None):
        self.update()

    def _update(self) -> None:
        """One update of all averages, with the weights as they are."""
        updates = tf.cast(self.updates, tf.float32)
        rate = tf.maximum(1 - self.decay, 9 / (10 + updates))  # 1 - d, which float32 would round
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign_add(tf.cast(rate, average.dtype) * (tf.convert_to_tensor(weight) - average))
        self.updates.assign_add(1)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the model has the averages as its weights."""
        own = [np.array(weight) for weight in self.weights]
        try:
            _assign(self.weights, self.averages)
            yield
        finally:
            _assign(self.weights, own)


def _assign(weights, values):
    for weight, value in zip(weights, values, strict=True):
        weight.assign(np.asarray(value))
