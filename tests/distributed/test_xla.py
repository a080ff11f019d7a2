"""Steps that XLA compiles on each of two devices: as on one device without XLA."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import create_model
from keras_resnet.distributed.strategies import mirrored
from tests.distributed.test_replicas import (
    IMAGES,
    LABELS,
    OPTIMIZERS,
    RECIPES_OPTIMIZERS,
    SIZES,
    WAYS,
    assert_equal,
    assert_same_scores,
    batches,
    both,
    net,
    sgd,
)
from tests.marks import few


@pytest.mark.parametrize("name", few(OPTIMIZERS))
def test_optimizers(name):
    assert_equal(*both(OPTIMIZERS[name], jit_compile=True))


@pytest.mark.parametrize("name", few(RECIPES_OPTIMIZERS))
def test_recipes_optimizers(name):
    assert_equal(*both(RECIPES_OPTIMIZERS[name], sizes=(8, 8, 5, 8, 8, 3, 8), jit_compile=True))


COMPILABLE = [name for name in WAYS if name not in ("eager", "synchronized")]


@pytest.mark.parametrize("name", few(COMPILABLE))
def test_ways_of_training(name):
    assert_equal(*both(sgd(0.01), **WAYS[name], jit_compile=True))


@pytest.mark.parametrize("sizes", few(SIZES, (8, 1, 8)), ids=str)
def test_uneven_and_empty_shards(sizes):
    assert_equal(*both(sgd(), sizes, jit_compile=True))


@pytest.mark.exhaustive
def test_evaluate_and_predict():
    assert_same_scores(*both(sgd(), (8, 5), weighted=True, jit_compile=True))


def small_resnet(jit_compile, precision="float32", **options):
    """A net on two devices, with steps so small that rounding stays small."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with mirrored().scope():
            model = create_model(
                "resnet20_cifar", depths=(1, 1), widths=(4, 8), input_shape=(8, 8, 3), classes=4, **options
            )
            model.compile(sgd(0.01)(), "sparse_categorical_crossentropy", jit_compile=jit_compile)
    finally:
        keras.config.set_dtype_policy(before)
    return model


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        (dict(block="bottleneck", attention="se", groups=2), 1e-5),
        (dict(precision="mixed_bfloat16"), 2e-2),
        (dict(precision="mixed_float16"), 2e-3),
    ],
    ids=str,
)
def test_residual_networks_train_as_without_xla(options, tolerance):
    """On both devices, also their moving statistics."""
    plain, compiled = (small_resnet(jit_compile, **options) for jit_compile in (False, True))
    for model in (plain, compiled):
        model.fit(batches((7,)), steps_per_epoch=2, shuffle=False, verbose=0)
    for one, other in zip(plain.variables, compiled.variables, strict=True):
        for ours, theirs in zip(one.value.values, other.value.values, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=tolerance, atol=tolerance, err_msg=one.path)


@pytest.mark.exhaustive
def test_seed_generators_advance_on_each_device():
    """XLA may draw other numbers from the same seed, so weights are not compared."""
    with mirrored().scope():
        layer = keras.layers.Dropout(0.5, seed=3)
        model = net(sgd(), layer=lambda: layer, jit_compile=True)
    model.fit(batches((8,)), steps_per_epoch=2, shuffle=False, verbose=0)
    for state in layer.seed_generator.state.value.values:
        np.testing.assert_array_equal(state, [3, 2])


class InPython(keras.layers.Layer):
    """Returns its inputs by an operation that XLA does not have."""

    def call(self, inputs):
        return tf.ensure_shape(tf.numpy_function(lambda values: values, [inputs], inputs.dtype), inputs.shape)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("method", few(["fit", "evaluate", "predict"], "fit"))
def test_steps_are_compiled_if_asked_for(method, jit_compile):
    with mirrored().scope():
        inputs = keras.Input((8, 8, 3))
        scores = keras.layers.Dense(4)(keras.layers.Flatten()(InPython()(inputs)))
        model = keras_resnet.Model(inputs, scores)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(1e-3), loss, jit_compile=jit_compile)
    run = functools.partial(model.fit, shuffle=False) if method == "fit" else getattr(model, method)
    dataset = tf.data.Dataset.from_tensors((IMAGES[:8], LABELS[:8]))
    if jit_compile:
        with pytest.raises(tf.errors.InvalidArgumentError, match="XLA"):
            run(dataset, verbose=0)
    else:
        assert run(dataset, verbose=0) is not None


def test_metrics_of_probabilities_are_computed_from_their_logits():
    """They would be clipped at 16."""
    with mirrored().scope():
        inputs = keras.Input((4,))
        model = keras_resnet.Model(inputs, keras.layers.Softmax()(inputs))
        entropy = "sparse_categorical_crossentropy"
        model.compile(loss=entropy, metrics=[entropy], jit_compile=True)
    logits = np.diag([40.0, 50.0, 60.0]).astype("float32") @ np.eye(3, 4, dtype="float32")
    scores = model.evaluate(logits, np.full(3, 3), batch_size=3, verbose=0)
    np.testing.assert_allclose(scores, 50, rtol=1e-6)


def test_synchronized_batch_normalization_is_refused_in_training():
    with mirrored().scope():
        layer = keras.layers.BatchNormalization(synchronized=True)
        model = net(sgd(), layer=lambda: layer, jit_compile=True)
    with pytest.raises(ValueError, match="XLA cannot compile synchronized batch normalization"):
        model.fit(batches((8,)), steps_per_epoch=1, shuffle=False, verbose=0)
    assert np.isfinite(model.predict(IMAGES[:2], verbose=0)).all()


@pytest.mark.exhaustive
def test_a_loop_of_your_own():
    """`train_step` in a `tf.function` is compiled; elsewhere, it is not."""
    strategy, results = mirrored(), []
    for in_function in (False, True):
        with strategy.scope():
            model = net(sgd(), jit_compile=True)
            model.optimizer.build(model.trainable_variables)

        def step(batch, model=model):
            strategy.run(model.train_step, args=(batch,))

        for batch in strategy.experimental_distribute_dataset(batches((8,)).take(1)):
            (tf.function(step) if in_function else step)(batch)
        results.append((model, {}))
    assert_equal(*results)
