"""`Artifact`: an exported model that is loaded in its runtime."""

import abc
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from keras_resnet.runtimes.metadata import Metadata
from keras_resnet.runtimes.scores import SUM_TOLERANCE, are_probabilities, softmax

CHANNELS = (1, 3)  # of the images of a model that says nothing about itself
UNKNOWN = "unknown"  # the precision of such a model

Shape = Sequence[int | None]


class Artifact(abc.ABC):
    """An exported model that is loaded in its runtime: a function of images.

    It may be called from several threads.

    Args:
        name: of the model, where it has no metadata.
        metadata: what the model says about itself. Without, its shapes must tell the layout of the images and the
            number of classes; the classes are then called by their numbers.
        input_shape: of a batch of images, as the model declares it; None for a variable side.
        output_shape: of their scores, likewise.

    Attributes:
        metadata: what the model says about itself.
        runtime: the name of the runtime.

    Raises:
        ValueError: the model does not take images, or does not return a score for each class.
    """

    metadata: Metadata
    runtime: ClassVar[str]
    sum_tolerance: float = SUM_TOLERANCE  # of probabilities

    def __init__(self, name: str, metadata: Metadata | None, input_shape: Shape, output_shape: Shape) -> None:
        self._is_ours = metadata is not None
        self.metadata = metadata or _described(name, self.runtime, input_shape, output_shape)
        classes = output_shape[-1] if output_shape else None
        if classes not in (None, len(self.metadata.class_names)):
            raise ValueError(
                f"{self.metadata.name} has {classes} outputs, but its metadata name {len(self.metadata.class_names)} "
                "classes; they are those of another model."
            )
        self._channels_first = _is_channels_first(input_shape, self.metadata.image_shape[2:])
        self._batch = input_shape[0]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The probabilities of a batch of images.

        Scores of a model without metadata whose rows do not sum to 1 are taken as logits.

        Args:
            images: (batch, height, width, channels), RGB in 0 to 255, uint8 or float32.

        Returns:
            Probabilities (batch, classes), float32.

        Raises:
            ValueError: the images do not fit the model, or its outputs are not finite numbers.
        """
        self._check_images(images)
        if self._channels_first:
            images = images.transpose(0, 3, 1, 2)
        scores = np.concatenate([self._scores(batch) for batch in self._batches(images)])[: len(images)]
        self._check_scores(scores, len(images))
        if not (self._is_ours or are_probabilities(scores, self.sum_tolerance)):
            scores = softmax(scores)
        return scores.astype("float32", copy=False)

    @abc.abstractmethod
    def _scores(self, images: np.ndarray) -> np.ndarray:
        """The model's outputs for a batch in its own layout: floats (batch, classes)."""

    def _batches(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """The batch, or batches of the model's fixed size, the last one filled up with zeros."""
        size = self._batch or len(images)
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            missing = size - len(batch)
            yield np.pad(batch, [(0, missing), (0, 0), (0, 0), (0, 0)]) if missing else batch

    def _check_images(self, images: np.ndarray) -> None:
        shape, expected = np.shape(images), self.metadata.image_shape
        fits = len(shape) == 4 and all(side in (None, size) for side, size in zip(expected, shape[1:], strict=True))
        if not fits or 0 in shape:
            raise ValueError(f"{self.metadata.name} takes images of shape (batch, {_text(expected)}), not {shape}.")

    def _check_scores(self, scores: np.ndarray, images: int) -> None:
        expected = images, len(self.metadata.class_names)
        if scores.shape != expected:
            raise ValueError(f"The outputs of {self.metadata.name} have the shape {scores.shape}, not {expected}.")
        if not np.isfinite(scores).all():
            raise ValueError(f"The outputs of {self.metadata.name} are not finite; its weights are damaged.")


def _is_channels_first(shape: Shape, channels: Shape) -> bool:
    """Whether a batch of images with this shape, and one of these numbers of channels, has the channels first."""
    return len(shape) == 4 and shape[3] not in channels and shape[1] in channels


def _described(name: str, runtime: str, input_shape: Shape, output_shape: Shape) -> Metadata:
    """The metadata of a model that has none."""
    if len(input_shape) != 4 or not any(input_shape[axis] in CHANNELS for axis in (1, 3)):
        raise ValueError(f"its input has the shape ({_text(input_shape)}), which is not one of images")
    classes = output_shape[-1] if len(output_shape) == 2 else None
    if classes is None:
        raise ValueError(f"its output has the shape ({_text(output_shape)}), not (batch, classes)")
    _, *image = input_shape
    if _is_channels_first(input_shape, CHANNELS):
        image = [*image[1:], image[0]]
    return Metadata(name, runtime, UNKNOWN, tuple(image), tuple(map(str, range(classes))))  # type: ignore[arg-type]


def _text(shape: Shape) -> str:
    return ", ".join("any" if side is None else str(side) for side in shape)
