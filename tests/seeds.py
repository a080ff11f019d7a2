"""Stateless random functions, called with many seeds or traced, for tests of distributions and shapes."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def over_seeds(function: Callable, count: int) -> np.ndarray | tuple[np.ndarray, ...]:
    """Stacked results of `function` for `count` seeds, computed in tf.data as in training."""
    seeds = tf.data.Dataset.range(count).map(lambda index: tf.stack([tf.cast(index, tf.int32), 5]))
    return next(seeds.map(lambda seed: function(seed)).batch(count).as_numpy_iterator())


def graph_of(function: Callable, *specs: tf.TensorSpec) -> tf.types.experimental.ConcreteFunction:
    """Traces a function of tensors with these specs and a seed."""
    return tf.function(function, input_signature=[*specs, tf.TensorSpec([2], tf.int32)]).get_concrete_function()
