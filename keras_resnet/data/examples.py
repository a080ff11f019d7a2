"""Examples: labelled images as arrays, files or sharded records, behind one interface.

What differs is where the pixels come from and what order an epoch can have; the rest of the input
pipeline (`batches`) is the same for all.
"""

import abc
import dataclasses
import functools
import hashlib
import json
import os
import pathlib

import numpy as np
import tensorflow as tf

from keras_resnet.data.decoding import read_bytes

# Of sharded records, an epoch's order is drawn by: the order of the shards, so many of them read in turn, blocks of so
# many records from each, and a shuffle of each so many records (of ImageNet's, 225 MB, twice).
SHARDS_IN_TURN, RECORDS_IN_TURN, WINDOW = 16, 16, 2048


class Examples(abc.ABC):
    """Labelled images.

    A *handle* is what an input pipeline passes along of an example until it needs the pixels: a tuple of tensors, the
    first of them the example's index.
    """

    image_shape: tuple[int, int, int]  # (height, width, channels) that a model is fed with

    @abc.abstractmethod
    def __len__(self): ...

    @abc.abstractmethod
    def take(self, indices) -> "Examples":
        """The examples at `indices`, which rise."""

    @abc.abstractmethod
    def handles(self, seed=None) -> tf.data.Dataset:
        """Every example's handle once: in order, or in the order that `seed`, a pair of ints, draws."""

    @abc.abstractmethod
    def image(self, handle):
        """The image, uint8 or float32 (H, W, C), or its encoding, a scalar string; in a graph."""

    @abc.abstractmethod
    def label(self, handle):
        """The class number, a scalar int32; in a graph."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """Of what determines the examples."""


def _shuffled(count, seed):
    if seed is None:
        return tf.range(count)
    # Not index_shuffle: its orders of neighbouring epochs correlate (0.68 over 45,000 examples).
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed)


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays(Examples):
    """Images (N, H, W, C), uint8 or float32 in 0 to 255, and their labels (N,), int32 from 0, in memory."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    @property
    def image_shape(self):
        return self.images.shape[1:]

    def take(self, indices):
        return Arrays(self.images[indices], self.labels[indices])

    def handles(self, seed=None):
        return tf.data.Dataset.from_tensor_slices((_shuffled(len(self), seed),))

    def image(self, handle):
        return self._images[handle[0]]

    def label(self, handle):
        return self._labels[handle[0]]

    def fingerprint(self):
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()

    @functools.cached_property
    def _images(self):
        return _constant(self.images)

    @functools.cached_property
    def _labels(self):
        return _constant(self.labels)


class Encoded(Examples):
    """Examples whose images are encoded: of any size, and perhaps damaged."""

    @abc.abstractmethod
    def name(self, index: int) -> str:
        """What tells a user which image that is."""

    @abc.abstractmethod
    def content(self, index: int, *rest_of_handle) -> bytes:
        """The encoded image, outside a graph. Raises ValueError where it cannot be read."""

    @abc.abstractmethod
    def file_names(self) -> list[str]:
        """The file name, without folders, that each image has or had."""


@dataclasses.dataclass(frozen=True, eq=False)
class Files(Encoded):
    """Image files under `folder`, their paths in it, and their labels (N,), int32 from 0."""

    folder: pathlib.Path
    paths: np.ndarray
    labels: np.ndarray
    image_shape: tuple[int, int, int]

    def __len__(self):
        return len(self.labels)

    def take(self, indices):
        return dataclasses.replace(self, paths=self.paths[indices], labels=self.labels[indices])

    def handles(self, seed=None):
        return tf.data.Dataset.from_tensor_slices((_shuffled(len(self), seed),))

    def image(self, handle):
        return tf.io.read_file(tf.strings.join([f"{self.folder}{os.sep}", self._paths[handle[0]]]))

    def label(self, handle):
        return self._labels[handle[0]]

    def fingerprint(self):
        digest = hashlib.sha256(self.labels.tobytes())
        for path in self.paths:
            digest.update(f"{path}:{(self.folder / path).stat().st_size}\n".encode())
        return digest.hexdigest()

    def name(self, index):
        return str(self.folder / self.paths[index])

    def content(self, index):
        return read_bytes(self.folder / self.paths[index])

    def file_names(self):
        return [pathlib.PurePath(path).name for path in self.paths]

    @functools.cached_property
    def _paths(self):
        return _constant(self.paths)

    @functools.cached_property
    def _labels(self):
        return _constant(self.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class Records(Encoded):
    """TFRecord files of examples with the features "image" (encoded) and "label", as TFDS writes them, too.

    Args:
        shards: paths of the files.
        counts: records in each.
        image_shape: that a model is fed with.
        kept: whether a record belongs to the examples, (sum of counts,).
        checksum: of the content, if it is known.
    """

    shards: tuple[str, ...]
    counts: tuple[int, ...]
    image_shape: tuple[int, int, int]
    kept: np.ndarray
    checksum: str = ""

    def __len__(self):
        return int(self.kept.sum())

    def take(self, indices):
        kept = np.zeros_like(self.kept)
        kept[np.flatnonzero(self.kept)[indices]] = True
        return dataclasses.replace(self, kept=kept)

    def handles(self, seed=None):
        starts = np.cumsum((0, *self.counts[:-1]))
        order = _shuffled(len(self.shards), seed)
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

    def image(self, handle):
        return _parsed(handle[1], "image", tf.string)

    def label(self, handle):
        return tf.cast(_parsed(handle[1], "label", tf.int64), tf.int32)

    def fingerprint(self):
        shards = [f"{os.path.basename(path)}:{os.path.getsize(path)}" for path in self.shards]
        text = json.dumps([self.checksum, shards, self.counts, hashlib.sha256(self.kept.tobytes()).hexdigest()])
        return hashlib.sha256(text.encode()).hexdigest()

    def name(self, index):
        ends = np.cumsum(self.counts)
        shard = int(np.searchsorted(ends, index, side="right"))
        return f"{self.shards[shard]}, record {index - ends[shard] + self.counts[shard]}"

    def content(self, index, record):
        return tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]

    def file_names(self):
        names = self.handles().map(lambda _, record: _parsed(record, "file_name", tf.string))
        return [name.decode() for name in names.as_numpy_iterator()]

    @functools.cached_property
    def _kept(self):
        return _constant(self.kept)


def _parsed(record, feature, kind):
    default = "" if kind == tf.string else 0
    return tf.io.parse_single_example(record, {feature: tf.io.FixedLenFeature([], kind, default)})[feature]


def _shuffled_in_windows(records, seed):
    """Shuffles each window of records. Not `Dataset.shuffle`, which mixes the process's global seed in."""

    def shuffle(number, window):
        window_seed = tf.random.experimental.stateless_fold_in(seed, number)
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.shape(window[0])[0]), window_seed)
        return tuple(tf.gather(part, order) for part in window)

    return records.batch(WINDOW).enumerate().map(shuffle).prefetch(1).unbatch()


def _constant(array):
    with tf.init_scope():  # not in the graph of the pipeline that asks first
        return tf.constant(array)
