"""`jit_compile="elementwise"`: XLA compiles elementwise operations only, with the results of the step without XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import create_model
from keras_resnet.distributed.elementwise import OPERATIONS, elementwise_compiled
from keras_resnet.distributed.strategies import mirrored
from tests.distributed.test_replicas import OPTIMIZERS, WAYS, assert_equal, batches, both, net, sgd
from tests.marks import few


@pytest.mark.parametrize("name", few(OPTIMIZERS, "accumulation"))
def test_two_devices_are_as_one_without_xla(name):
    assert_equal(*both(OPTIMIZERS[name], jit_compile="elementwise"))


@pytest.mark.parametrize("name", few([name for name in WAYS if name not in ("eager", "synchronized")]))
def test_ways_of_training(name):
    assert_equal(*both(sgd(0.01), **WAYS[name], jit_compile="elementwise"))


@pytest.mark.parametrize("name", few(OPTIMIZERS, "all"))
def test_one_device_is_as_without_xla(name):
    assert_equal(*both(OPTIMIZERS[name], jit_compile="elementwise", strategy=tf.distribute.get_strategy()))


def compiled_operations(model):
    """The types of the operations of a training step that XLA is to compile."""
    step = tf.function(lambda data: model.train_step(data)).get_concrete_function(
        tuple(tf.TensorSpec(part.shape, part.dtype) for part in next(iter(batches((8,)))))
    )
    return {node.type for node in step.graph.get_operations() if node.node_def.attr["_XlaCompile"].b}


@pytest.mark.parametrize("jit_compile", [False, "elementwise"])
def test_only_elementwise_operations_are_compiled(jit_compile):
    keras.utils.set_random_seed(0)
    model = net(sgd(0.01), jit_compile=jit_compile)
    operations = compiled_operations(model)
    assert operations <= OPERATIONS
    assert {"Mul", "Sub"} <= operations if jit_compile else not operations


def test_eager_operations_run_as_without_xla():
    """TensorFlow's own scope refuses them."""
    with elementwise_compiled():
        assert tf.nn.relu(2 * tf.constant([-1.0, 3.0]) - 1).numpy().tolist() == [0, 5]


def first_update(precision, jit_compile, devices=1):
    """How the first step changes the weights of a small ResNet, as one vector."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        with (mirrored() if devices > 1 else tf.distribute.get_strategy()).scope():
            model = create_model("resnet20_cifar", depths=(2, 2), widths=(8, 16), input_shape=(8, 8, 3), classes=4)
            model.compile(sgd(0.01)(), "sparse_categorical_crossentropy", jit_compile=jit_compile)
    finally:
        keras.config.set_dtype_policy(before)
    old = [variable.numpy() for variable in model.trainable_variables]
    model.fit(batches((8,)), steps_per_epoch=1, shuffle=False, verbose=0)
    return np.concatenate(
        [(variable.numpy() - was).ravel() for variable, was in zip(model.trainable_variables, old, strict=True)]
    )


def test_synchronized_batch_normalization_is_refused():
    with mirrored().scope():
        model = net(sgd(), layer=lambda: keras.layers.BatchNormalization(synchronized=True), jit_compile="elementwise")
    with pytest.raises(ValueError, match="XLA cannot compile synchronized batch normalization"):
        model.fit(batches((8,)), steps_per_epoch=1, shuffle=False, verbose=0)


def test_other_texts_are_refused():
    with pytest.raises(ValueError, match="jit_compile='elementwize' must be True, False, 'auto' or 'elementwise'"):
        net(sgd(), jit_compile="elementwize")


def test_saved_file_keeps_it(tmp_path):
    model = net(sgd(), jit_compile="elementwise")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "net.keras")
    assert compiled_operations(keras.saving.load_model(tmp_path / "net.keras"))


@pytest.mark.parametrize("devices", few([1, 2], 2))
def test_bfloat16_is_about_as_near_to_float32(devices):
    """XLA rounds fewer intermediate results to bfloat16."""
    exact = first_update("float32", False)
    plain, compiled = (
        np.linalg.norm(first_update("mixed_bfloat16", each, devices) - exact) / np.linalg.norm(exact)
        for each in (False, "elementwise")
    )
    assert compiled < max(1.25 * plain, 0.05)
