"""Many draws of a stateless function, for tests of distributions."""

import tensorflow as tf


def over_seeds(function, count):
    """What `function` returns for each of `count` seeds, stacked; within tf.data, as in training."""
    seeds = tf.data.Dataset.range(count).map(lambda index: tf.stack([tf.cast(index, tf.int32), 5]))
    return next(seeds.map(lambda seed: function(seed)).batch(count).as_numpy_iterator())


def graph_of(function, *specs):
    """The graph of a function of an image of each of these static shapes and a seed."""
    return tf.function(function, input_signature=[*specs, tf.TensorSpec([2], tf.int32)]).get_concrete_function()
