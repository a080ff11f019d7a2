"""What a model says about each image of a split: the numbers that accuracy, confusion and calibration are made of."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.choices import PROTOCOLS
from keras_resnet.data.examples import Examples
from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages, none_readable
from keras_resnet.distributed.workers import Worker
from keras_resnet.errors import check_name, shown
from keras_resnet.evaluation.checks import check_takes_images, check_types, checked_split
from keras_resnet.evaluation.class_matching import match_classes
from keras_resnet.evaluation.protocols import Pass, plan
from keras_resnet.models.model import to_probabilities
from keras_resnet.progress import bar_shown
from keras_resnet.rules import VERBOSE, WHOLE, between, check

LARGEST_SCALE = 16  # times the size of a view


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says about the N readable images of a split.

    Attributes:
        split: "test", "validation" or "train".
        protocol: description of the views that the model saw.
        probabilities: of the model's outputs, averaged over the views, float64 (N, outputs).
        labels: class numbers of the data, int32 (N,).
        positions: of the images in the split, from 0, int64 (N,).
        outputs: the model's output for each class of the data, int (classes,).
        output_names: the class of each output.
        errors: for each unreadable image its name and the reason.
        seconds: how long the model took.
    """

    split: str
    protocol: str
    probabilities: np.ndarray
    labels: np.ndarray
    positions: np.ndarray
    outputs: np.ndarray
    output_names: tuple[str, ...]
    errors: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0

    @property
    def right_outputs(self) -> np.ndarray:
        """The output of the class of each image, int (N,)."""
        return self.outputs[self.labels]

    @property
    def predicted_outputs(self) -> np.ndarray:
        """The most probable output for each image, int (N,)."""
        return self.probabilities.argmax(axis=1)


def predictions(
    model: keras.Model,
    data: Data,
    split: str | None = None,
    protocol: str = "center",
    *,
    scales: Sequence[int] | None = None,
    verbose: int | str = "auto",
    worker: Worker | None = None,
) -> Predictions:
    """The probabilities that a model gives each image of a split. The arguments are those of `evaluate`, and a worker.

    If several workers call this at the same time, each predicts its part of the images, and all get all predictions.

    Raises:
        ValueError: an argument is invalid, the data has no such split, the model does not fit the data or does not know
            one of its classes, or no image is readable.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.evaluation.split_predictions import predictions
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> predictions(keras_resnet.ResNet20Cifar(), data).probabilities.shape
        (20, 10)
    """
    check_types(model, data)
    check_takes_images(model, data, data.test_shape)
    outputs = match_classes(model, data)
    check_name("protocol", protocol, PROTOCOLS)
    scales = _checked_scales(scales, data)
    check("verbose", verbose, VERBOSE)
    split = checked_split(data, split)
    examples, unreadable = data.splits[split], UnreadableImages()
    worker = worker if worker and worker.several else None
    own = examples.take(np.arange(*worker.part(len(examples)))) if worker else examples
    passes, description = plan(model, data.view, own, protocol, scales)
    start = time.perf_counter()
    probabilities, labels, readable = _predict(passes, own, model.output_shape[1], unreadable, verbose)
    seconds = time.perf_counter() - start
    reasons = unreadable.reasons
    if worker:
        probabilities, labels, readable = (
            _of_all_workers(values, len(examples), worker) for values in (probabilities, labels, readable)
        )
        reasons = {name: reason for of_worker in worker.gather(reasons) for name, reason in of_worker.items()}
    if not readable.any():
        raise none_readable(len(examples), split, data.name)
    if not readable.all():
        probabilities, labels = probabilities[readable], labels[readable]
    return Predictions(
        split,
        description,
        probabilities,
        labels,
        np.flatnonzero(readable),
        outputs,
        _output_names(model, data, outputs),
        errors=tuple(reasons.items()),
        seconds=seconds,
    )


def _checked_scales(scales: Sequence[int] | None, data: Data) -> Sequence[int] | None:
    """The scales, each a whole number of pixels that memory can hold."""
    if scales is None:
        return None
    if isinstance(scales, str) or not isinstance(scales, Iterable) or not (scales := list(scales)):
        raise ValueError(f"scales={shown(scales)} must be a list of short sides in pixels, such as [224, 256].")
    for scale in scales:
        check("scales: a short side", scale, WHOLE, between(1, LARGEST_SCALE * max(data.view.size)))
    return scales


def _output_names(model: keras.Model, data: Data, outputs: np.ndarray) -> tuple[str, ...]:
    """The names of the model's outputs: those of the data's classes, else the model's own, else numbers."""
    count = model.output_shape[1]
    names = list(getattr(model, "class_names", None) or map(str, range(count)))
    for output, name in zip(outputs, data.class_names, strict=True):
        names[output] = name
    return tuple(names)


def _predict(
    passes: Sequence[Pass], examples: Examples, classes: int, unreadable: UnreadableImages, verbose: int | str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probabilities (images, classes), labels (images,), and whether each image is readable (images,)."""
    count = len(examples)
    mean, labels, readable = np.zeros((count, classes)), np.zeros(count, "int32"), np.zeros(count, bool)
    bar = keras.utils.Progbar(count * len(passes), verbose=bar_shown(verbose), unit_name="image")
    for model, batches in passes:
        forward = _forward(model)
        for views, batch_labels, positions in batches(unreadable):
            images = tf.reshape(views, (-1, *views.shape[2:]))
            probabilities = forward(images).reshape(len(positions), -1, classes)
            mean[positions] += probabilities.mean(axis=1) / len(passes)
            labels[positions], readable[positions] = batch_labels, True
            bar.add(len(positions))
    return mean, labels, readable


def _of_all_workers(own: np.ndarray, count: int, worker: Worker) -> np.ndarray:
    """The values of `count` images, of which each worker gives those of its part."""
    whole = np.zeros((count, *own.shape[1:]), "float64" if own.dtype.kind == "f" else "int64")
    whole[slice(*worker.part(count))] = own
    return worker.sum(whole).astype(own.dtype)


def _forward(model: keras.Model) -> Callable[[tf.Tensor], np.ndarray]:
    """A function of a batch of images that returns probabilities (batch, classes), float64."""
    call = functools.partial(model, training=False)
    if keras.backend.backend() == "tensorflow":
        call = tf.function(call, reduce_retracing=True)

    def forward(images):
        scores = np.asarray(keras.ops.convert_to_numpy(call(images)), "float64")
        if not np.isfinite(scores).all():
            raise ValueError(f"The outputs of {model.name} are not finite; its weights are damaged.")
        return to_probabilities(model, scores)

    return forward
