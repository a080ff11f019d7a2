"""Splits batches into contiguous shards of nearly equal size."""

import tensorflow as tf


def shard_bounds(size: tf.Tensor | int, index: int, count: int) -> tuple[tf.Tensor | int, tf.Tensor | int]:
    """The bounds (start, end) of a shard.

    Args:
        size: number of examples in the batch.
        index: of the shard, from 0.
        count: number of shards; their sizes differ by at most 1.

    Example:
        >>> from keras_resnet.distributed.sharding import shard_bounds
        >>> [shard_bounds(5, index, 2) for index in range(2)]
        [(0, 2), (2, 5)]
    """
    return size * index // count, size * (index + 1) // count


def split_into_shards(batches: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Splits each batch into `count` shards, one after the other: the order in which a worker's replicas take them."""
    if count == 1:
        return batches

    def shards_of(*batch):
        size = tf.shape(batch[0], tf.int64)[0]

        def shard(index):
            start, end = shard_bounds(size, index, count)
            return tf.nest.map_structure(lambda values: values[start:end], batch)

        return tf.data.Dataset.range(count).map(shard)

    return batches.flat_map(shards_of)
