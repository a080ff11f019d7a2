"""TODO training.schedules."""

import keras
import numpy as np


def rate_factor(recipe, progress: float) -> float:
    """What multiplies the base rate at `progress` (0 to 1) through the run, without warm-up by error.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.schedules import rate_factor
        >>> paper = keras_resnet.RECIPES["cifar_he2015"]
        >>> [rate_factor(paper, step / 64_000) for step in (0, 31_999, 32_000, 48_000)]
        [1.0, 1.0, 0.1, 0.01]
    """
    if progress < recipe.warmup_fraction:
        return progress / recipe.warmup_fraction
    if recipe.schedule == "cosine":
        return 0.5 * (1 + np.cos(np.pi * (progress - recipe.warmup_fraction) / (1 - recipe.warmup_fraction)))
    return 10.0 ** -sum(progress >= step for step in recipe.milestones)


class LearningRate(keras.callbacks.Callback):
    """Sets the rate before each step where the schedule changes it, and ends the run at its last step.

    While `warming_up` the rate is `recipe.warmup_learning_rate`, until the running training error of an epoch
    falls below `recipe.warmup_until_error` (section 4.2 of the paper, for 110 layers).
    """

    def __init__(self, recipe, steps_per_epoch, total_steps, warms_up):
        super().__init__()
        self.recipe, self.steps_per_epoch, self.total_steps = recipe, steps_per_epoch, total_steps
        self.warming_up = warms_up
        self.current = None
        self.skipped = 0  # steps of the epoch that were made before `fit` was called

    def on_epoch_begin(self, epoch, logs=None):
        self.first_step = epoch * self.steps_per_epoch + self.skipped

    def on_train_batch_begin(self, batch, logs=None):
        scheduled = self.recipe.learning_rate * rate_factor(self.recipe, (self.first_step + batch) / self.total_steps)
        rate = self.recipe.warmup_learning_rate if self.warming_up else scheduled
        if rate != self.current:  # else leave alone what the plateau rule set
            self.model.optimizer.learning_rate = self.current = float(rate)

    def on_train_batch_end(self, batch, logs=None):
        if self.warming_up and 1 - logs["accuracy"] < self.recipe.warmup_until_error:
            self.warming_up = False
        if self.first_step + batch + 1 >= self.total_steps:
            self.model.stop_training = True


def needs_warmup(model, recipe) -> bool:
    """Whether the net is as deep as those that the recipe warms up at `warmup_learning_rate`."""
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    depth = sum(isinstance(layer, kinds) and "shortcut" not in layer.name for layer in model.layers)
    return recipe.warmup_learning_rate > 0 and depth >= recipe.warmup_min_layers
