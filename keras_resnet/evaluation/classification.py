"""TODO evaluation.classification."""

import csv
import dataclasses
import functools
import io
import time

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.errors import unknown_name
from keras_resnet.evaluation.protocols import PROTOCOLS, passes_of
from keras_resnet.evaluation.real_labels import count_by_real_labels, read_real_labels
from keras_resnet.files import write_text
from keras_resnet.models.model import ends_in_softmax
from keras_resnet.progress import bar_shown


@dataclasses.dataclass(frozen=True)
class Result:
    """How good a model is on the images of a split.

    `top1_correct` and `top5_correct` count the images whose class is the most probable, and among the five most
    probable; `top5_correct` is None below six classes. `classes` has a row (name, images, correct) for each class.
    `errors` has the name and the reason of each unreadable image; no count includes these. `real_labels_correct` counts
    the images that are right by ReaL's labels, and those that have such labels. `seconds` is the time it took.
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
        """Fraction of the images whose most probable class is right, 0 to 1."""
        return self.top1_correct / self.images

    @property
    def top5_accuracy(self) -> float | None:
        """Fraction of the images whose class is among the five most probable; None below six classes."""
        return None if self.top5_correct is None else self.top5_correct / self.images

    @property
    def accuracy(self) -> float:
        """The same as `top1_accuracy`."""
        return self.top1_accuracy

    def __str__(self):
        error = 100 * (1 - self.accuracy)
        unread = f", {len(self.errors)} more not readable" if self.errors else ""
        counted = f"{self.images} images{unread}"
        return f"{self.split} accuracy {self.accuracy:.4f} (error {error:.2f} %, {counted}, {self.protocol})"

    def write_classes(self, path) -> None:
        """Writes a CSV file with a row (class, images, top1, accuracy) for each class."""
        content = io.StringIO(newline="")
        writer = csv.writer(content, lineterminator="\n")
        writer.writerow(("class", "images", "top1", "accuracy"))
        writer.writerows((name, images, top1, f"{top1 / max(images, 1):.4f}") for name, images, top1 in self.classes)
        write_text(path, content.getvalue())


def evaluate(
    model,
    data: Data,
    split: str | None = None,
    protocol: str = "center",
    *,
    scales=None,
    real_labels=None,
    note: str = "",
    verbose="auto",
) -> Result:
    """Classifies each image of a split.

    Args:
        model: a Keras model that puts out a value for each class.
        data: from `keras_resnet.load_data`, with the recipe that the model was trained with, or whose `image_size`,
            `crop_fraction` and `interpolation` its weights want.
        split: "test", "validation" or "train"; default the first of these that there is.
        protocol: "center": the centre crop, as `data.view` says (of arrays, the whole image). "ten_crop": its four
            corners and centre, and their mirror images. "multi_scale": the whole image at several short sides, the
            classifier applied to every place and its scores averaged, as the last layers of a ResNet do for an
            image of any size. Probabilities are averaged over views. Source: He et al. 2015, section 3.4.
        scales: short sides for "multi_scale", pixels; default 224, 256, 384, 480 and 640, times the model's size / 224.
        real_labels: path of ReaL's labels (Beyer et al. 2020, `real.json`) for ImageNet's validation images: a list, in
            the order of the file names, of the labels that each image may have.
        note: what the protocol should say besides, as "final weights".
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Raises:
        ValueError: the data have no such split, model and data do not fit, or no image can be read.

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
    likely = read_real_labels(real_labels, examples) if real_labels else None
    passes, described = passes_of(model, data, examples, protocol, scales)
    start = time.perf_counter()
    bad = UnreadableImages()
    scores, labels, seen = _averaged(passes, examples, len(data.class_names), bad, verbose)
    seconds = time.perf_counter() - start
    if not seen.any():
        raise ValueError(f"None of the {len(examples)} {split} images of {data.name} can be read.")
    counts = _count(scores, labels, seen, data.class_names)
    if likely:
        counts["real_labels_correct"] = count_by_real_labels(scores, seen, likely)
    errors = tuple(bad.reasons.items())
    described = ", ".join(filter(None, (described, note)))
    return Result(split, int(seen.sum()), protocol=described, errors=errors, seconds=seconds, **counts)


def _averaged(passes, examples, classes, bad, verbose):
    """(mean probabilities (N, classes), labels (N,), whether each image was read (N,))."""
    count = len(examples)
    scores, labels, seen = np.zeros((count, classes)), np.zeros(count, "int32"), np.zeros(count, bool)
    bar = keras.utils.Progbar(count * len(passes), verbose=bar_shown(verbose), unit_name="image")
    for model, batches in passes:
        forward, of_pass = _forward(model), np.zeros_like(scores)
        for views, batch_labels, indices in batches(bad):
            flat = tf.reshape(views, (-1, *views.shape[2:]))
            probabilities = forward(flat).reshape(len(indices), -1, classes)
            of_pass[indices] = probabilities.mean(axis=1)
            labels[indices], seen[indices] = batch_labels, True
            bar.add(len(indices))
        scores += of_pass / len(passes)
    return scores, labels, seen


def _forward(model):
    """A function of a batch of images that gives probabilities (batch, classes), float64."""
    call = functools.partial(model, training=False)
    if keras.backend.backend() == "tensorflow":
        call = tf.function(call, reduce_retracing=True)

    def forward(images):
        scores = np.asarray(keras.ops.convert_to_numpy(call(images)), "float64")
        if not np.isfinite(scores).all():
            raise ValueError(f"{model.name} puts out values that are not finite; its weights are damaged.")
        if ends_in_softmax(model):
            return scores
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    return forward


# ---------------------------------------------------------------------------------------------
# Counts
def _count(scores, labels, seen, class_names):
    best = np.argsort(-scores[seen], axis=1, kind="stable")[:, :5]
    right = best == labels[seen, None]
    images = np.bincount(labels[seen], minlength=len(class_names))
    top1 = np.bincount(labels[seen], weights=right[:, 0], minlength=len(class_names)).astype(int)
    return dict(
        top1_correct=int(right[:, 0].sum()),
        top5_correct=int(right.sum()) if len(class_names) > 5 else None,
        classes=tuple(zip(class_names, images.tolist(), top1.tolist(), strict=True)),
    )


def check_fits(model, data: Data) -> None:
    """Raises ValueError where the model cannot take the images or has not as many outputs as classes."""
    wanted = model.input_shape[1:]
    if any(want not in (None, have) for want, have in zip(wanted, data.image_shape, strict=True)):
        raise ValueError(
            f"The model {model.name} takes images of {wanted}, but those of {data.name} are {data.image_shape}; "
            "build it with input_shape=data.image_shape."
        )
    if model.output_shape[1:] != (len(data.class_names),):
        raise ValueError(
            f"The model {model.name} puts out {model.output_shape[1:]}, but {data.name} has "
            f"{len(data.class_names)} classes; build it with classes={len(data.class_names)}."
        )
