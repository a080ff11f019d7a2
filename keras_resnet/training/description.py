"""What determines the result of a run, as recipe.json records it."""

import dataclasses
import hashlib
import json
import re
from typing import Any

import keras
import numpy as np

from keras_resnet.data.loading import Data
from keras_resnet.errors import first_line
from keras_resnet.models.complexity import trainable_parameters
from keras_resnet.models.model import Model
from keras_resnet.models.surgery import frozen_through
from keras_resnet.recipes import Recipe, settings
from keras_resnet.training.distillation import Teacher
from keras_resnet.training.optimizers import excluded_from_decay

# Keras numbers the names of objects within a process; they have no effect.
NAMES = ("name", "registered_name", "shared_object_id", "build_config")


def describe_run(
    model: str | keras.Model,
    data: Data,
    recipe: Recipe,
    augmentation: keras.layers.Layer | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    teacher: Teacher | None = None,
) -> dict[str, dict]:
    """Everything that determines the result of a run, for recipe.json.

    Args:
        model: as in `train`. `start` records the checksum of a given model's weights, and where `load_weights` got
            them; the weights of a variant's name are made from the recipe's seed.
        data: the images.
        recipe: the training setup.
        augmentation: as in `train`.
        optimizer: the user's own; None for the recipe's.
        teacher: the model to learn from; None without one.

    Raises:
        ValueError: the optimizer or the augmentation has no configuration that JSON can hold.
    """
    described: dict[str, Any] = {"name": model}
    start: dict[str, Any] = {}
    if not isinstance(model, str):
        described = {
            "name": _name(model),
            "parameters": model.count_params(),
            "trainable": trainable_parameters(model),
            "frozen": frozen_through(model),
        }
        start = {"weights": checksum_of_weights(model), "source": getattr(model, "weights_source", None)}
    return {
        "model": described,
        "start": start,
        "optimizer": _optimizer(optimizer),
        "recipe": settings(recipe),
        "augmentation": _configuration("augmentation", augmentation),
        "teacher": _teacher(teacher),
        "data_source": _source(data, settings(recipe)),  # not compared when resumed: the files may have moved
        "data": {
            "name": data.name,
            "image_shape": list(data.image_shape),
            "classes": len(data.class_names),
            "view": dataclasses.asdict(data.view),
            **{split: len(examples) for split, examples in data.splits.items()},
            "fingerprints": {split: examples.fingerprint() for split, examples in data.splits.items()},
        },
    }


def _name(model: keras.Model) -> str:
    """The name of a model, without the number that Keras adds to its own names of models."""
    return model.name if isinstance(model, Model) else re.sub(r"_\d+$", "", model.name)


def _optimizer(optimizer: keras.optimizers.Optimizer | None) -> dict[str, Any]:
    excluded = excluded_from_decay(optimizer) if optimizer else []
    return _configuration("optimizer", optimizer) | ({"excluded_from_decay": excluded} if excluded else {})


def _source(data: Data, of_recipe: dict[str, Any]) -> dict[str, Any]:
    """Where the images are, and the settings of `load_data` that differ from the recipe's."""
    return {name: value for name, value in data.source.items() if name not in of_recipe or of_recipe[name] != value}


def _teacher(teacher: Teacher | None) -> dict[str, Any]:
    if teacher is None:
        return {}
    return {"weights": checksum_of_weights(teacher.model), "source": teacher.source}


def checksum_of_weights(model: keras.Model) -> str:
    """The SHA-256 checksum of all weights, in the model's order, as hexadecimal digits.

    Example:
        >>> import keras
        >>> from keras_resnet.training.description import checksum_of_weights
        >>> checksum_of_weights(keras.Sequential([keras.Input((1,))]))[:8]
        'e3b0c442'
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _configuration(argument: str, value: Any) -> dict[str, Any]:
    """The configuration of a Keras object without its name; {} for None."""
    if value is None:
        return {}
    try:
        return json.loads(json.dumps(_without_names(keras.saving.serialize_keras_object(value))))
    except Exception as error:  # what a get_config of the user's raises
        raise ValueError(
            f"The {argument} cannot be recorded in recipe.json ({first_line(error)}); its class needs a get_config "
            "that returns what JSON can hold."
        ) from error


def _without_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_names(item) for key, item in value.items() if key not in NAMES}
    return [_without_names(item) for item in value] if isinstance(value, list | tuple) else value
