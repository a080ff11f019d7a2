"""Fine-tuning: layers that join the training later, and batch statistics that stay as they are."""

import contextlib
import logging
from collections.abc import Iterator

import keras

from keras_resnet.distributed.keras_internals import normalizations
from keras_resnet.layers import BatchNormalization
from keras_resnet.models.surgery import part_of, parts_of
from keras_resnet.recipes import Recipe
from keras_resnet.training.position import PositionCallback, milestone_steps

logger = logging.getLogger(__name__)


class Unfreezing(PositionCallback):
    """Trains only the classifier at first; at each milestone one more part joins, from the last; then all.

    Layers that were frozen before stay frozen. Between epochs no layer is frozen by this callback, so that saved models
    are as the user built them. `fine_tuning` does the same after a run that was interrupted.

    Source: Howard and Ruder 2018 (ULMFiT), https://arxiv.org/abs/1801.06146, section 3.3.

    Args:
        model: the model, compiled with all its trainable weights.
        recipe: with `unfreeze_milestones`.
        steps_per_epoch: steps of a full epoch.
        total_steps: steps of the whole run.
        skipped: steps of the first epoch that were made before `fit` was called.
    """

    def __init__(self, model: keras.Model, recipe: Recipe, steps_per_epoch: int, total_steps: int, skipped: int = 0):
        super().__init__(skipped)
        self.milestones = milestone_steps(recipe.unfreeze_milestones, total_steps)
        self.steps_per_epoch = steps_per_epoch
        self.parts, self.layers = parts_of(model), _trainable_layers(model)
        self.passed: int | None = None  # milestones before the step for which the model is compiled
        self.frozen = False  # whether the layers that do not train yet are frozen now

    def on_train_batch_begin(self, batch, logs=None):
        steps_before = self.epoch * self.steps_per_epoch + self.steps_after(batch) - 1
        passed = sum(steps_before >= milestone for milestone in self.milestones)
        if passed != self.passed:
            self.passed, self.frozen = passed, False
            self.model.make_train_function(force=True)  # traced in its first step, with the layers frozen below
            logger.info("From step %d on, %s.", steps_before, _in_words(self.parts, self._joined_parts()))
        if not self.frozen:
            self._train_only(self._joined_parts())
            self.frozen = True

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self._train_only(self.parts)
        self.frozen = False

    def _joined_parts(self):
        count = len(self.parts) if self.passed == len(self.milestones) else self.passed
        return self.parts[len(self.parts) - count :]

    def _train_only(self, parts):
        for layer in self.layers:
            layer.trainable = part_of(layer) in parts


def _trainable_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers before the classifier that the user has not frozen."""
    return [layer for layer in model.layers if part_of(layer) and layer.trainable]


def _in_words(parts: list[str], joined: list[str]) -> str:
    """A phrase about what trains once these parts have joined the classifier."""
    if joined == parts:
        return "all layers train"
    return f"{', '.join(joined)} and the classifier train" if joined else "only the classifier trains"


@contextlib.contextmanager
def fine_tuning(model: keras.Model, recipe: Recipe) -> Iterator[None]:
    """A context for a run, in which batch statistics are frozen if the recipe asks for it.

    Afterwards, all layers are as before, also those that `Unfreezing` has frozen.
    """
    if not (recipe.frozen_statistics or recipe.unfreeze_milestones):
        yield
        return
    trainable = _trainable_layers(model)
    before = {layer: layer.frozen_statistics for layer in normalizations(model)} if recipe.frozen_statistics else {}
    for layer in before:
        layer.frozen_statistics = True
    try:
        yield
    finally:
        for layer, frozen in before.items():
            layer.frozen_statistics = frozen
        for layer in trainable:
            layer.trainable = True
        model.train_function = None  # it was traced for this run


def check_fine_tuning(model: keras.Model, recipe: Recipe) -> None:
    """Checks that the model has what the recipe's `frozen_statistics` and `unfreeze_milestones` are about.

    Raises:
        ValueError: the model has no layers of batch normalization, or Keras's own; or it is not of this package, or has
            fewer parts than there are milestones.
    """
    if recipe.frozen_statistics:
        _check_normalizations(model)
    if recipe.unfreeze_milestones:
        _check_parts(model, len(recipe.unfreeze_milestones))


def _check_normalizations(model):
    layers = normalizations(model)
    if not layers:
        raise ValueError(f"recipe: frozen_statistics has no effect, because {model.name} has no BatchNormalization.")
    for layer in layers:
        if not isinstance(layer, BatchNormalization):
            raise ValueError(
                f"recipe: frozen_statistics needs keras_resnet.layers.BatchNormalization, but {layer.name} of "
                f"{model.name} is keras.layers.BatchNormalization; replace it, or leave out frozen_statistics."
            )


def _check_parts(model, milestones):
    parts = parts_of(model)
    if not parts:
        raise ValueError(
            f"recipe: unfreeze_milestones needs a model of this package, whose layers' names tell their stages; "
            f"{model.name} is another one."
        )
    if milestones > len(parts):
        raise ValueError(
            f"recipe: unfreeze_milestones has {milestones} fractions, but {model.name} has only {len(parts)} parts to "
            f"unfreeze: {', '.join(parts)}."
        )
