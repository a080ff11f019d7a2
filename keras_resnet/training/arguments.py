"""Checks of the arguments of `train` and `dry_run`, before any work is done."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_resnet.errors import shown
from keras_resnet.rules import PATH, VERBOSE, YES_OR_NO, check


def check_model(model: Any) -> None:
    """Checks that `model` is a name or a Keras model; `check_fits` checks the rest.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(model, str | keras.Model):
        raise ValueError(f"model={shown(model)} must be the name of a variant or a Keras model.")


def check_strategy(strategy: Any) -> None:
    """Checks that `strategy` is a strategy or None.

    Raises:
        ValueError: it is neither.
    """
    if strategy is not None and not isinstance(strategy, tf.distribute.Strategy):
        raise ValueError(f"strategy={shown(strategy)} must be a tf.distribute.Strategy.")


def check_workdir_name(workdir: Any) -> None:
    """Checks that `workdir` can be a path.

    Raises:
        ValueError: it cannot.
    """
    if not PATH.holds(workdir):
        raise ValueError(f"workdir={shown(workdir)} must be the path of a directory.")


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
