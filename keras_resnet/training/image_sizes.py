"""Sizes of training and test images: which sizes a run has, when each begins, and the models that take them."""

import keras

from keras_resnet.data.loading import Data
from keras_resnet.errors import check_name
from keras_resnet.models.options import check_image_size
from keras_resnet.preprocessing import image_sides
from keras_resnet.recipes import Recipe
from keras_resnet.training.position import milestone_steps
from keras_resnet.variants import VARIANTS


def early_sizes(recipe: Recipe, total_steps: int) -> list[tuple[int, int]]:
    """The sizes of the first training images: pairs (pixels, step of the run before which the size ends).

    Source: Howard 2018, https://www.fast.ai/posts/2018-04-30-dawnbench-fastai.html; Tan and Le 2021 (EfficientNetV2),
    section 4.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.image_sizes import early_sizes
        >>> recipe = keras_resnet.Recipe(early_sizes=(128, 192), size_milestones=(0.4, 0.8))
        >>> early_sizes(recipe, total_steps=100)
        [(128, 40), (192, 80)]
    """
    ends = milestone_steps(recipe.size_milestones, total_steps)
    return list(zip(map(int, recipe.early_sizes), ends, strict=True))


def input_shape(data: Data, recipe: Recipe) -> tuple[int | None, int | None, int]:
    """(height, width, channels) of the images that a model takes; with None for sides that change.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.training.image_sizes import input_shape
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> input_shape(data, keras_resnet.Recipe())
        (32, 32, 3)
        >>> input_shape(data, keras_resnet.Recipe(early_sizes=(24,), size_milestones=(0.5,)))
        (None, None, 3)
    """
    if recipe.early_sizes or data.test_shape != data.image_shape:
        return None, None, data.image_shape[-1]
    return data.image_shape


def check_sizes(model: str | keras.Model, data: Data, recipe: Recipe) -> None:
    """Checks that data and model have the recipe's sizes of images.

    Args:
        model: the name of a variant, or a model that takes images.
        data: the images.
        recipe: with `early_sizes` and `test_size`.

    Raises:
        ValueError: an early size is not below that of the data, or too small for the network; the data have another
            test view; or the model takes images of only one size.
    """
    own = min(data.image_shape[:2])
    if any(size >= own for size in recipe.early_sizes):
        raise ValueError(
            f"recipe: early_sizes={recipe.early_sizes} must be below the size of the images of {data.name}, {own}."
        )
    if recipe.test_size and recipe.test_size != min(data.view.size):
        raise ValueError(
            f"recipe: test_size={recipe.test_size}, but {data.name} has test views of {min(data.view.size)} pixels; "
            "pass the recipe to load_data, too."
        )
    if isinstance(model, str):
        check_name("model", model, VARIANTS)
        for size in filter(None, (*map(int, recipe.early_sizes), recipe.test_size)):
            check_image_size((size, size), VARIANTS[model].get("stem", "imagenet"))
    elif None in input_shape(data, recipe) and None not in image_sides(model):
        height, width = image_sides(model)
        raise ValueError(
            f"{model.name} takes images of {height}x{width} only, but early_sizes and test_size change the size; build "
            "it with input_shape=(None, None, 3)."
        )
