"""What changes during a run, as functions of its progress: the learning rate and the size of the images."""

import math

from keras_resnet.recipes.recipe import Recipe


def rate_factor(recipe: Recipe, progress: float) -> float:
    """The factor on the base learning rate at `progress` (0 to 1) through the run.

    It includes the warm-up by `warmup_fraction`, but not the one by `warmup_learning_rate`, which ends when the
    training error is low enough.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.recipes import rate_factor
        >>> paper = keras_resnet.RECIPES["cifar_he2015"]
        >>> [rate_factor(paper, step / 64_000) for step in (0, 31_999, 32_000, 48_000)]
        [1.0, 1.0, 0.1, 0.01]
    """
    if progress < recipe.warmup_fraction:
        return recipe.warmup_start + (1 - recipe.warmup_start) * progress / recipe.warmup_fraction
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (progress - recipe.warmup_fraction) / (1 - recipe.warmup_fraction)))
    if recipe.schedule == "linear":
        return (1 - progress) / (1 - recipe.warmup_fraction)
    return 10.0 ** -sum(progress >= milestone for milestone in recipe.milestones)


def image_size_at(recipe: Recipe, progress: float) -> int:
    """The size of the training images in pixels at `progress` (0 to 1) through the run.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.recipes import image_size_at
        >>> [image_size_at(keras_resnet.RECIPES["cifar_fast"], progress) for progress in (0, 0.25, 0.6, 1)]
        [16, 24, 32, 32]
    """
    return recipe.sizes[sum(progress >= milestone for milestone in recipe.size_milestones)]
