"""Examples: labeled images as arrays, files or sharded records, with one interface.

The subclasses differ in where images are read from and how an epoch is shuffled; the rest of the input pipeline
(`batches`) is the same for all.
"""

import abc
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnet.data.autotuning import without_autotuning
from keras_resnet.data.decoding import EncodedImage
from keras_resnet.data.fingerprints import fingerprint_of_files
from keras_resnet.errors import first_line
from keras_resnet.runtimes.decoding import printable, read_bytes
from keras_resnet.transforms.crops import DecodedImage, LazyImage

Handle = tuple[tf.Tensor, ...]
Seed = tuple[int | tf.Tensor, int | tf.Tensor]

# How sharded records are shuffled: the shards are shuffled, SHARDS_IN_TURN of them are read in turn, RECORDS_IN_TURN
# records at a time, and each WINDOW of records is shuffled (two windows of ImageNet's in memory, 225 MB each).
SHARDS_IN_TURN, RECORDS_IN_TURN, WINDOW = 16, 16, 2048


class Examples(abc.ABC):
    """Labeled images.

    A *handle* represents an example in an input pipeline until its pixels are needed: a tuple of tensors, of which the
    first is the example's index.
    """

    image_shape: tuple[int, int, int]  # (height, width, channels) of the model's input
    labels: np.ndarray  # class numbers from 0, int32 (N,)

    @property
    def labels_are_known(self) -> bool:
        """Whether `labels` reads nothing."""
        return True

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def take(self, indices: np.ndarray) -> "Examples":
        """The examples at `indices`, which must be in ascending order."""

    @abc.abstractmethod
    def handles(self, seed: Seed | None = None) -> tf.data.Dataset:
        """Every example's handle once: in order, or shuffled by `seed`, a pair of ints."""

    @abc.abstractmethod
    def image(self, handle: Handle) -> LazyImage:
        """The image, uint8 or float32 (H, W, C), in a graph."""

    @abc.abstractmethod
    def label(self, handle: Handle) -> tf.Tensor:
        """The class number, a scalar int32, in a graph."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Checksum of all that determines the examples; of files, see `fingerprints`."""

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        return f"{type(self).__name__}({len(self):,} images, {height}x{width}x{channels})"


def shuffled_indices(count: int, seed: Seed | None) -> tf.Tensor:
    """0 to `count` - 1, int32: in order, or shuffled by `seed`."""
    if seed is None:
        return tf.range(count)
    # Not index_shuffle: its orders of neighboring epochs correlate (0.68 over 45,000 examples).
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed)


class InMemoryLabels(Examples):
    """Examples whose labels (N,), int32 from 0, are in memory. A handle is the index alone."""

    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def handles(self, seed: Seed | None = None) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices((shuffled_indices(len(self), seed),))

    def label(self, handle: Handle) -> tf.Tensor:
        return self._labels[handle[0]]

    @functools.cached_property
    def _labels(self):
        return constant(self.labels)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Arrays(InMemoryLabels):
    """Images (N, H, W, C), uint8 or float32 in 0 to 255, and their labels (N,), int32 from 0, in memory."""

    images: np.ndarray
    labels: np.ndarray

    @property
    def image_shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        return self.images.shape[1:]

    def take(self, indices: np.ndarray) -> "Arrays":
        return Arrays(self.images[indices], self.labels[indices])

    def image(self, handle: Handle) -> LazyImage:
        return DecodedImage(self._images[handle[0]])

    def batch(self, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images (B, H, W, C) and labels (B,) at `indices`, in a graph."""
        return tf.gather(self._images, indices), tf.gather(self._labels, indices)

    def fingerprint(self) -> str:
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()

    @functools.cached_property
    def _images(self):
        return constant(self.images)


class Encoded(Examples):
    """Examples whose images are encoded, of any size, and perhaps unreadable."""

    @abc.abstractmethod
    def name(self, index: int) -> str:
        """Path, or file and number, that identifies an image to the user."""

    @abc.abstractmethod
    def content(self, index: int, *rest_of_handle) -> bytes:
        """The encoded image, outside a graph.

        Raises:
            ValueError: it cannot be read.
        """

    @abc.abstractmethod
    def file_names(self) -> list[str]:
        """The original file name of each image, without its folder."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Files(InMemoryLabels, Encoded):
    """Image files: their paths relative to `folder`, and their labels (N,), int32 from 0."""

    folder: pathlib.Path
    paths: np.ndarray
    labels: np.ndarray
    image_shape: tuple[int, int, int]

    def take(self, indices: np.ndarray) -> "Files":
        return dataclasses.replace(self, paths=self.paths[indices], labels=self.labels[indices])

    def image(self, handle: Handle) -> LazyImage:
        path = tf.strings.join([os.fsencode(f"{self.folder}{os.sep}"), self._paths[handle[0]]])
        return EncodedImage(tf.io.read_file(path))

    def fingerprint(self) -> str:
        files = fingerprint_of_files([self.folder / path for path in self.paths], list(self.paths))
        return hashlib.sha256(self.labels.tobytes() + files.encode()).hexdigest()

    def name(self, index: int) -> str:
        return printable(self.folder / self.paths[index])

    def content(self, index: int) -> bytes:
        return read_bytes(self.folder / self.paths[index])

    def file_names(self) -> list[str]:
        return [pathlib.PurePath(path).name for path in self.paths]

    @functools.cached_property
    def _paths(self):
        return constant(np.array([os.fsencode(path) for path in self.paths], object))  # a name may be no valid UTF-8


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Records(Encoded):
    """TFRecord files with the features "image" (encoded) and "label", as this package and TFDS write them.

    Args:
        shards: paths of the files.
        counts: number of records in each.
        image_shape: (height, width, channels) of the model's input.
        kept: whether each record is one of the examples, bool (sum of counts,).
        checksum: of the content, if known.
    """

    shards: tuple[str, ...]
    counts: tuple[int, ...]
    image_shape: tuple[int, int, int]
    kept: np.ndarray
    checksum: str = ""

    def __len__(self) -> int:
        return int(self.kept.sum())

    def take(self, indices: np.ndarray) -> "Records":
        kept = np.zeros_like(self.kept)
        kept[np.flatnonzero(self.kept)[indices]] = True
        return dataclasses.replace(self, kept=kept)

    def handles(self, seed: Seed | None = None) -> tf.data.Dataset:
        starts = np.cumsum((0, *self.counts[:-1]))
        order = shuffled_indices(len(self.shards), seed)
        shards = tf.data.Dataset.from_tensor_slices((tf.gather(list(self.shards), order), tf.gather(starts, order)))

        def read(shard, start):
            return tf.data.TFRecordDataset(shard).enumerate(start)

        if seed is None:
            records = shards.flat_map(read)
        else:
            records = shards.interleave(read, SHARDS_IN_TURN, RECORDS_IN_TURN, tf.data.AUTOTUNE, deterministic=True)
        if not self.kept.all():
            records = records.filter(lambda index, _: self._kept[index])
        if seed is not None:
            records = _shuffled_in_windows(records, seed)
        return records.map(lambda index, record: (tf.cast(index, tf.int32), record))

    def image(self, handle: Handle) -> LazyImage:
        return EncodedImage(_parsed(handle[1], "image", tf.string))

    def label(self, handle: Handle) -> tf.Tensor:
        return tf.cast(_parsed(handle[1], "label", tf.int64), tf.int32)

    def fingerprint(self) -> str:
        shards = [pathlib.Path(shard) for shard in self.shards]
        files = fingerprint_of_files(shards, [shard.name for shard in shards])
        text = json.dumps([self.checksum, files, self.counts, hashlib.sha256(self.kept.tobytes()).hexdigest()])
        return hashlib.sha256(text.encode()).hexdigest()

    def name(self, index: int) -> str:
        ends = np.cumsum(self.counts)
        shard = int(np.searchsorted(ends, index, side="right"))
        return f"{printable(self.shards[shard])}, record {index - ends[shard] + self.counts[shard]}"

    def content(self, index: int, record: bytes) -> bytes:
        return tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]

    @property
    def labels_are_known(self) -> bool:
        return "labels" in vars(self)

    def file_names(self) -> list[str]:
        names = self.handles().map(lambda _, record: _parsed(record, "file_name", tf.string))
        return [os.fsdecode(name) for name in without_autotuning(names).as_numpy_iterator()]

    @functools.cached_property
    def labels(self) -> np.ndarray:  # type: ignore[override]
        """Read from the records, all of which this reads once.

        Raises:
            ValueError: a shard is damaged.
        """
        labels = without_autotuning(self.handles().map(lambda *handle: self.label(handle), tf.data.AUTOTUNE))
        try:
            return np.fromiter(labels.as_numpy_iterator(), "int32", len(self))
        except (tf.errors.OpError, ValueError) as error:
            folder = printable(pathlib.Path(self.shards[0]).parent)
            raise ValueError(f"A shard in {folder} is damaged ({first_line(error)}); prepare it again.") from error

    @functools.cached_property
    def _kept(self):
        return constant(self.kept)


def _parsed(record, feature, kind):
    default = "" if kind == tf.string else 0
    return tf.io.parse_single_example(record, {feature: tf.io.FixedLenFeature([], kind, default)})[feature]


def _shuffled_in_windows(records, seed):
    """Shuffles each window of records. Not by `Dataset.shuffle`, which also depends on the process's global seed."""

    def shuffle(number, window):
        window_seed = tf.random.experimental.stateless_fold_in(seed, number)
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(window[0])[0]), window_seed)
        return tuple(tf.gather(part, order) for part in window)

    return records.batch(WINDOW).enumerate().map(shuffle).prefetch(1).unbatch()


def constant(array: Any) -> tf.Tensor:
    """A tensor outside the graph of the pipeline that first uses it."""
    with tf.init_scope():
        return tf.constant(array)
