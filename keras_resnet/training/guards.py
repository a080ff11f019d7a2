"""TODO training.guards."""

import math

import keras
import numpy as np

from keras_resnet.training.checkpoints import last_good, place, variables_of

DIVERGED = 100.0  # times the loss of guessing; a net that learns never comes near it


class DivergenceGuard(keras.callbacks.Callback):
    """Stops a run whose running loss is no number, or a hundred times that of guessing.

    Args:
        classes: of the model.
        run: the run directory, whose last checkpoint the message names.
        skipped: steps of the first epoch that were made before `fit`.
    """

    def __init__(self, classes, run, skipped):
        super().__init__()
        self.run, self.skipped = run, skipped
        self.limit = DIVERGED * max(1.0, math.log(classes))

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not logs["loss"] < self.limit:
            where = place(self.epoch, self.skipped + batch + 1)
            raise diverged(f"The loss is {logs['loss']:.4g} {where}", self.run)

    def on_epoch_end(self, epoch, logs=None):
        self.skipped = 0


def check_finite(model, where, run):
    """Raises FloatingPointError where a weight, or a value of the optimizer, is no finite number."""
    for variable in variables_of(model):
        value = np.asarray(variable)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise diverged(f"{variable.path} is not finite {where}", run)


def diverged(what, run):
    """The error of a run that has diverged."""
    return FloatingPointError(
        f"{what}: the training has diverged. {last_good(run)} Start anew, in another workdir, with a lower "
        "learning_rate or a longer warmup."
    )
