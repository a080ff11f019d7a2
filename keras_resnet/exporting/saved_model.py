"""Writes SavedModels for TensorFlow and TensorFlow Serving."""

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.exporting.graph_decoding import decode
from keras_resnet.exporting.tracing import traceable
from keras_resnet.files import write_text
from keras_resnet.runtimes.metadata import LABELS_FILE, METADATA_FILE, VIEW_FILE, Metadata, labels_text
from keras_resnet.runtimes.outputs import INPUT, PROBABILITIES, SIGNATURE
from keras_resnet.transforms.views import center_view
from keras_resnet.view import View

TOP = 5  # classes in the answers, or all if there are fewer
CLASSES, BYTES = "classes", "bytes"  # names of an output and an input

Probabilities = Callable[[tf.Tensor], tf.Tensor]  # of a batch of images


def write(
    model: keras.Model,
    path: str | os.PathLike,
    metadata: Metadata,
    precision: str,
    calibration: np.ndarray | None = None,
) -> None:
    """Writes a model as a SavedModel of standard TensorFlow operations, which needs neither Keras nor this package.

    Its signatures:
        serving_default: `images`, float32 (batch, height, width, channels) in 0 to 255, to `probabilities`, float32
            (batch, classes) in the order of labels.txt, and `classes`, (batch, 5): the names of the most probable
            classes, the most probable first. A model of a fixed size resizes and crops other images as it is tested;
            a model of any size takes them as they are.
        serve_uint8: the same for uint8 images.
        serve_bytes: `bytes`, (batch,): the content of image files (JPEG, PNG, GIF, BMP), to the `classes` and
            `probabilities`, (batch, 5), of the most probable classes. Images are turned, resized and cropped as in
            `predict`. A damaged image fails the batch. Only for models of 1 or 3 channels.

    Beside the model are labels.txt, view.json and keras_resnet.json.

    Args:
        model: folded, float32, with one input of images in 0 to 255 and one output of probabilities.
        path: of the folder.
        metadata: to store in the folder.
        precision: "float32".
        calibration: not used.

    Example:
        >>> from keras_resnet.exporting.saved_model import write
        >>> write(model, "net", metadata, "float32")  # doctest: +SKIP
    """
    del precision, calibration
    labels = labels_text(metadata.class_names)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, LABELS_FILE)
        write_text(file, labels)
        module = _Module(model, metadata, file)
        with _quiet():
            tf.saved_model.save(module, os.fspath(path), module.signatures())
    write_text(pathlib.Path(path, LABELS_FILE), labels)
    write_text(pathlib.Path(path, METADATA_FILE), metadata.to_json() + "\n")
    if metadata.view:
        write_text(pathlib.Path(path, VIEW_FILE), json.dumps(dataclasses.asdict(metadata.view)) + "\n")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without TensorFlow's warning that the old format of collections cannot hold a table, which nothing needs."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Module(tf.Module):
    """What the SavedModel holds: the weights, the names of the classes, and the signatures."""

    def __init__(self, model: keras.Model, metadata: Metadata, labels: pathlib.Path) -> None:
        super().__init__()
        function = traceable(model)
        self.network = function.get_concrete_function()
        self.weights = list(self.network.variables)
        self.names = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(labels),  # which becomes an asset
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
            ),
            default_value="",
        )
        self.metadata = metadata

    def signatures(self) -> dict[str, Callable]:
        """The functions by the names of their signatures."""
        functions = {
            SIGNATURE: self._of_images(tf.float32),
            "serve_uint8": self._of_images(tf.uint8),
        }
        if self.metadata.image_shape[-1] in (1, 3):
            functions["serve_bytes"] = self._of_bytes()
        return functions

    def probabilities(self, images: tf.Tensor) -> tf.Tensor:
        """The probabilities of images of the model's size."""
        return self.network(tf.cast(images, tf.float32))[PROBABILITIES]

    def _of_images(self, dtype):
        height, width, channels = self.metadata.image_shape

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, channels), dtype, name=INPUT)], autograph=False)
        def serve(images):
            if height and width:
                images = _resized(images, (height, width), self.metadata.view)
            probabilities = self.probabilities(images)
            return {PROBABILITIES: probabilities, CLASSES: self._most_probable(probabilities)[CLASSES]}

        return serve

    def _of_bytes(self):
        view, channels = self.metadata.view, self.metadata.image_shape[-1]

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name=BYTES)], autograph=False)
        def serve(contents):
            if view:
                images = tf.map_fn(
                    lambda content: center_view(decode(content, channels), view)[0],
                    contents,
                    fn_output_signature=tf.TensorSpec((*view.size, channels), tf.uint8),
                )
                return self._most_probable(self.probabilities(images))
            probabilities = tf.map_fn(
                lambda content: self.probabilities(decode(content, channels)[None])[0],
                contents,
                fn_output_signature=tf.TensorSpec(len(self.metadata.class_names), tf.float32),
            )
            return self._most_probable(probabilities)

        return serve

    def _most_probable(self, probabilities):
        top = tf.math.top_k(probabilities, min(TOP, len(self.metadata.class_names)))
        return {PROBABILITIES: top.values, CLASSES: self.names.lookup(tf.cast(top.indices, tf.int64))}


def _resized(images: tf.Tensor, size: tuple[int, int], view: View) -> tf.Tensor:
    """The images, as the model is tested if they have another size than the model's."""
    fits = tf.reduce_all(tf.shape(images)[1:3] == size)
    shape = tf.TensorSpec((*size, images.shape[-1]), images.dtype)
    resized = tf.cond(
        fits,
        lambda: images,
        lambda: tf.map_fn(lambda image: center_view(image, view)[0], images, fn_output_signature=shape),
    )
    return tf.ensure_shape(resized, (None, *size, images.shape[-1]))
