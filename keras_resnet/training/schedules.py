"""The callback that sets the learning rate before each step."""

import keras

from keras_resnet.models.complexity import weighted_layers
from keras_resnet.recipes import Recipe, rate_factor
from keras_resnet.training.position import PositionCallback


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
    return recipe.warmup_learning_rate > 0 and weighted_layers(model) >= recipe.warmup_min_layers
