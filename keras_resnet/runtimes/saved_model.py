"""SavedModels in TensorFlow."""

import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.metadata import LABELS_FILE, METADATA_FILE, VIEW_FILE, Metadata, checked_class_names
from keras_resnet.runtimes.outputs import SIGNATURE, the_input, the_probabilities
from keras_resnet.runtimes.scores import converted
from keras_resnet.runtimes.tensorflow_threads import set_threads
from keras_resnet.view import View


class SavedModelArtifact(Artifact):
    """The signature `serving_default` of a SavedModel, in TensorFlow.

    Args:
        path: of the folder.
        threads: of TensorFlow in this process; default: one for each core.

    Raises:
        ValueError: the model is not a classifier of images, or TensorFlow runs already, with other threads.
    """

    runtime = "saved_model"

    def __init__(self, path: pathlib.Path, threads: int | None = None) -> None:
        set_threads(threads)
        self._model = tf.saved_model.load(str(path))  # owns the variables of the signature
        if SIGNATURE not in self._model.signatures:
            raise ValueError(f"it has no signature {SIGNATURE}")
        self._signature = self._model.signatures[SIGNATURE]
        self._input, spec = the_input(list(self._signature.structured_input_signature[1].items()))
        outputs = self._signature.structured_outputs
        self._output = the_probabilities({name: name for name in outputs})
        self._dtype = spec.dtype.as_numpy_dtype
        super().__init__(path.name, _metadata(path), _sides(spec), _sides(outputs[self._output]))
        self.metadata = dataclasses.replace(self.metadata, **_known_beside(path, len(self.metadata.class_names)))

    def _scores(self, images: np.ndarray) -> np.ndarray:
        tensor = tf.constant(converted(images, self._dtype))
        return self._signature(**{self._input: tensor})[self._output].numpy().astype("float32")


def _metadata(path):
    file = path / METADATA_FILE
    return Metadata.from_json(file.read_text(encoding="utf-8")) if file.is_file() else None


def _known_beside(path, classes):
    """The metadata in the files labels.txt and view.json, which a user may write."""
    labels, view = path / LABELS_FILE, path / VIEW_FILE
    known = {}
    if labels.is_file():
        known["class_names"] = checked_class_names(labels.read_text(encoding="utf-8").splitlines(), classes)
    if view.is_file():
        known["view"] = View.from_json(json.loads(view.read_text(encoding="utf-8")))
    return known


def _sides(spec):
    return [] if spec.shape.rank is None else list(spec.shape)


open_file = SavedModelArtifact
