"""Top-1 and top-5 accuracy of a model on a split of a data set."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_resnet.choices import COMPARED_CLASSES
from keras_resnet.data.loading import Data
from keras_resnet.errors import check_name, shown
from keras_resnet.evaluation.checks import check_types, checked_split
from keras_resnet.evaluation.real_labels import count_by_real_labels, read_real_labels
from keras_resnet.evaluation.split_predictions import Predictions, predictions
from keras_resnet.files import write_rows


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

    def class_rows(self) -> list[dict[str, Any]]:
        """For each class its name, images, correct ones, and accuracy; a class without images has no accuracy."""
        return [
            {
                "class": name,
                "images": images,
                "correct": correct,
                "accuracy": f"{correct / images:.4f}" if images else "",
            }
            for name, images, correct in self.classes
        ]

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
        write_rows(pathlib.Path(path).expanduser(), self.class_rows())


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
    check_name("classes", classes, COMPARED_CLASSES)
    split = checked_split(data, split)
    _check_file("real_labels", real_labels)
    reassessed = read_real_labels(real_labels, data.splits[split]) if real_labels else None
    predicted = predictions(model, data, split, protocol, scales=scales, verbose=verbose)
    return count_correct(predicted, data.class_names, classes=classes, real_labels=reassessed, note=note)


def count_correct(
    predicted: Predictions,
    class_names: Sequence[str],
    *,
    classes: str = "all",
    real_labels: Sequence[Sequence[int]] | None = None,
    note: str = "",
) -> Result:
    """Counts the images of a split that a model classifies correctly.

    Args:
        predicted: what the model says about the images.
        class_names: of the data.
        classes: as for `evaluate`.
        real_labels: the ReaL labels of each image of the split, from `read_real_labels`; None without them.
        note: as for `evaluate`.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.evaluation.classification import count_correct
        >>> from keras_resnet.evaluation.split_predictions import predictions
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> count_correct(predictions(keras_resnet.ResNet20Cifar(), data), data.class_names).top1_correct
        2
    """
    if classes == "data":
        compared = np.isin(np.arange(len(predicted.output_names)), predicted.outputs)
        predicted = dataclasses.replace(predicted, probabilities=np.where(compared, predicted.probabilities, -np.inf))
    choices = predicted.outputs if classes == "data" else predicted.output_names
    counts = _count(predicted, class_names, has_top5=len(choices) > 5)
    if real_labels is not None:
        of_images = [
            [int(predicted.outputs[label]) for label in real_labels[position] if label < len(predicted.outputs)]
            for position in predicted.positions
        ]
        counts["real_labels_correct"] = count_by_real_labels(predicted.probabilities, of_images)
    return Result(
        predicted.split,
        images=len(predicted.labels),
        protocol=", ".join(filter(None, (predicted.protocol, _compared(predicted, classes), note))),
        errors=predicted.errors,
        seconds=predicted.seconds,
        **counts,
    )


def _compared(predicted: Predictions, classes: str) -> str:
    """Which of its classes the model chose from, if the data have only some of them."""
    known, all_classes = len(predicted.outputs), len(predicted.output_names)
    if known == all_classes:
        return ""
    some = f"{known:,} of {all_classes:,} classes"
    return f"{some}, scores of all" if classes == "all" else f"scores of {some}"


def _check_file(name: str, path: Any) -> None:
    if path is not None and not (isinstance(path, str | os.PathLike) and pathlib.Path(path).is_file()):
        raise FileNotFoundError(f"{name}={shown(path)} is not a file.")


def _count(predicted: Predictions, class_names: Sequence[str], has_top5: bool) -> dict[str, Any]:
    """The counts of a `Result`, as keyword arguments."""
    labels, rank = predicted.labels, _ranks(predicted.probabilities, predicted.right_outputs)
    images, top1 = (np.bincount(of, minlength=len(class_names)) for of in (labels, labels[rank < 1]))
    return dict(
        top1_correct=int((rank < 1).sum()),
        top5_correct=int((rank < 5).sum()) if has_top5 else None,
        classes=tuple(zip(class_names, images.tolist(), top1.tolist(), strict=True)),
    )


def _ranks(probabilities: np.ndarray, right_outputs: np.ndarray) -> np.ndarray:
    """The place of each image's right output among all, the most probable first and equal ones in order, from 0."""
    right = right_outputs[:, None]
    of_right = np.take_along_axis(probabilities, right, axis=1)
    is_earlier = np.arange(probabilities.shape[1]) < right
    return ((probabilities > of_right) | ((probabilities == of_right) & is_earlier)).sum(axis=1)
