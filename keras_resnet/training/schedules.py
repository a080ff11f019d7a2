"""Learning rate schedules, as functions of progress, and the callback that sets the rate before each step."""

import keras
import numpy as np

from keras_resnet.recipes import Recipe
from keras_resnet.training.position import PositionCallback


def rate_factor(recipe: Recipe, progress: float) -> float:
    """The factor on the base learning rate at `progress` (0 to 1) through the run.

    It includes the warm-up by `warmup_fraction`, but not the one by `warmup_learning_rate`; see `LearningRate`.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.schedules import rate_factor
        >>> paper = keras_resnet.RECIPES["cifar_he2015"]
        >>> [rate_factor(paper, step / 64_000) for step in (0, 31_999, 32_000, 48_000)]
        [1.0, 1.0, 0.1, 0.01]
    """
    if progress < recipe.warmup_fraction:
        return recipe.warmup_start + (1 - recipe.warmup_start) * progress / recipe.warmup_fraction
    if recipe.schedule == "cosine":
        return 0.5 * (1 + np.cos(np.pi * (progress - recipe.warmup_fraction) / (1 - recipe.warmup_fraction)))
    if recipe.schedule == "linear":
        return (1 - progress) / (1 - recipe.warmup_fraction)
    return 10.0 ** -sum(progress >= milestone for milestone in recipe.milestones)


class LearningRate(PositionCallback):
    """Sets the learning rate before each step at which the schedule changes it.

    While `warming_up`, the rate is `recipe.warmup_learning_rate`, until the running training error of an epoch
    falls below `recipe.warmup_until_error` (He et al. 2015, section 4.2, for 110 layers).

    Args:
        recipe: the recipe with the schedule.
        steps_per_epoch: steps of a full epoch.
        total_steps: steps of the whole run.
        warms_up: whether to start at `recipe.warmup_learning_rate`; see `needs_warmup`.
        skipped: steps of the first epoch that were made before `fit` was called.
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int, total_steps: int, warms_up: bool, skipped: int = 0):
        super().__init__(skipped)
        self.recipe, self.steps_per_epoch, self.total_steps = recipe, steps_per_epoch, total_steps
        self.warming_up = warms_up
        self.current: float | None = None

    def on_train_batch_begin(self, batch, logs=None):
        steps_before = self.epoch * self.steps_per_epoch + self.steps_after(batch) - 1
        scheduled = self.recipe.base_rate * rate_factor(self.recipe, steps_before / self.total_steps)
        rate = self.recipe.warmup_learning_rate if self.warming_up else scheduled
        if rate != self.current:  # otherwise keep what ReduceLROnPlateau may have set
            self.model.optimizer.learning_rate = self.current = float(rate)

    def on_train_batch_end(self, batch, logs=None):
        if self.warming_up and 1 - logs["accuracy"] < self.recipe.warmup_until_error:
            self.warming_up = False


def needs_warmup(model: keras.Model, recipe: Recipe) -> bool:
    """Whether the network is deep enough to start at the recipe's `warmup_learning_rate`."""
    weighted = (keras.layers.Conv2D, keras.layers.Dense)
    depth = sum(isinstance(layer, weighted) and "shortcut" not in layer.name for layer in model.layers)
    return recipe.warmup_learning_rate > 0 and depth >= recipe.warmup_min_layers
