"""From images in any form to the most probable classes, by any runtime."""

import collections
import contextlib
import itertools
import logging
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TextIO

import numpy as np

from keras_resnet.choices import ON_ERROR
from keras_resnet.errors import check_name, shown
from keras_resnet.progress import ImageBar
from keras_resnet.rules import POSITIVE_INTEGER, check
from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.cores import CORES
from keras_resnet.runtimes.image_sources import ImageSource, image_sources
from keras_resnet.runtimes.metadata import checked_class_names
from keras_resnet.runtimes.scores import most_probable
from keras_resnet.runtimes.views import center_view
from keras_resnet.view import View, check_view_fits

BATCH_SIZE = 16  # images; also how many are decoded ahead of the batch that the model has

logger = logging.getLogger(__name__)


class Prediction(list):
    """The most probable classes of an image: a list of (class name, probability), the most probable first.

    Attributes:
        image: the path of the image, or None.
        error: why the image could not be read, or None. The list is empty then.

    Example:
        >>> from keras_resnet.runtimes import Prediction
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


ReadImage = tuple[Prediction, np.ndarray | None]  # no classes yet, and the pixels; an error and None if unreadable


def classify(
    artifact: Artifact,
    images: Any,
    top: int = 5,
    class_names: Sequence[str] | None = None,
    view: View | None = None,
    *,
    on_error: str = "raise",
    bar_on: TextIO | None = None,
) -> Iterator[Prediction]:
    """The most probable classes of each image, in the order of the images.

    Threads read and decode the next images while the model has a batch, so memory does not grow with their number.

    Args:
        artifact: the model in its runtime.
        images: as for `keras_resnet.predict`.
        top: number of classes of a `Prediction`.
        class_names: of the model's outputs; default: those of its metadata.
        view: how to resize and crop images; default: that of the metadata; else a center crop of the model's size;
            for a model of any size, the image as it is.
        on_error: what to do about an unreadable image: "raise" an error, "skip" the image with a warning in the log, or
            "return" an empty `Prediction` with the `error`.
        bar_on: where to show a progress bar, if there are several batches.

    Raises:
        ValueError: an image is unreadable (the message names it), there are no images, another argument is out of
            range, or it does not fit the model.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.runtimes import classify, open_artifact
        >>> keras_resnet.ResNet20Cifar().save("net")
        >>> [prediction] = classify(open_artifact("net"), np.zeros((32, 32, 3)), top=2)
        >>> len(prediction)
        2
    """
    check_name("on_error", on_error, ON_ERROR)
    classifier = Classifier(artifact, top, class_names, view)
    sources, total = image_sources(images), 0
    if isinstance(images, (str, os.PathLike, list, tuple)):  # the others may not fit into memory
        listed = list(sources)
        sources, total = iter(listed), len(listed)
    bar = ImageBar(total, bar_on if total > BATCH_SIZE else None)
    return _reported(classifier(sources), on_error, bar)


def _reported(predictions: Generator[Prediction, None, None], on_error: str, bar: ImageBar) -> Iterator[Prediction]:
    """The predictions, without those of images to skip; the first error if it is to be raised."""
    with contextlib.closing(predictions):
        for prediction in predictions:
            bar.add(1)
            if prediction.error and on_error == "raise":
                raise prediction.error
            if prediction.error and on_error == "skip":
                logger.warning("Skipped: %s", prediction.error)
            else:
                yield prediction


class Classifier:
    """A model with the view of its images and the names of its classes.

    Args:
        artifact, top, class_names, view: as for `classify`.

    Raises:
        ValueError: an argument is out of range, or does not fit the model.
    """

    def __init__(
        self, artifact: Artifact, top: int = 5, class_names: Sequence[str] | None = None, view: View | None = None
    ) -> None:
        check("top", top, POSITIVE_INTEGER)
        if view is not None and not isinstance(view, View):
            raise ValueError(f"view must be a View or None, not {shown(view)}.")
        known = artifact.metadata
        height, width, self._channels = known.image_shape
        self._artifact, self._top = artifact, top
        self._view = view or known.default_view
        if self._view:
            check_view_fits(self._view, known.name, (height, width))
        names = known.class_names if class_names is None else class_names
        self._class_names = checked_class_names(names, len(known.class_names))

    def __call__(self, sources: Iterator[ImageSource]) -> Generator[Prediction, None, None]:
        """A `Prediction` for each image, in their order; that of an unreadable image has its error.

        Raises:
            ValueError: there are no images.
        """
        size = BATCH_SIZE if self._view else 1  # images of different sizes do not stack
        empty = True
        with contextlib.closing(self._decoded_ahead(sources)) as images:
            while batch := list(itertools.islice(images, size)):
                predictions, empty = self._classified(batch), False
                del batch  # so that its images are not in memory beside those of the next one
                yield from predictions
        if empty:
            raise ValueError("There are no images to predict.")

    def pixels(self, source: ImageSource) -> np.ndarray:
        """The image as the model sees it: (height, width, channels), uint8 or float32.

        Raises:
            ValueError: it is unreadable; the message names it.
        """
        image = source.load(self._channels)
        return center_view(image, self._view) if self._view else image

    def top_classes(self, probabilities: np.ndarray) -> list[tuple[str, float]]:
        """The names and probabilities of the most probable classes of an image, the most probable first."""
        return most_probable(probabilities, self._class_names, self._top)

    def _decoded_ahead(self, sources: Iterator[ImageSource]) -> Generator[ReadImage, None, None]:
        """Empty predictions with the pixels of the images, or with an error and None, from threads that work ahead."""
        with ThreadPoolExecutor(CORES, "decode") as pool:
            ahead: collections.deque[Future] = collections.deque()
            try:
                for source in sources:
                    ahead.append(pool.submit(self._read, source))
                    if len(ahead) > BATCH_SIZE:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _read(self, source: ImageSource) -> ReadImage:
        try:
            return Prediction(image=source.path), self.pixels(source)
        except ValueError as error:
            return Prediction(image=source.path, error=error), None

    def _classified(self, batch: list[ReadImage]) -> list[Prediction]:
        """The predictions of a batch, with the classes of the images that are readable."""
        readable = [(prediction, pixels) for prediction, pixels in batch if pixels is not None]
        if readable:
            probabilities = self._artifact(np.stack([pixels for _, pixels in readable]))
            for (prediction, _), row in zip(readable, probabilities, strict=True):
                prediction.extend(self.top_classes(row))
        return [prediction for prediction, _ in batch]
