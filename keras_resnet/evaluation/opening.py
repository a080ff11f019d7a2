"""A model of any kind as a function of images: what `predict` takes."""

import os
from typing import Any

import keras
import numpy as np

from keras_resnet.layers import channel_axis
from keras_resnet.models.model import number_of_classes, to_probabilities
from keras_resnet.preprocessing import image_sides
from keras_resnet.rules import PATH, check
from keras_resnet.run_directory import SavedModel, has_keras_model, load_saved_model
from keras_resnet.runtimes import Artifact, Metadata, open_artifact, runtime_of
from keras_resnet.runtimes.artifact import UNKNOWN
from keras_resnet.runtimes.keras_model import KerasArtifact
from keras_resnet.runtimes.metadata import checked_class_names


class ModelArtifact(KerasArtifact):
    """A Keras model whose last layer tells whether its outputs are probabilities or logits."""

    def _scores(self, images: np.ndarray) -> np.ndarray:
        return to_probabilities(self.model, super()._scores(images))


def open_model(model_or_run_or_artifact: Any, runtime: str | None = None) -> Artifact:
    """Opens a model in its runtime.

    Args:
        model_or_run_or_artifact: a Keras model, a run directory, a `.keras` file, an id from `list_weights()`, the path
            of an exported model, or an `Artifact`.
        runtime: a key of `RUNTIMES`; default: the one of the artifact, and Keras for models and runs.

    Raises:
        FileNotFoundError: no such run or model.
        ImportError: the runtime is not installed; the message says how to install it.
        TypeError: it is none of these.
        ValueError: it does not fit the runtime, is damaged, or is not a classifier of images.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.evaluation.opening import open_model
        >>> open_model(keras_resnet.ResNet20Cifar()).runtime
        'keras'
    """
    if isinstance(model_or_run_or_artifact, (str, os.PathLike)):
        path = model_or_run_or_artifact
        if runtime == "keras" or (runtime is None and _opens_in_keras(path)):
            return _in_keras(load_saved_model(path))
        return open_artifact(path, runtime)
    opened = model_or_run_or_artifact
    if isinstance(opened, keras.Model):
        opened = _in_keras(SavedModel(opened))
    if not isinstance(opened, Artifact):
        kind = type(opened).__name__
        raise TypeError(
            f"predict takes a Keras model, a run directory, the path of a model, or an Artifact, not {kind}."
        )
    if runtime not in (None, opened.runtime):
        raise ValueError(f"runtime={runtime!r} needs the path of a model that was exported for it.")
    return opened


def _opens_in_keras(path: str | os.PathLike) -> bool:
    check("model_or_run_or_artifact", path, PATH)
    return has_keras_model(path) or runtime_of(path) in (None, "keras")


def _in_keras(loaded: SavedModel) -> ModelArtifact:
    """A Keras model with the metadata of its export; else with the class names and the view beside it, or its own."""
    model = loaded.model
    classes, sides = number_of_classes(model), image_sides(model)
    if loaded.exported:
        return ModelArtifact(model, loaded.exported)
    known = (loaded.class_names, getattr(model, "class_names", None), map(str, range(classes)))
    names = checked_class_names(next(names for names in known if names is not None), classes)
    view = loaded.view or getattr(model, "view", None)
    image_shape = *sides, model.input_shape[channel_axis()]
    return ModelArtifact(model, Metadata(model.name, "keras", UNKNOWN, image_shape, names, view))
