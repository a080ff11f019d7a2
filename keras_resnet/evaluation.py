"""evaluate(): how many images a model classifies right, and under which protocol."""

import csv
import dataclasses
import functools
import io
import json
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.bad_images import BadImages
from keras_resnet.batches import evaluation_batches
from keras_resnet.data import Data
from keras_resnet.examples import Arrays
from keras_resnet.names import unknown_name
from keras_resnet.runs import bar_shown, write_text
from keras_resnet.views import center_view, ten_crop_views, whole_view

PROTOCOLS = ("center", "ten_crop", "multi_scale")
VIEWS_AT_ONCE = 128  # images or crops in a batch, of the model's size; larger ones are fewer
SCALES = tuple(side / 224 for side in (224, 256, 384, 480, 640))  # He et al. 2015, section 3.4: of 224 pixels


@dataclasses.dataclass(frozen=True)
class Result:
    """How good a model is on the images of a split.

    `top1` and `top5` count the images whose class is the most probable, and among the five most probable; `top5` is
    None below six classes. `classes` has a row (name, images, top1) for each class. `errors` has the name and the
    reason of each image that could not be read; they are in no count. `reassessed` counts
    the images that are right by ReaL's labels, and those that have such labels. `seconds` is the time it took.
    """

    split: str
    images: int
    top1: int
    top5: int | None
    protocol: str
    classes: tuple[tuple[str, int, int], ...] = ()
    errors: tuple[tuple[str, str], ...] = ()
    reassessed: tuple[int, int] | None = None
    seconds: float = dataclasses.field(default=0.0, compare=False)

    @property
    def accuracy(self) -> float:
        """The share of the images that are classified right, 0 to 1."""
        return self.top1 / self.images

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
    reassess=None,
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
        reassess: path of ReaL's labels (Beyer et al. 2020, `real.json`) for ImageNet's validation images: a list, in
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
    likely = _read_reassessment(reassess, examples) if reassess else None
    passes, described = _passes(model, data, examples, protocol, scales)
    start = time.perf_counter()
    bad = BadImages()
    scores, labels, seen = _averaged(passes, examples, len(data.class_names), bad, verbose)
    seconds = time.perf_counter() - start
    if not seen.any():
        raise ValueError(f"None of the {len(examples)} {split} images of {data.name} can be read.")
    counts = _count(scores, labels, seen, data.class_names)
    if likely:
        counts["reassessed"] = _count_reassessed(scores, seen, likely)
    errors = tuple(bad.reasons.items())
    described = ", ".join(filter(None, (described, note)))
    return Result(split, int(seen.sum()), protocol=described, errors=errors, seconds=seconds, **counts)


# ---------------------------------------------------------------------------------------------
# Passes over the images: (a function of a batch of images, the batches (views, labels, indices))


def _passes(model, data, examples, protocol, scales):
    """The passes that a protocol takes, and its description."""
    view, whole = data.view, isinstance(examples, Arrays)
    width_by_height = "x".join(map(str, view.size[::-1]))
    if protocol == "center":
        described = f"whole {width_by_height} image" if whole else str(view)
        views = functools.partial(center_view, view=view)
        return [(model, _batches(examples, views, VIEWS_AT_ONCE))], f"{described}, single view"
    if protocol == "ten_crop":
        views = functools.partial(ten_crop_views, view=view)
        described = f"10-crop of {width_by_height} from short side {min(view.resized)}, softmax averaged"
        return [(model, _batches(examples, views, VIEWS_AT_ONCE // 10))], described
    short = min(view.size)
    scales = tuple(scales or (round(scale * short) for scale in SCALES))
    model = fully_convolutional(model)
    passes = [
        (model, _batches_by_shape(examples, scale, view, max(1, VIEWS_AT_ONCE * short**2 // scale**2)))
        for scale in scales
    ]
    return passes, f"fully convolutional at short sides {', '.join(map(str, scales))}, softmax averaged"


def _batches(examples, views, batch_size):
    return lambda bad: evaluation_batches(examples, batch_size, views, bad)


def _batches_by_shape(examples, scale, view, batch_size):
    """Batches of whole images at a short side, each of images of one shape."""

    def shape(views, label, index):
        height, width = tf.unstack(tf.shape(views, tf.int64)[1:3])
        return height * 2**32 + width

    def batches(bad):
        views = functools.partial(whole_view, short_side=scale, interpolation=view.interpolation)
        singles = evaluation_batches(examples, 1, views, bad).unbatch()
        return singles.group_by_window(shape, lambda key, same: same.batch(batch_size), window_size=batch_size)

    return batches


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


def ends_in_softmax(model) -> bool:
    """Whether the model puts out probabilities; else they are logits."""
    return getattr(model.layers[-1], "activation", None) is keras.activations.softmax


def fully_convolutional(model):
    """The model, with its layers, for images of any size.

    Its classifier after the average over all places is the same as a 1x1 convolution before it. A mean image, which
    has a size, is replaced by the mean of its pixels, a value for each channel.

    Raises:
        ValueError: the model has no such form, as one that flattens.
    """

    def layer_for_any_size(layer):
        if not isinstance(layer, keras.layers.Rescaling):
            return layer
        config = layer.get_config()
        for name in ("scale", "offset"):
            if np.ndim(config[name]) == 3:
                config[name] = np.mean(config[name], axis=(0, 1)).tolist()
        return type(layer).from_config(config)

    channels = model.input_shape[-1]
    images = keras.Input((None, None, channels), dtype=model.inputs[0].dtype)
    try:
        wide = keras.models.clone_model(model, input_tensors=images, clone_function=layer_for_any_size)
        wide(keras.ops.zeros((1, 64, 96, channels)))  # some layers see only now that the size is not theirs
        return wide
    except ValueError as error:
        raise ValueError(f"{model.name} cannot take images of any size, which multi-scale needs.") from error


# ---------------------------------------------------------------------------------------------
# Counts


def _count(scores, labels, seen, class_names):
    best = np.argsort(-scores[seen], axis=1, kind="stable")[:, :5]
    right = best == labels[seen, None]
    images = np.bincount(labels[seen], minlength=len(class_names))
    top1 = np.bincount(labels[seen], weights=right[:, 0], minlength=len(class_names)).astype(int)
    return dict(
        top1=int(right[:, 0].sum()),
        top5=int(right.sum()) if len(class_names) > 5 else None,
        classes=tuple(zip(class_names, images.tolist(), top1.tolist(), strict=True)),
    )


def _read_reassessment(path, examples):
    """For each example, the labels that ReaL gives its image."""
    labels = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    if isinstance(examples, Arrays) or len(labels) != len(examples):
        raise ValueError(f"{path} has labels for {len(labels)} image files, but the split has {len(examples)} images.")
    names = examples.file_names()
    places = {name: place for place, name in enumerate(sorted(names))}
    return [labels[places[name]] for name in names]


def _count_reassessed(scores, seen, likely):
    """(images whose most probable class is one of their labels, images that have any)."""
    best = scores.argmax(axis=1)
    judged = [index for index in np.flatnonzero(seen) if likely[index]]
    return sum(best[index] in likely[index] for index in judged), len(judged)


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
