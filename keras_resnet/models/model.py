"""`Model`: the class of every model of this package."""

import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_resnet.errors import shown
from keras_resnet.files import replace, write_text
from keras_resnet.layers import channel_axis, replaces
from keras_resnet.models.features import Feature, features_of
from keras_resnet.models.recomputation import RecomputedBlocks
from keras_resnet.preprocessing import image_sides
from keras_resnet.rules import PATH, Rule, check
from keras_resnet.runtimes.metadata import (
    LABELS_FILE,
    METADATA_FILE,
    SAVED_MODEL_FILE,
    VIEW_FILE,
    Metadata,
    checked_class_names,
    labels_text,
)
from keras_resnet.runtimes.scores import are_probabilities, softmax
from keras_resnet.view import View, check_view_fits

if keras.backend.backend() == "tensorflow":
    from keras_resnet.distributed.replicas import ReplicatedModel
else:  # tf.distribute is TensorFlow's
    ReplicatedModel = keras.Model  # type: ignore[misc]

GLOBAL_POOLINGS = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
)  # the last layer without a classifier
KERAS_MODEL = Rule(lambda value: isinstance(value, keras.Model), "must be a Keras model")
LAYERS_IN_A_ROW = 20_000  # ResNet-1202 has 4,205


@contextlib.contextmanager
def recursion_limit(at_least: int = LAYERS_IN_A_ROW) -> Iterator[None]:
    """Raises Python's recursion limit of 1,000: Keras walks a functional graph with a frame per layer in a row.

    Example:
        >>> import sys
        >>> from keras_resnet.models.model import recursion_limit
        >>> with recursion_limit(5_000):
        ...     sys.getrecursionlimit() >= 5_000
        True
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, at_least))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@replaces(keras.Model)
class Model(ReplicatedModel):
    """A functional `keras.Model` that knows how it is tested and what its outputs mean, and saves SavedModels.

    Attributes:
        view: the `View` that the model is tested on, or None. Training and published weights set it; `predict` uses it.
        class_names: a tuple with the name of each output, or None; likewise.

    Both are part of the model's configuration, so `keras.saving.load_model` restores them. `recompute_blocks` is not:
    whether training computes each residual block again in the backward pass, which takes less memory and more time.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.ResNet20Cifar(classes=2)
        >>> model.class_names = "cat", "dog"
        >>> model.save("cats_and_dogs")  # a SavedModel folder
        >>> model.save("cats_and_dogs.keras")  # a Keras file
        >>> keras_resnet.load_model("cats_and_dogs.keras").class_names
        ('cat', 'dog')
    """

    # Keras recreates a functional model from its configuration only if these parameters have their usual names.
    def __init__(self, *args, **kwargs):
        view, class_names = kwargs.pop("view", None), kwargs.pop("class_names", None)
        with recursion_limit():
            super().__init__(*args, **kwargs)
        self.view = View.from_json(view) if isinstance(view, Mapping) else view
        self.class_names = class_names

    @property
    def recompute_blocks(self) -> bool:
        """Whether training computes each block again in the backward pass, instead of keeping its tensors.

        Set it before the model is compiled.
        """
        return getattr(self, "_recomputed", None) is not None

    @recompute_blocks.setter
    def recompute_blocks(self, value: bool) -> None:
        self._recomputed = RecomputedBlocks(self) if value else None

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs) -> Any:
        recomputed = getattr(self, "_recomputed", None)
        if training and recomputed and not keras.utils.is_keras_tensor(inputs):
            if self.replicas > 1:
                raise ValueError(f"recompute_blocks trains on one device, not on {self.replicas}.")
            return recomputed(inputs)
        return super().call(inputs, training=training, mask=mask, **kwargs)

    @property
    def view(self) -> View | None:
        """The `View` that the model is tested on, or None."""
        return self._view

    @view.setter
    def view(self, view: View | None) -> None:
        if not (view is None or isinstance(view, View)):
            raise ValueError(f"A model's view must be a keras_resnet View or None, not {shown(view)}.")
        if view:
            check_view_fits(view, self.name, image_sides(self))
        self._view = view

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The name of each output, or None."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Iterable[str] | None) -> None:
        self._class_names = None if names is None else checked_class_names(names, number_of_classes(self))

    @property
    def feature_info(self) -> tuple[Feature, ...] | None:
        """Name, stride and channels of each output of a model with `features=True`; None for other models.

        Example:
            >>> import keras_resnet
            >>> keras_resnet.ResNet50(features=True).feature_info[-1]
            Feature(name='C5', stride=32, channels=2048)
        """
        return features_of(self)

    def get_config(self) -> dict[str, Any]:
        known = {
            "view": self.view and dataclasses.asdict(self.view),
            "class_names": self.class_names and list(self.class_names),
        }
        return {**super().get_config(), **{name: value for name, value in known.items() if value}}

    def save(self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs) -> None:
        """Saves the model: as a SavedModel if `filepath` has no suffix, else as Keras does.

        A SavedModel folder is written completely or not at all. Its signature `serving_default` and its
        function `serve` take a float32 batch of images, as the model does. Its files labels.txt and view.json hold the
        `class_names` and the `view`, if the model has them; keras_resnet.json says that sigmoids are no logits. To save
        a `keras.Model` or `keras.Sequential` that you built around this model, wrap it:
        `keras_resnet.Model(model.inputs, model.outputs).save("dir")`.

        Raises:
            ValueError: `filepath` is not a path.
            FileExistsError: the SavedModel's folder exists, and `overwrite` is false or it holds something else.
        """
        check("filepath", filepath, PATH)
        expanded = os.path.expanduser(filepath)  # noqa: PTH111 (a Path would spoil Keras's addresses, as gs://...)
        path = pathlib.Path(expanded)
        if path.suffix:
            super().save(expanded, overwrite=overwrite, **kwargs)
        else:
            self._save_folder(path, overwrite)

    def _metadata(self) -> Metadata:
        names = self.class_names or tuple(map(str, range(number_of_classes(self))))
        shape = (*image_sides(self), self.input_shape[channel_axis()])
        return Metadata(self.name, "saved_model", "float32", shape, names, self.view)

    def _save_folder(self, path: pathlib.Path, overwrite: bool) -> None:
        """Writes a SavedModel into a temporary folder, then moves it to `path`."""
        if path.exists() and not (path / SAVED_MODEL_FILE).is_file():
            raise FileExistsError(f"{path} exists and is not a SavedModel to overwrite; choose another name.")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; choose another name, or pass overwrite=True.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            new = pathlib.Path(folder, "new")
            self.export(str(new), format="tf_saved_model", verbose=False)
            if self.class_names:
                write_text(new / LABELS_FILE, labels_text(self.class_names))
            if self.view:
                write_text(new / VIEW_FILE, json.dumps(dataclasses.asdict(self.view)) + "\n")
            if ends_in_sigmoid(self):  # other outputs than those that sum to 1 would be taken for logits
                write_text(new / METADATA_FILE, self._metadata().to_json() + "\n")
            replace(new, path)


def number_of_classes(model: keras.Model) -> int:
    """The number of classes that a model tells apart.

    Raises:
        ValueError: the model has several outputs, or no classifier.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.model import number_of_classes
        >>> number_of_classes(keras_resnet.ResNet20Cifar())
        10
    """
    shape = getattr(model, "output_shape", None)
    is_vector = isinstance(shape, tuple) and len(shape) == 2 and isinstance(shape[1], int)
    if not (shape and is_vector) or isinstance(model.layers[-1], GLOBAL_POOLINGS):
        raise ValueError(f"{model.name} has no classifier: its outputs are {shape}, not (batch, classes).")
    return shape[1]


def ends_in_softmax(model: keras.Model) -> bool:
    """Whether the model is known to output probabilities rather than logits."""
    return _ends_in(model, "Softmax")


def ends_in_sigmoid(model: keras.Model) -> bool:
    """Whether the model is known to output the sigmoid of each logit."""
    return _ends_in(model, "Sigmoid")


def _ends_in(model: keras.Model, operation: str) -> bool:
    """Whether an operation of this kind, also of `keras.ops`, or a layer with such an activation makes the outputs.

    The activation may be a function of Keras, TensorFlow, whose name is softmax_v2, JAX or PyTorch.
    """
    last = _last_operation(model)
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    return type(last).__name__ == operation or activation.removesuffix("_v2") == operation.lower()


def _last_operation(model: keras.Model) -> keras.Operation:
    """The operation that makes a model's outputs, also inside a model that is the last one."""
    last: keras.Operation = model
    while isinstance(last, keras.Model) and getattr(last, "outputs", None):
        last = last.outputs[0]._keras_history.operation
    return last


def to_probabilities(model: keras.Model, scores: np.ndarray) -> np.ndarray:
    """A model's outputs, (batch, classes), as probabilities: logits by a softmax, all others as they are.

    The last operation tells which they are. If its activation is missing, as in a SavedModel, or another one, outputs
    whose rows all sum to 1 are probabilities.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.models.model import to_probabilities
        >>> model = keras_resnet.ResNet20Cifar(classes=2, classifier_activation=None)
        >>> to_probabilities(model, np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    if ends_in_softmax(model) or ends_in_sigmoid(model):
        return scores
    is_linear = getattr(_last_operation(model), "activation", None) is keras.activations.linear
    return scores if not is_linear and are_probabilities(scores) else softmax(scores)
