"""Checks that a model, data and the split to evaluate on fit together."""

from typing import Any

import keras

from keras_resnet.choices import SPLITS
from keras_resnet.data.loading import Data
from keras_resnet.errors import shown


def check_types(model: Any, data: Any) -> None:
    """Checks that these are a Keras model and `Data`.

    Raises:
        ValueError: one of them is something else.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model={shown(model)} must be a Keras model.")
    if not isinstance(data, Data):
        raise ValueError(f"data={shown(data)} must come from load_data.")


def check_takes_images(model: keras.Model, data: Data, image_shape: tuple[int, int, int]) -> None:
    """Checks that a model takes images of this shape, which those of the data have in training or in a test.

    Raises:
        ValueError: the model takes images of another shape.
    """
    shapes = [getattr(model, name, None) for name in ("input_shape", "output_shape")]
    if not all(isinstance(shape, tuple) for shape in shapes):
        raise ValueError(
            f"The model {model.name} has no single input and output of known shapes; build it as a functional model."
        )
    expected = model.input_shape[1:]
    if len(expected) != 3 or any(want not in (None, have) for want, have in zip(expected, image_shape, strict=True)):
        raise ValueError(
            f"The model {model.name} takes images of shape {expected}, but those of {data.name} have shape "
            f"{image_shape}; build it with input_shape={image_shape}."
        )


def check_fits(model: keras.Model, data: Data) -> None:
    """Checks that a model can be trained on the data.

    Raises:
        ValueError: as `check_takes_images`, or the number of the model's outputs is not the number of classes.
    """
    check_takes_images(model, data, data.image_shape)
    if model.output_shape[1:] != (len(data.class_names),):
        raise ValueError(
            f"The model {model.name} has outputs of shape {model.output_shape[1:]}, but {data.name} has "
            f"{len(data.class_names)} classes; build it with classes={len(data.class_names)}."
        )


def checked_split(data: Data, split: str | None) -> str:
    """The name of the split to evaluate on; for None the first that exists of test, validation and train.

    Raises:
        ValueError: the data has no such split.
    """
    split = next(name for name in reversed(SPLITS) if name in data.splits) if split is None else split
    if not isinstance(split, str) or split not in data.splits:
        raise ValueError(f"{data.name} has no split {shown(split)}; it has {', '.join(data.splits)}.")
    return split
