"""Checks of the arguments of `train` and `dry_run`, before any work is done."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnet.data.loading import Data
from keras_resnet.errors import shown
from keras_resnet.models.model import ends_in_sigmoid, ends_in_softmax
from keras_resnet.recipes import Recipe
from keras_resnet.rules import PATH, VERBOSE, YES_OR_NO, check
from keras_resnet.training.position import run_steps

OF_COLORS = ("color_jitter", "pca_lighting", "auto_augment", "random_erasing")  # settings of a recipe


def check_model(model: Any) -> None:
    """Checks that `model` is a name or a Keras model; `check_fits` checks the rest.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(model, str | keras.Model):
        raise ValueError(f"model={shown(model)} must be the name of a variant or a Keras model.")


def check_strategy(strategy: Any, model: str | keras.Model) -> None:
    """Checks that `strategy` is None, or the strategy under which a given model was built.

    Raises:
        ValueError: it is another object, or the model was built elsewhere.
    """
    if strategy is None:
        return
    if not isinstance(strategy, tf.distribute.Strategy):
        raise ValueError(f"strategy={shown(strategy)} must be a tf.distribute.Strategy.")
    created = strategy.extended.variable_created_in_scope
    if isinstance(model, keras.Model) and not all(created(weight.value) for weight in model.weights):
        raise ValueError(f"The model {model.name} was not built under the strategy; build it in strategy.scope().")


def check_workdir_name(workdir: Any) -> None:
    """Checks that `workdir` can be a path.

    Raises:
        ValueError: it cannot.
    """
    if not PATH.holds(workdir):
        raise ValueError(f"workdir={shown(workdir)} must be the path of a directory.")


def check_outputs(model: str | keras.Model, recipe: Recipe) -> None:
    """Checks that the last layer of a given model fits the recipe's loss; a variant is built with the right one.

    Raises:
        ValueError: it has the activation of the other loss.
    """
    if isinstance(model, str):
        return
    if recipe.loss == "binary_cross_entropy" and ends_in_softmax(model):
        raise ValueError(
            f"The model {model.name} ends in a softmax, but the recipe's loss is binary_cross_entropy; build it with "
            "classifier_activation='sigmoid' or None."
        )
    if recipe.loss == "cross_entropy" and ends_in_sigmoid(model):
        raise ValueError(
            f"The model {model.name} ends in a sigmoid, but the recipe's loss is cross_entropy; build it with "
            "classifier_activation='softmax' or None, or set loss='binary_cross_entropy'."
        )


def check_early_stopping(recipe: Recipe, data: Data) -> None:
    """Checks that there are validation images to decide on an early stop.

    Raises:
        ValueError: there are none.
    """
    if recipe.early_stopping_patience and data.validation is None:
        raise ValueError(
            f"recipe: early_stopping_patience={recipe.early_stopping_patience} needs validation images, which "
            f"{data.name} has not; set validation_fraction and load the data with that recipe."
        )


def check_accumulation(recipe: Recipe, data: Data) -> None:
    """Checks that the run has a step that updates the weights.

    Raises:
        ValueError: it ends before.
    """
    steps = run_steps(recipe, len(data.train))
    if recipe.accumulation_steps > steps:
        raise ValueError(
            f"recipe: accumulation_steps={recipe.accumulation_steps} would update no weight, since the run has only "
            f"{steps} step{'s' * (steps > 1)}; lower it, or train for more epochs."
        )


def check_colors(recipe: Recipe, data: Data) -> None:
    """Checks that the images have the colors that the recipe's augmentation changes.

    Raises:
        ValueError: they have not three channels.
    """
    channels, defaults = data.image_shape[-1], Recipe()
    used = [name for name in OF_COLORS if getattr(recipe, name) != getattr(defaults, name)]
    if used and channels != 3:
        raise ValueError(
            f"recipe: {' and '.join(used)} needs images with three channels, but those of {data.name} have {channels}; "
            "leave it out."
        )


def check_augmentation(augmentation: Any, image_shape: tuple[int, int, int]) -> None:
    """Checks that `augmentation` is None or a Keras layer that keeps the shape of a batch of images.

    Raises:
        ValueError: it is another object, or changes the shape.
    """
    if augmentation is None:
        return
    if not isinstance(augmentation, keras.layers.Layer):
        raise ValueError(f"augmentation={shown(augmentation)} must be a Keras layer for batches of images.")
    try:
        shape = tuple(augmentation.compute_output_shape((None, *image_shape)))
    except Exception:  # layers need not know it; what is wrong then shows at the first step
        return
    if shape[1:] != tuple(image_shape):
        raise ValueError(
            f"The augmentation {augmentation.name} makes images of shape {shape[1:]} from images of shape "
            f"{image_shape}; it must keep the shape."
        )


def check_options(callbacks: Sequence[keras.callbacks.Callback], extend: bool, verbose: str | int) -> None:
    """Checks other arguments of `train`.

    Raises:
        ValueError: one has another type or value.
    """
    if not (isinstance(callbacks, list | tuple) and all(isinstance(x, keras.callbacks.Callback) for x in callbacks)):
        raise ValueError(f"callbacks={shown(callbacks)} must be a list of Keras callbacks.")
    check("extend", extend, YES_OR_NO)
    check("verbose", verbose, VERBOSE)
