"""Checks that an artifact computes what its model computes, in its own runtime, on real images."""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnet.data import fake_photos
from keras_resnet.runtimes.artifact import CHANNELS, Artifact
from keras_resnet.runtimes.image_sources import image_sources
from keras_resnet.runtimes.metadata import Metadata
from keras_resnet.runtimes.views import center_view
from keras_resnet.view import View

IMAGES = 16  # at most
FALLBACK = View((224, 224))  # of generated photos, for a model of any size without a view


@dataclasses.dataclass(frozen=True)
class Limit:
    """What is a large difference.

    Attributes:
        difference: the largest one that is not, as a part of the largest probability.
        agreement: the part of images with the same most probable class above which any difference is allowed.
    """

    difference: float
    agreement: float = 1.1


LIMITS = {  # of each precision
    "float32": Limit(1e-4),
    "float16": Limit(0.02, agreement=0.9),
    "bfloat16": Limit(0.1, agreement=0.9),
    "dynamic": Limit(0.1, agreement=0.5),
    "int8": Limit(0.1, agreement=0.5),
}


@dataclasses.dataclass(frozen=True)
class Difference:
    """How an artifact's probabilities differ from the model's.

    Attributes:
        largest: difference of a probability.
        relative: the same, as a part of the largest probability.
        agreeing: number of images with the same most probable class.
        images: number of images.

    Example:
        >>> from keras_resnet.exporting.verification import Difference
        >>> print(Difference(2.1e-7, 3e-7, agreeing=16, images=16))
        largest difference 2.1e-07 of a probability on 16 images, the same class for 16
    """

    largest: float
    relative: float
    agreeing: int
    images: int

    def __str__(self) -> str:
        return (
            f"largest difference {self.largest:.1e} of a probability on {self.images} images, the same class for "
            f"{self.agreeing}"
        )

    def is_large(self, precision: str) -> bool:
        """Whether the artifact is broken, rather than rounded."""
        limit = LIMITS[precision]
        return not (self.relative <= limit.difference or self.agreeing >= limit.agreement * self.images)


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """A context in which TensorFlow computes with all 24 bits of float32.

    By default, NVIDIA's GPUs from Ampere on round the factors of products to 11 bits (TF32), which changes
    probabilities by more than `LIMITS` allows.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.exporting.verification import full_float32
        >>> with full_float32():
        ...     tf.config.experimental.tensor_float_32_execution_enabled()
        False
    """
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def verify(model: Artifact, artifact: Artifact, images: Sequence[np.ndarray]) -> Difference:
    """Compares an artifact with its model, at a batch size of 1 and of 3.

    Args:
        model: the original one, in float32.
        artifact: opened in its runtime.
        images: each (height, width, channels), float32 in 0 to 255.

    Raises:
        ValueError: the difference is large for the artifact's precision.
    """
    with full_float32():
        pairs = [(model(batch), artifact(batch)) for batch in _batches(images)]
    expected, found = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    largest = float(np.abs(found - expected).max())
    agreeing = int((found.argmax(axis=1) == expected.argmax(axis=1)).sum())
    difference = Difference(largest, largest / float(expected.max()), agreeing, len(expected))
    metadata = artifact.metadata
    if difference.is_large(metadata.precision):
        raise ValueError(
            f"The {metadata.format} file of {metadata.name} in {metadata.precision} differs from the model too much: "
            f"{difference}. Nothing was written; export it in another format or precision."
        )
    return difference


def _batches(images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """One image, then three at a time; or one at a time if their sizes differ."""
    size = 3 if len({image.shape for image in images}) == 1 else 1
    yield images[0][None]
    for start in range(1, len(images), size):
        yield np.stack(images[start : start + size])


def verification_images(source: Any, metadata: Metadata) -> list[np.ndarray]:
    """Images to verify an artifact with, as the model sees them: each (height, width, channels), float32.

    Args:
        source: images in any form that `predict` takes, of which the first 16 are used; or None for generated photos.
        metadata: of the model.

    Raises:
        ValueError: an image is unreadable, or there are none.

    Example:
        >>> from keras_resnet.exporting.verification import verification_images
        >>> from keras_resnet.runtimes import Metadata
        >>> metadata = Metadata("net", "onnx", "float32", (None, None, 3), ("cat", "dog"))
        >>> len(verification_images(None, metadata))
        16
    """
    view, channels = metadata.view, metadata.image_shape[-1]
    if source is None and channels not in CHANNELS:
        # Generated photos are RGB.
        height, width = (side or FALLBACK.size[0] for side in metadata.image_shape[:2])
        noise = np.random.default_rng(0).integers(0, 256, (IMAGES, height, width, channels))
        return list(noise.astype("float32"))
    if source is None:
        source, view = fake_photos.photos(IMAGES), view or FALLBACK
    sources = list(itertools.islice(image_sources(source), IMAGES))
    if not sources:
        raise ValueError("There are no images to verify the exported model with.")
    images = [image.load(channels) for image in sources]
    if view:
        images = [center_view(image, view) for image in images]
    return [image.astype("float32") for image in images]
