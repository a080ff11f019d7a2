"""Predicts the most probable classes of images."""

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.choices import ON_ERROR
from keras_resnet.errors import check_name, shown
from keras_resnet.evaluation.image_sources import ImageSource, image_sources
from keras_resnet.layers import channel_axis
from keras_resnet.models.model import checked_class_names, number_of_classes, to_probabilities
from keras_resnet.preprocessing import COMPILED_CALL, image_sides
from keras_resnet.progress import bar_shown
from keras_resnet.rules import POSITIVE_INTEGER, VERBOSE, check
from keras_resnet.run_directory import SavedModel, load_saved_model
from keras_resnet.transforms.views import center_view
from keras_resnet.view import View

BATCH_SIZE = 32

logger = logging.getLogger(__name__)


class Prediction(list):
    """The most probable classes of an image: a list of (class name, probability), the most probable first.

    Attributes:
        image: the path of the image, or None.
        error: why the image could not be read, or None. The list is empty then.

    Example:
        >>> from keras_resnet.evaluation.prediction import Prediction
        >>> prediction = Prediction([("cat", 0.9), ("dog", 0.1)], image="cat.jpg")
        >>> prediction[0], prediction.image
        (('cat', 0.9), 'cat.jpg')
    """

    def __init__(
        self,
        classes: Iterable[tuple[str, float]] = (),
        image: str | os.PathLike | None = None,
        error: ValueError | None = None,
    ) -> None:
        super().__init__(classes)
        self.image = image
        self.error = error


def predict(
    model_or_run: keras.Model | str | os.PathLike,
    images: Any,
    top: int = 5,
    class_names: Sequence[str] | None = None,
    view: View | None = None,
    *,
    on_error: str = "raise",
    verbose: int | str = "auto",
) -> list[Prediction]:
    """Predicts the most probable classes of each image.

    Images are read and classified in batches, so memory does not grow with their number.

    Args:
        model_or_run: a run directory (its best.keras, else its final.keras), a `.keras` file, a SavedModel folder, or a
            Keras model. Outputs that are not probabilities are taken as logits.
        images: one image, or an iterable of images, in any of these forms: the path of an image file (any common
            format, rotated as its EXIF data says; see `decoding.read_image`); a folder, for all images below it, in
            order of their paths; a pattern such as "photos/*.jpg"; an array (H, W) or (H, W, C), gray, RGB or RGBA,
            or a batch of them (N, H, W, C), in 0 to 255; a PIL image; or the bytes of an image file.
        top: number of classes to return, at most all.
        class_names: of the model's outputs; default: labels.txt beside the model, else the model's own, else numbers.
        view: how to resize and crop images; default: as for the test images of the run; else the model's own; else a
            center crop of the model's size; for a model of any size, the image as it is.
        on_error: what to do about an unreadable image: "raise" an error, "skip" the image with a warning in the log, or
            "return" an empty `Prediction` with the `error`.
        verbose: 1 for a progress bar, 0 for none, "auto" for one on a terminal.

    Returns:
        A `Prediction` for each image: a list of (class name, probability), the most probable class first.

    Raises:
        FileNotFoundError: no such run or model.
        TypeError: `model_or_run` is neither a model nor a path.
        ValueError: an image is unreadable (the message names it), there are no images, another argument is out of
            range, the class names do not fit the model, or the model is not a classifier of images.

    Example:
        >>> import numpy as np, keras_resnet
        >>> model = keras_resnet.ResNet20Cifar()
        >>> [best, second] = keras_resnet.predict(model, np.zeros((32, 32, 3)), top=2)[0]
    """
    check("top", top, POSITIVE_INTEGER)
    check("verbose", verbose, VERBOSE)
    if view is not None and not isinstance(view, View):
        raise ValueError(f"view must be a View or None, not {shown(view)}.")
    check_name("on_error", on_error, ON_ERROR)
    model, names, view = _resolve(model_or_run, class_names, view)
    sources, total = image_sources(images), 0
    if isinstance(images, (str, os.PathLike, list, tuple)):  # the others may not fit into memory
        listed = list(sources)
        sources, total = iter(listed), len(listed)
    bar = keras.utils.Progbar(total, verbose=bar_shown(verbose) if total > BATCH_SIZE else 0, unit_name="image")
    predictions: list[Prediction] = []
    for batch in _batches(sources, BATCH_SIZE if view else 1):
        classified = _classify(model, batch, view, names, top, on_error)
        predictions += classified if on_error != "skip" else [p for p in classified if not p.error]
        bar.add(len(batch))
    return predictions


def _resolve(
    model_or_run: keras.Model | str | os.PathLike, class_names: Sequence[str] | None, view: View | None
) -> tuple[keras.Model, Sequence[str], View | None]:
    """The model, its class names, and its view; None for images as they are."""
    if isinstance(model_or_run, keras.Model):
        loaded = SavedModel(model_or_run)
    elif isinstance(model_or_run, (str, os.PathLike)):
        loaded = load_saved_model(model_or_run)
    else:
        kind = type(model_or_run).__name__
        raise TypeError(f"predict takes a Keras model, a run directory, or the path of a model, not {kind}.")
    model = loaded.model
    classes, sides = number_of_classes(model), image_sides(model)
    known = (class_names, loaded.class_names, getattr(model, "class_names", None), map(str, range(classes)))
    names = checked_class_names(next(names for names in known if names is not None), classes)
    height, width = sides
    fixed = View((height, width)) if height and width else None
    view = view or loaded.view or getattr(model, "view", None) or fixed
    if view and any(side not in (None, size) for side, size in zip(sides, view.size, strict=True)):
        raise ValueError(f"A view of size {view.size} does not fit {model.name}, which takes images of {sides}.")
    return model, names, view


def _batches(sources: Iterator[ImageSource], size: int) -> Iterator[list[ImageSource]]:
    """Groups images; images of different sizes do not stack.

    Raises:
        ValueError: there are none.
    """
    batch = list(itertools.islice(sources, size))
    if not batch:
        raise ValueError("There are no images to predict.")
    while batch:
        yield batch
        batch = list(itertools.islice(sources, size))


def _classify(
    model: keras.Model,
    sources: Sequence[ImageSource],
    view: View | None,
    names: Sequence[str],
    top: int,
    on_error: str,
) -> list[Prediction]:
    """The most probable classes of a batch of images; an error in their place if an image is unreadable."""
    channels = model.input_shape[channel_axis()]
    predictions, readable = [Prediction(image=source.path) for source in sources], []
    for source, prediction in zip(sources, predictions, strict=True):
        try:
            readable.append((prediction, _prepare(source, channels, view)))
        except ValueError as error:
            if on_error == "raise":
                raise
            if on_error == "skip":
                logger.warning("Skipped: %s", error)
            prediction.error = error
    if readable:
        probabilities = _probabilities(model, np.stack([image for _, image in readable]))
        for (prediction, _), row in zip(readable, probabilities, strict=True):
            order = np.argsort(-row, kind="stable")[:top]
            prediction.extend((names[index], float(row[index])) for index in order)
    return predictions


def _prepare(source: ImageSource, channels: int, view: View | None) -> np.ndarray:
    """The image resized and cropped for the model, float32."""
    image = source.load(channels)
    if view is not None:
        image = center_view(tf.constant(image), view)[0].numpy()
    image = image.astype("float32")
    return image if channel_axis() == -1 else np.moveaxis(image, -1, 0)


def _probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    scores = np.asarray(keras.ops.convert_to_numpy(_compiled(model)(images)), "float64")
    if not np.isfinite(scores).all():
        raise ValueError(f"The outputs of {model.name} are not finite; its weights are damaged.")
    return to_probabilities(model, scores)


def _compiled(model: keras.Model) -> Callable[[np.ndarray], Any]:
    """The model as a compiled function of float32 images, which the model keeps for the next call."""
    if keras.backend.backend() != "tensorflow":
        return model
    if getattr(model, COMPILED_CALL, None) is None:
        signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        function = tf.function(lambda images: model(images, training=False), input_signature=[signature])
        # In a plain function, so that exports of the model do not take it for a part.
        setattr(model, COMPILED_CALL, lambda images: function(tf.constant(images)))
    return getattr(model, COMPILED_CALL)
