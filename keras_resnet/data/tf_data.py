"""A `tf.data.Dataset` of images and labels -> the examples of a split, in memory."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnet.data.arrays import as_pixels, check_range, class_numbers, from_arrays
from keras_resnet.data.autotuning import without_autotuning
from keras_resnet.data.examples import Examples, Handle, InMemoryLabels, constant
from keras_resnet.runtimes.memory import machine_memory
from keras_resnet.transforms.crops import DecodedImage, LazyImage

BATCH = 256  # images of one size that are read at once
MEMORY_FRACTION = 0.25  # of the memory, that the images of a split may take: for a while, they are in it twice


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Serialized(InMemoryLabels):
    """Decoded images of several sizes in memory, each a serialized tensor (H, W, C), and their labels."""

    images: list[bytes]
    labels: np.ndarray
    image_shape: tuple[int, int, int]
    dtype: tf.DType

    def take(self, indices: np.ndarray) -> "Serialized":
        images = [self.images[index] for index in indices]
        return dataclasses.replace(self, images=images, labels=self.labels[indices])

    def image(self, handle: Handle) -> LazyImage:
        pixels = tf.io.parse_tensor(self._images[handle[0]], self.dtype)
        return DecodedImage(tf.ensure_shape(pixels, (None, None, self.image_shape[-1])))

    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.labels.tobytes())
        for image in self.images:
            digest.update(image)
        return digest.hexdigest()

    @functools.cached_property
    def _images(self):
        return constant(np.array(self.images, object))


def from_dataset(split: str, dataset: tf.data.Dataset, image_size: int) -> tuple[Examples, int]:
    """Reads a data set once. Its order is the order of the examples.

    Args:
        split: its name, for messages.
        dataset: of pairs (image, label) or batches of them; as in `load_data`.
        image_size: height and width of the model's input, for images of several sizes.

    Returns:
        `Arrays` if its element_spec has one size, else `Serialized`, and the number of classes that the labels tell.

    Raises:
        ValueError: the data set is infinite, empty, or too large for the memory, or its elements are something else.

    Example:
        >>> import numpy as np, tensorflow as tf
        >>> from keras_resnet.data.tf_data import from_dataset
        >>> pairs = tf.data.Dataset.from_tensor_slices((np.zeros((9, 8, 8, 3), "uint8"), np.arange(9)))
        >>> from_dataset("train", pairs, image_size=224)
        (Arrays(9 images, 8x8x3), 9)
    """
    shape = _image_shape(split, dataset)
    batched = len(dataset.element_spec[0].shape) == 4
    if None not in shape:
        batches = list(_read(split, dataset if batched else dataset.batch(BATCH)))
        _check_not_empty(split, batches)
        images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return from_arrays(split, images, labels)
    return _serialized(split, dataset.unbatch() if batched else dataset, (image_size, image_size, shape[-1]))


def _serialized(split, dataset, image_shape):
    images, labels, spans = [], [], []
    for image, label in _read(split, dataset):
        pixels = as_pixels(image[None], split)[0]
        images.append(tf.io.serialize_tensor(pixels).numpy())
        labels.append(label)
        spans.append((pixels.min(), pixels.max()))
    _check_not_empty(split, images)
    low, high = np.min(spans), np.max(spans)
    check_range(pixels.dtype, low, high, split)
    numbers, classes = class_numbers(np.stack(labels), split)
    return Serialized(images, numbers, image_shape, tf.as_dtype(pixels.dtype)), classes


def _image_shape(split, dataset):
    """The static shape of an image: (height, width, channels), None where it differs."""
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(part, tf.TensorSpec) for part in spec)):
        raise ValueError(f"The {split} data set must have pairs (image, label) or batches of them as elements.")
    shape = spec[0].shape
    if shape.rank not in (3, 4) or shape[-1] is None:
        raise ValueError(
            f"The {split} data set has images of shape {shape}; it must be (height, width, channels), or (batch, "
            "height, width, channels), with a known number of channels."
        )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(f"The {split} data set is infinite; leave out repeat(), because training repeats it.")
    return tuple(shape[-3:])


def _read(split: str, dataset: tf.data.Dataset) -> Iterator[tuple[Any, Any]]:
    """The elements as arrays, as long as they fit into memory."""
    limit = MEMORY_FRACTION * machine_memory()
    total = 0
    for images, labels in without_autotuning(dataset).as_numpy_iterator():
        total += images.nbytes
        if total > limit:
            raise ValueError(
                f"The {split} data set is infinite, or its images take more than {limit / 2**30:.1f} GiB of memory; "
                "write them as files into a folder for each class."
            )
        yield images, labels


def _check_not_empty(split, elements):
    if not elements:
        raise ValueError(f"The {split} split is empty.")
