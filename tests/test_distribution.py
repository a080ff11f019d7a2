"""keras_resnet.Model on two devices against one: the same global batches, the same weights."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import create_model

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (56, 8, 8, 3)).astype("float32")
LABELS = RANDOM.integers(0, 4, 56)
WEIGHTS = RANDOM.uniform(0.2, 2, 56).astype("float32")


def net(optimizer):
    """A small net; without batch normalization, whose statistics are each device's own."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-2))(x)
    x = keras.layers.Flatten()(x)
    outputs = keras.layers.Dense(4, dtype="float32")(x)
    model = keras_resnet.Model(inputs, outputs)
    model.compile(
        optimizer(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
    )
    return model


def sgd(**options):
    return lambda: keras.optimizers.SGD(0.1, momentum=0.9, **options)


def batches(sizes, weighted=False):
    """Batches of these sizes, over and over."""
    ends = np.cumsum(sizes)

    def examples():
        for start, end in zip(ends - sizes, ends, strict=True):
            part = slice(start, end)
            # Copies: TensorFlow takes the arrays as they are, and may compute in their place.
            yield tuple(array[part].copy() for array in (IMAGES, LABELS, WEIGHTS)[: 3 if weighted else 2])

    specs = [tf.TensorSpec((None, 8, 8, 3)), tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None,))]
    return tf.data.Dataset.from_generator(examples, output_signature=tuple(specs[: 3 if weighted else 2])).repeat()


def both(optimizer, sizes=(8,) * 7, weighted=False):
    """(model, history) after a fit on one device and on two."""
    results = []
    for strategy in (
        tf.distribute.get_strategy(),
        tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()),
    ):
        with strategy.scope():
            model = net(optimizer)
            history = model.fit(
                batches(sizes, weighted), epochs=2, steps_per_epoch=len(sizes), shuffle=False, verbose=0
            )
        results.append((model, history.history))
    return results


def assert_equal(one, two):
    for ours, theirs in zip(one[0].get_weights(), two[0].get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        assert np.isfinite(ours).all()
    for name in one[1]:
        np.testing.assert_allclose(one[1][name], two[1][name], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    "optimizer",
    [
        sgd(),
        sgd(clipnorm=0.1),
        sgd(global_clipnorm=0.1),
        sgd(clipvalue=0.01),
        sgd(use_ema=True),
        lambda: keras.optimizers.AdamW(0.01),
    ],
    ids=["sgd", "clipnorm", "global_clipnorm", "clipvalue", "ema", "adamw"],
)
def test_two_devices_make_the_weights_of_one(optimizer):
    assert_equal(*both(optimizer))


@pytest.mark.parametrize("sizes", [(8, 8, 5), (3, 8), (8, 1, 8), (1, 1)], ids=str)
def test_uneven_batches_and_replicas_without_an_example(sizes):
    assert_equal(*both(sgd(), sizes))


@pytest.mark.parametrize("sizes", [(8, 8, 8), (8, 5)], ids=str)
def test_sample_weights(sizes):
    assert_equal(*both(sgd(), sizes, weighted=True))


def test_replica_without_an_example_leaves_statistics_finite():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    with strategy.scope():
        model = create_model("resnet20_cifar", depths=(1, 1), widths=(4, 8), input_shape=(8, 8, 3), classes=4)
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(batches((8, 1)), steps_per_epoch=2, shuffle=False, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


class PlantedInfinity(keras.layers.Layer):
    """Makes a loss infinite whose image has the red corner of the value 255."""

    def call(self, scores, images):
        return scores + tf.where(images[:, 0, 0, 0] == 255, np.inf, 0.0)[:, None]


@pytest.mark.parametrize("place", [0, 6])
def test_overflow_on_any_replica_is_skipped_everywhere(place):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())
    images = np.minimum(IMAGES[:8], 200)
    images[place, 0, 0, 0] = 255
    with strategy.scope():
        inputs = keras.Input((8, 8, 3))
        scores = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
        model = keras_resnet.Model(inputs, PlantedInfinity()(scores, inputs))
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3), initial_scale=1024.0)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        before = model.get_weights()
        dataset = tf.data.Dataset.from_tensors((images, LABELS[:8]))
        model.fit(dataset, shuffle=False, verbose=0)
        for weight, old in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, old)
        assert float(optimizer.dynamic_scale.numpy()) == 512
        images[place, 0, 0, 0] = 0
        model.fit(tf.data.Dataset.from_tensors((images, LABELS[:8])), shuffle=False, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])


def test_one_device_is_keras_own():
    """Bit by bit, against the plain keras.Model."""
    ours = net(sgd())
    theirs = keras.Model(ours.inputs, ours.outputs)
    start = ours.get_weights()
    histories = []
    for model in (ours, theirs):
        model.compile(sgd()(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.set_weights(start)
        model.fit(batches((8,) * 7), steps_per_epoch=7, shuffle=False, verbose=0)
        histories.append(model.get_weights())
    for one, other in zip(*histories, strict=True):
        np.testing.assert_array_equal(one, other)


def test_evaluate_and_predict_on_two_devices():
    one, two = both(sgd(), (8, 5))
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8)
    np.testing.assert_allclose(one[0].evaluate(dataset, verbose=0), two[0].evaluate(dataset, verbose=0), rtol=1e-4)
    np.testing.assert_allclose(
        one[0].predict(IMAGES[:11], batch_size=8, verbose=0), two[0].predict(IMAGES[:11], batch_size=8, verbose=0),
        rtol=1e-3, atol=1e-4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "hook", "parameters"),
    [
        (keras.optimizers.SGD, "_all_reduce_sum_gradients", ["self", "grads_and_vars"]),
        (keras.Model, "_maybe_symbolic_build", ["self", "iterator", "data_batch"]),
        (keras.Model, "_compute_loss", ["self", "x", "y", "y_pred", "sample_weight", "training"]),
    ],
)
def test_keras_still_has_the_hooks(owner, hook, parameters):
    """If this fails, this version of Keras needs another keras_resnet/distribution.py."""
    assert list(inspect.signature(getattr(owner, hook)).parameters) == parameters
