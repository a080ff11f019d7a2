"""Top-1 and top-5 accuracy of a model on a split of a data set."""

import csv
import dataclasses
import functools
import io
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.choices import PROTOCOLS
from keras_resnet.data.examples import Examples
from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.errors import unknown_name
from keras_resnet.evaluation.protocols import Pass, plan
from keras_resnet.evaluation.real_labels import count_by_real_labels, read_real_labels
from keras_resnet.files import write_text
from keras_resnet.models.model import ends_in_softmax
from keras_resnet.progress import bar_shown

CLASS_COLUMNS = ("class", "images", "correct", "accuracy")


@dataclasses.dataclass(frozen=True)
class Result:
    """The accuracy of a model on the images of a split. Unreadable images are not counted.

    Attributes:
        split: "test", "validation" or "train".
        images: number of images.
        top1_correct: number of images whose class is the most probable one.
        top5_correct: number of images whose class is among the five most probable ones; None with five classes or less.
        protocol: description of the views that the model saw.
        classes: for each class a row (name, images, correct).
        errors: for each unreadable image its name and the reason.
        real_labels_correct: (number of images that are correct by the ReaL labels, number of images with such labels);
            None without ReaL labels.
        seconds: duration of the evaluation.
    """

    split: str
    images: int
    top1_correct: int
    top5_correct: int | None
    protocol: str
    classes: tuple[tuple[str, int, int], ...] = ()
    errors: tuple[tuple[str, str], ...] = ()
    real_labels_correct: tuple[int, int] | None = None
    seconds: float = dataclasses.field(default=0.0, compare=False)

    @property
    def top1_accuracy(self) -> float:
        """Fraction of the images whose class is the most probable one, 0 to 1."""
        return self.top1_correct / self.images

    @property
    def top5_accuracy(self) -> float | None:
        """Fraction of the images whose class is among the five most probable; None with five classes or less."""
        return None if self.top5_correct is None else self.top5_correct / self.images

    @property
    def accuracy(self) -> float:
        """The same as `top1_accuracy`."""
        return self.top1_accuracy

    def __str__(self) -> str:
        error = 100 * (1 - self.accuracy)
        unreadable = f" plus {len(self.errors)} unreadable" if self.errors else ""
        counted = f"{self.images} images{unreadable}"
        return f"{self.split} accuracy {self.accuracy:.4f} (error {error:.2f} %, {counted}, {self.protocol})"

    def class_rows(self) -> list[tuple[str, int, int, str]]:
        """For each class a row of `CLASS_COLUMNS`."""
        return [(name, images, correct, f"{correct / max(images, 1):.4f}") for name, images, correct in self.classes]

    def write_classes(self, path: str | os.PathLike) -> None:
        """Writes a CSV file with a row (class, images, correct, accuracy) for each class."""
        content = io.StringIO(newline="")
        writer = csv.writer(content, lineterminator="\n")
        writer.writerow(CLASS_COLUMNS)
        writer.writerows(self.class_rows())
        write_text(pathlib.Path(path), content.getvalue())


def evaluate(
    model: keras.Model,
    data: Data,
    split: str | None = None,
    protocol: str = "center",
    *,
    scales: Sequence[int] | None = None,
    real_labels: str | os.PathLike | None = None,
    note: str = "",
    verbose: int | str = "auto",
) -> Result:
    """Classifies each image of a split and counts the correct ones.

    Args:
        model: a Keras model with one output per class: probabilities or logits.
        data: from `keras_resnet.load_data`, with the recipe that the model was trained with, or with the `image_size`,
            `crop_fraction` and `interpolation` that its weights expect.
        split: "test", "validation" or "train"; default: the first that exists.
        protocol: "center": the center crop, as in `data.view` (for arrays, the whole image). "ten_crop": the four
            corners, the center, and their mirror images. "multi_scale": the whole image at several short sides; the
            model is made fully convolutional, so that the classifier is applied at every position and its scores are
            averaged. Probabilities are averaged over views. Source: He et al. 2015, section 3.4.
        scales: short sides for "multi_scale", pixels; default: 224, 256, 384, 480 and 640, times size / 224.
        real_labels: path of the ReaL labels (Beyer et al. 2020, `real.json`) of ImageNet's validation images: for each
            image, in order of file names, the list of its correct labels.
        note: text to add to the result's protocol, such as "final weights".
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Raises:
        ValueError: the data has no such split, the model does not fit the data, or no image is readable.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> keras_resnet.evaluate(keras_resnet.ResNet20Cifar(), data).images
        20
    """
    check_fits(model, data)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    split = split or next(name for name in ("test", "validation", "train") if name in data.splits)
    if split not in data.splits:
        raise ValueError(f"{data.name} has no split {split!r}; it has {', '.join(data.splits)}.")
    examples = data.splits[split]
    reassessed = read_real_labels(real_labels, examples) if real_labels else None
    passes, description = plan(model, data.view, examples, protocol, scales)
    unreadable = UnreadableImages()
    start = time.perf_counter()
    predictions = _predict(passes, examples, len(data.class_names), unreadable, verbose)
    seconds = time.perf_counter() - start
    if not predictions.readable.any():
        raise ValueError(f"None of the {len(examples)} {split} images of {data.name} is readable.")
    counts = _count(predictions, data.class_names)
    if reassessed:
        counts["real_labels_correct"] = count_by_real_labels(
            predictions.probabilities, predictions.readable, reassessed
        )
    return Result(
        split,
        images=int(predictions.readable.sum()),
        protocol=", ".join(filter(None, (description, note))),
        errors=tuple(unreadable.reasons.items()),
        seconds=seconds,
        **counts,
    )


class _Predictions(NamedTuple):
    """For N images: mean probabilities (N, classes), labels (N,), and whether each image is readable (N,)."""

    probabilities: np.ndarray
    labels: np.ndarray
    readable: np.ndarray


def _predict(
    passes: Sequence[Pass], examples: Examples, classes: int, unreadable: UnreadableImages, verbose: int | str
) -> _Predictions:
    count = len(examples)
    mean, labels, readable = np.zeros((count, classes)), np.zeros(count, "int32"), np.zeros(count, bool)
    bar = keras.utils.Progbar(count * len(passes), verbose=bar_shown(verbose), unit_name="image")
    for model, batches in passes:
        forward, of_pass = _forward(model), np.zeros_like(mean)
        for views, batch_labels, positions in batches(unreadable):
            images = tf.reshape(views, (-1, *views.shape[2:]))
            probabilities = forward(images).reshape(len(positions), -1, classes)
            of_pass[positions] = probabilities.mean(axis=1)
            labels[positions], readable[positions] = batch_labels, True
            bar.add(len(positions))
        mean += of_pass / len(passes)
    return _Predictions(mean, labels, readable)


def _forward(model: keras.Model) -> Callable[[tf.Tensor], np.ndarray]:
    """A function of a batch of images that returns probabilities (batch, classes), float64."""
    call = functools.partial(model, training=False)
    if keras.backend.backend() == "tensorflow":
        call = tf.function(call, reduce_retracing=True)

    def forward(images):
        scores = np.asarray(keras.ops.convert_to_numpy(call(images)), "float64")
        if not np.isfinite(scores).all():
            raise ValueError(f"The outputs of {model.name} are not finite; its weights are damaged.")
        if ends_in_softmax(model):
            return scores
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    return forward


def _count(predictions: _Predictions, class_names: Sequence[str]) -> dict[str, Any]:
    """The counts of a `Result`, as keyword arguments."""
    labels = predictions.labels[predictions.readable]
    best = np.argsort(-predictions.probabilities[predictions.readable], axis=1, kind="stable")[:, :5]
    correct = best == labels[:, None]
    images = np.bincount(labels, minlength=len(class_names))
    top1 = np.bincount(labels, weights=correct[:, 0], minlength=len(class_names)).astype(int)
    return dict(
        top1_correct=int(correct[:, 0].sum()),
        top5_correct=int(correct.sum()) if len(class_names) > 5 else None,
        classes=tuple(zip(class_names, images.tolist(), top1.tolist(), strict=True)),
    )


def check_fits(model: keras.Model, data: Data) -> None:
    """Checks that a model fits the data.

    Raises:
        ValueError: the model takes images of another shape, or the number of its outputs is not the number of classes.
    """
    expected = model.input_shape[1:]
    if any(want not in (None, have) for want, have in zip(expected, data.image_shape, strict=True)):
        raise ValueError(
            f"The model {model.name} takes images of shape {expected}, but those of {data.name} have shape "
            f"{data.image_shape}; build it with input_shape=data.image_shape."
        )
    if model.output_shape[1:] != (len(data.class_names),):
        raise ValueError(
            f"The model {model.name} has outputs of shape {model.output_shape[1:]}, but {data.name} has "
            f"{len(data.class_names)} classes; build it with classes={len(data.class_names)}."
        )
