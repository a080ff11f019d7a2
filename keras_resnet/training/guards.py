"""Detects a diverged run, and one that cannot be validated, and says what to change."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import none_readable
from keras_resnet.run_directory import Run
from keras_resnet.training.checkpoints import as_saved, describe_latest_checkpoint
from keras_resnet.training.losses import class_weights
from keras_resnet.training.position import PositionCallback, describe_position

DIVERGED = 100.0  # times the loss of random guessing; training that works stays far below


class DivergenceGuard(PositionCallback):
    """Stops training when the running loss is NaN or infinite, or 100 times the loss of random guessing.

    Guessing wrong costs as much as the heaviest class. The penalties of the weights at the start are not counted: in a
    large network, they may be much larger.

    Args:
        classes: number of the model's classes.
        run: the run directory, whose last checkpoint the error names.
        skipped: steps of the first epoch that were made before `fit` was called.
    """

    def __init__(self, classes: int, run: Run, skipped: int = 0):
        super().__init__(skipped)
        self.run = run
        self.guessing = max(1.0, math.log(classes))

    def on_train_begin(self, logs=None):
        heaviest = max(class_weights(self.model.loss), default=1.0)  # one example of a rare class may count a lot
        self.limit = DIVERGED * self.guessing * max(1.0, heaviest) + float(sum(self.model.losses))

    def on_train_batch_end(self, batch, logs=None):
        if not logs["loss"] < self.limit:  # NaN is not below it, either
            position = describe_position(self.epoch, self.steps_after(batch))
            raise divergence_error(f"The loss is {logs['loss']:.4g} {position}", self.run)


class ValidationGuard(keras.callbacks.Callback):
    """Stops training when no validation image is readable: its accuracy would be 0.

    Args:
        data: the images.
    """

    def __init__(self, data: Data):
        super().__init__()
        self.data = data

    def on_test_end(self, logs=None):
        running_loss = self.model.metrics[0]
        if not np.asarray(running_loss.count):
            raise none_readable(len(self.data.validation), "validation", self.data.name)


def check_finite(variables: Iterable[Any], position: str, run: Run) -> None:
    """Checks that all variables of a run are finite.

    Raises:
        FloatingPointError: one is not; the message names it and the `position`.
    """
    for variable in variables:
        value = as_saved(variable)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise divergence_error(f"{getattr(variable, 'path', variable.name)} is not finite {position}", run)


def divergence_error(finding: str, run: Run) -> FloatingPointError:
    """The error for a diverged run: the finding, the last checkpoint, and what to change."""
    return FloatingPointError(
        f"{finding}: training has diverged. {describe_latest_checkpoint(run)} Start again in another workdir, with a "
        "lower learning_rate or a longer warmup."
    )
