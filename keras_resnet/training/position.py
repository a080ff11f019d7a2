"""Positions within a run: epochs and steps, also where an epoch is resumed in its middle."""

from collections.abc import Iterable

import keras

from keras_resnet.data.batches import count_steps
from keras_resnet.recipes import Recipe


def run_steps(recipe: Recipe, images: int) -> int:
    """The steps of a run with this number of training images, at least one.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.position import run_steps
        >>> run_steps(keras_resnet.Recipe(epochs=1.5, batch_size=128), 1000)
        12
    """
    return max(1, round(recipe.epochs * count_steps(images, recipe.batch_size)))


def milestone_steps(fractions: Iterable[float], total_steps: int) -> list[int]:
    """For each fraction of a run, the number of steps before it.

    Example:
        >>> from keras_resnet.training.position import milestone_steps
        >>> milestone_steps((0.25, 0.5), total_steps=30)
        [8, 15]
    """
    return [round(fraction * total_steps) for fraction in fractions]


def describe_position(epoch: int, step: int) -> str:
    """Says how far a run is, after `step` steps of `epoch` (both from 0).

    Example:
        >>> from keras_resnet.training.position import describe_position
        >>> describe_position(2, 5)
        'after 5 steps of epoch 3'
        >>> describe_position(2, 0)
        'after epoch 2'
    """
    return f"after {step} steps of epoch {epoch + 1}" if step else f"after epoch {epoch}"


class PositionCallback(keras.callbacks.Callback):
    """A callback that knows the epoch and the step, also in an epoch that was resumed in its middle.

    Keras counts the batches of each call of `fit` from 0.

    Args:
        skipped: steps of the first epoch that were made before `fit` was called.
    """

    def __init__(self, skipped: int = 0):
        super().__init__()
        self.epoch, self.skipped = 0, skipped

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.skipped = 0

    def steps_after(self, batch: int) -> int:
        """Steps of the epoch that are complete after `batch`, an index within this call of `fit`."""
        return self.skipped + batch + 1
