"""Top-1 and top-5 accuracy of a model on a split of a data set."""

import csv
import dataclasses
import functools
import io
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.choices import COMPARED_CLASSES, PROTOCOLS
from keras_resnet.data.examples import Examples
from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.errors import check_name, shown
from keras_resnet.evaluation.class_matching import match_classes
from keras_resnet.evaluation.protocols import Pass, plan
from keras_resnet.evaluation.real_labels import count_by_real_labels, read_real_labels
from keras_resnet.files import write_text
from keras_resnet.models.model import to_probabilities
from keras_resnet.progress import bar_shown
from keras_resnet.rules import VERBOSE, WHOLE, between, check

LARGEST_SCALE = 16  # times the size of a view

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
        classes: for each class a row (name, images, correct); not shown by `repr`.
        errors: for each unreadable image its name and the reason; not shown by `repr`.
        real_labels_correct: (number of images that are correct by the ReaL labels, number of images with such labels);
            None without ReaL labels.
        seconds: duration of the evaluation.
    """

    split: str
    images: int
    top1_correct: int
    top5_correct: int | None
    protocol: str
    classes: tuple[tuple[str, int, int], ...] = dataclasses.field(default=(), repr=False)
    errors: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
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

    def as_dict(self) -> dict[str, Any]:
        """The result with a name for each value, as result.json has it."""
        real = self.real_labels_correct
        return {
            "split": self.split,
            "images": self.images,
            "top1_accuracy": self.top1_accuracy,
            "top1_correct": self.top1_correct,
            "top5_accuracy": self.top5_accuracy,
            "top5_correct": self.top5_correct,
            "protocol": self.protocol,
            "real_labels": {"images": real[1], "correct": real[0]} if real else None,
            "seconds": self.seconds,
            "errors": [{"image": image, "reason": reason} for image, reason in self.errors],
            "classes": [
                {"class": name, "images": images, "correct": correct} for name, images, correct in self.classes
            ],
        }

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
    classes: str = "all",
    real_labels: str | os.PathLike | None = None,
    note: str = "",
    verbose: int | str = "auto",
) -> Result:
    """Classifies each image of a split and counts the correct ones.

    The data may have only some of the model's classes, as Imagenette has for a model of ImageNet's 1,000. Classes are
    matched by the model's `class_names`; those of ImageNet also by their WordNet IDs.

    Args:
        model: a Keras model with one output per class: probabilities or logits.
        data: from `keras_resnet.load_data`, with the recipe that the model was trained with, or with the `image_size`,
            `crop_fraction` and `interpolation` that its weights expect.
        split: "test", "validation" or "train"; default: the first that exists.
        protocol: "center": the center crop, as in `data.view` (for arrays, the whole image). "flip": the center crop
            and its mirror image. "ten_crop": the four corners, the center, and their mirror images. "multi_scale": the
            whole image at several short sides; the model is made fully convolutional, so that the classifier is applied
            at every position and its scores are averaged. Probabilities are averaged over views. Source of the last
            two: He et al. 2015, section 3.4.
        scales: short sides for "multi_scale", pixels; default: 224, 256, 384, 480 and 640, times size / 224.
        classes: what an image's class must score higher than, if the data have only some of the model's classes: "all"
            other classes of the model, as in use; or those of the "data", as is usual for ImageNet-A and ImageNet-R,
            which gives a higher accuracy. The result's protocol says which.
        real_labels: path of the ReaL labels (Beyer et al. 2020, `real.json`) of ImageNet's validation images: for each
            image, in order of file names, the list of its correct labels.
        note: text to add to the result's protocol, such as "final weights".
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Raises:
        ValueError: an argument is invalid, the data has no such split, the model does not fit the data or does not know
            one of its classes, or no image is readable.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> keras_resnet.evaluate(keras_resnet.ResNet20Cifar(), data).images
        20
    """
    check_types(model, data)
    check_takes_images(model, data, data.test_shape)
    outputs = match_classes(model, data)
    check_name("protocol", protocol, PROTOCOLS)
    check_name("classes", classes, COMPARED_CLASSES)
    scales = _checked_scales(scales, data)
    check("verbose", verbose, VERBOSE)
    split = next(name for name in ("test", "validation", "train") if name in data.splits) if split is None else split
    if not isinstance(split, str) or split not in data.splits:
        raise ValueError(f"{data.name} has no split {shown(split)}; it has {', '.join(data.splits)}.")
    examples = data.splits[split]
    _check_file("real_labels", real_labels)
    reassessed = read_real_labels(real_labels, examples) if real_labels else None
    passes, description = plan(model, data.view, examples, protocol, scales)
    unreadable = UnreadableImages()
    start = time.perf_counter()
    predictions = _predict(passes, examples, model.output_shape[1], unreadable, verbose)
    seconds = time.perf_counter() - start
    if not predictions.readable.any():
        raise ValueError(f"None of the {len(examples)} {split} images of {data.name} is readable.")
    everything = np.arange(model.output_shape[1])
    compared = outputs if classes == "data" else everything
    predictions.probabilities[:, np.setdiff1d(everything, compared)] = -np.inf
    counts = _count(predictions, data.class_names, outputs, has_top5=len(set(compared)) > 5)
    if reassessed:
        counts["real_labels_correct"] = count_by_real_labels(
            predictions.probabilities, predictions.readable, reassessed
        )
    return Result(
        split,
        images=int(predictions.readable.sum()),
        protocol=", ".join(filter(None, (description, _compared(model, outputs, classes), note))),
        errors=tuple(unreadable.reasons.items()),
        seconds=seconds,
        **counts,
    )


def _compared(model: keras.Model, outputs: np.ndarray, classes: str) -> str:
    """Which of its classes the model chose from, if the data have only some of them."""
    if len(outputs) == model.output_shape[1]:
        return ""
    some = f"{len(outputs):,} of {model.output_shape[1]:,} classes"
    return f"{some}, scores of all" if classes == "all" else f"scores of {some}"


def _check_file(name: str, path: Any) -> None:
    if path is not None and not (isinstance(path, str | os.PathLike) and pathlib.Path(path).is_file()):
        raise FileNotFoundError(f"{name}={shown(path)} is not a file.")


def _checked_scales(scales: Sequence[int] | None, data: Data) -> Sequence[int] | None:
    """The scales, each a whole number of pixels that memory can hold."""
    if scales is None:
        return None
    if isinstance(scales, str) or not isinstance(scales, Iterable) or not (scales := list(scales)):
        raise ValueError(f"scales={shown(scales)} must be a list of short sides in pixels, such as [224, 256].")
    for scale in scales:
        check("scales: a short side", scale, WHOLE, between(1, LARGEST_SCALE * max(data.view.size)))
    return scales


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
        return to_probabilities(model, scores)

    return forward


def _count(
    predictions: _Predictions, class_names: Sequence[str], outputs: np.ndarray, has_top5: bool
) -> dict[str, Any]:
    """The counts of a `Result`, as keyword arguments; `outputs` has the model's output for each class."""
    labels = predictions.labels[predictions.readable]
    best = np.argsort(-predictions.probabilities[predictions.readable], axis=1, kind="stable")[:, :5]
    correct = best == outputs[labels][:, None]
    images = np.bincount(labels, minlength=len(class_names))
    top1 = np.bincount(labels, weights=correct[:, 0], minlength=len(class_names)).astype(int)
    return dict(
        top1_correct=int(correct[:, 0].sum()),
        top5_correct=int(correct.sum()) if has_top5 else None,
        classes=tuple(zip(class_names, images.tolist(), top1.tolist(), strict=True)),
    )


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
