"""Keras models, and `.keras` files, in Keras."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.metadata import Metadata, metadata_in_zip

COMPILED_CALL = "compiled_call"  # the attribute of a model that holds its compiled function


class KerasArtifact(Artifact):
    """A Keras model as a compiled function of images.

    Args:
        model: from one batch of images to scores (batch, classes).
        metadata: what is known about it.

    Attributes:
        model: the model.

    Raises:
        ValueError: the model is not a classifier of images.
    """

    runtime = "keras"

    def __init__(self, model: keras.Model, metadata: Metadata | None = None) -> None:
        self.model = model
        super().__init__(model.name, metadata, model.input_shape, model.output_shape)

    def _scores(self, images: np.ndarray) -> np.ndarray:
        outputs = _compiled(self.model)(images.astype("float32", copy=False))
        return np.asarray(keras.ops.convert_to_numpy(outputs), "float32")


def _compiled(model: keras.Model) -> Callable[[np.ndarray], Any]:
    """The model as a compiled function of float32 images, which the model keeps for the next call."""
    if keras.backend.backend() != "tensorflow":
        return model
    if getattr(model, COMPILED_CALL, None) is None:
        import tensorflow as tf

        signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        function = tf.function(lambda images: model(images, training=False), input_signature=[signature])
        # In a plain function, so that exports of the model do not take it for a part.
        setattr(model, COMPILED_CALL, lambda images: function(tf.constant(images)))
    return getattr(model, COMPILED_CALL)


def open_file(path: pathlib.Path, threads: int | None = None) -> KerasArtifact:
    """Opens a `.keras` file.

    Args:
        path: of the file.
        threads: of TensorFlow in this process; default: one for each core.

    Raises:
        ValueError: the file is not a classifier of images, or TensorFlow runs already, with other threads.
    """
    if threads:  # with other backends, TensorFlow is not needed
        from keras_resnet.runtimes.tensorflow_threads import set_threads

        set_threads(threads)
    model, exported = keras.saving.load_model(path, compile=False), metadata_in_zip(path)
    artifact = KerasArtifact(model, exported)
    if exported is None:  # a model of this package knows its classes and its view
        names = getattr(model, "class_names", None) or artifact.metadata.class_names
        view = getattr(model, "view", None)
        artifact.metadata = dataclasses.replace(artifact.metadata, class_names=names, view=view)
    return artifact
