"""Layers against NumPy and Keras in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet.layers import BatchNormalization, BlurPool, Conv2D, ReLU, StandardizedConv2D, ZeroPaddedShortcut
from tests.jax_process import run_on_jax

SHAPE = (4, 5, 6, 7)


def draw(seed=0):
    random = np.random.default_rng(seed)
    x, upstream = random.normal(1, 3, SHAPE), random.normal(size=SHAPE)
    gamma, beta = random.uniform(0.5, 1.5, 7), random.normal(size=7)
    return x, upstream, gamma, beta


def reference(x, upstream, gamma, beta, epsilon=1e-5):
    """Outputs, gradients and statistics of batch normalization (Ioffe and Szegedy 2015), float64."""
    n = np.prod(SHAPE[:3])
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    normal = (x - mean) / np.sqrt(variance + epsilon)
    d_normal = upstream * gamma
    d_x = d_normal - d_normal.mean((0, 1, 2)) - normal * (d_normal * normal).mean((0, 1, 2))
    return {
        "outputs": normal * gamma + beta,
        "d_x": d_x / np.sqrt(variance + epsilon),
        "d_gamma": (upstream * normal).sum((0, 1, 2)),
        "d_beta": upstream.sum((0, 1, 2)),
        "moving_mean": 0.1 * mean,
        "moving_variance": 0.9 + 0.1 * variance * n / (n - 1),
    }


def measured(dtype):
    x, upstream, gamma, beta = draw()
    layer = BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype)
    layer.build(SHAPE)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    x = tf.constant(x, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * upstream)
    d_x, d_gamma, d_beta = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
    assert outputs.dtype == layer.compute_dtype
    return {
        "outputs": outputs,
        "d_x": d_x,
        "d_gamma": d_gamma,
        "d_beta": d_beta,
        "moving_mean": layer.moving_mean,
        "moving_variance": layer.moving_variance,
    }


ON_JAX = """
import jax, keras, numpy as np
from keras_resnet.layers import BatchNormalization

with np.load("in.npz") as arrays:
    x, upstream, gamma, beta, mean = (arrays[name].astype("float32") for name in arrays)
layer = BatchNormalization(momentum=0.9, epsilon=1e-5)
layer.build(x.shape)
layer.moving_mean.assign(mean)

def loss(weights, x):
    outputs, statistics = layer.stateless_call(weights, [mean, np.ones(7, "float32")], x, training=True)
    return (outputs * upstream).sum(), (outputs, statistics)

gradient = jax.jit(jax.grad(loss, (0, 1), has_aux=True))
((d_gamma, d_beta), d_x), (outputs, (mean, variance)) = gradient([gamma, beta], x)
np.savez("out.npz", outputs=outputs, d_x=d_x, d_gamma=d_gamma, d_beta=d_beta, moving_mean=mean,
         moving_variance=variance)
"""


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_batch_normalization_on_jax(offset, tmp_path):
    pytest.importorskip("jax", reason="needs jax, of the test extra")
    x, upstream, gamma, beta = draw()
    np.savez(tmp_path / "in.npz", x=x + offset, upstream=upstream, gamma=gamma, beta=beta, mean=np.full(7, offset))
    run_on_jax(ON_JAX, tmp_path)
    expected = reference(x, upstream, gamma, beta)
    expected["moving_mean"] += offset  # 0.9 of the old mean, and 0.1 of the new one
    with np.load(tmp_path / "out.npz") as found:
        for name, values in expected.items():
            np.testing.assert_allclose(
                found[name], values, rtol=1e-3 if offset else 1e-5, atol=1e-3 if offset else 1e-5
            )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 3e-2)])
def test_training_step_equals_float64(dtype, tolerance):
    expected, found = reference(*draw()), measured(dtype)
    for name, value in expected.items():
        np.testing.assert_allclose(
            tf.cast(found[name], tf.float32), value, rtol=tolerance, atol=tolerance * np.abs(value).max(), err_msg=name
        )


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_inference_and_frozen_layer_use_the_moving_statistics(dtype):
    x, _, gamma, beta = draw()
    layer = BatchNormalization(epsilon=1e-5, dtype=dtype)
    layer.build(SHAPE)
    mean, variance = np.linspace(-1, 1, 7), np.linspace(0.5, 2, 7)
    layer.set_weights([gamma, beta, mean, variance])
    expected = (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    tolerance = 1e-5 if dtype == "float32" else 3e-2
    np.testing.assert_allclose(tf.cast(layer(x), tf.float32), expected, rtol=tolerance, atol=tolerance)
    layer.trainable = False
    frozen = layer(x, training=True)
    np.testing.assert_allclose(tf.cast(frozen, tf.float32), expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "options"), [("float32", {}), ("float64", {}), ("float32", {"synchronized": True})])
def test_frozen_statistics_normalize_in_training_and_gamma_and_beta_train(dtype, options):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta with constant mean and variance, and its derivatives."""
    x, upstream, gamma, beta = draw()
    layer = BatchNormalization(epsilon=1e-5, dtype=dtype, **options)
    layer.build(SHAPE)
    mean, variance = np.linspace(-1, 1, 7), np.linspace(0.5, 2, 7)
    layer.set_weights([gamma, beta, mean, variance])
    layer.frozen_statistics = True
    images = tf.constant(x, dtype)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        loss = tf.reduce_sum(outputs * upstream)
    normal = (x - mean) / np.sqrt(variance + 1e-5)
    expected = [
        normal * gamma + beta,
        upstream * gamma / np.sqrt(variance + 1e-5),
        (upstream * normal).sum((0, 1, 2)),
        upstream.sum((0, 1, 2)),
    ]
    found = [outputs, *tape.gradient(loss, [images, layer.gamma.value, layer.beta.value])]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-6)
    assert "frozen_statistics" not in layer.get_config()


def test_takes_the_fused_kernel_where_it_applies_and_keras_elsewhere():
    def operations(layer, shape):
        layer.build(shape)
        graph = tf.function(lambda x: layer(x, training=True)).get_concrete_function(tf.TensorSpec(shape)).graph
        return {operation.type for operation in graph.get_operations()}

    assert "FusedBatchNormV3" in operations(BatchNormalization(), SHAPE)
    for layer, shape in (
        (BatchNormalization(axis=1), SHAPE),
        (BatchNormalization(scale=False), SHAPE),
        (BatchNormalization(synchronized=True), SHAPE),
        (BatchNormalization(), (4, 7)),
        (keras.layers.BatchNormalization(), SHAPE),
    ):
        assert "FusedBatchNormV3" not in operations(layer, shape), layer.get_config()


def test_configuration_is_kerass():
    options = dict(momentum=0.9, epsilon=1e-4, gamma_initializer="zeros", name="bn")
    assert BatchNormalization(**options).get_config() == keras.layers.BatchNormalization(**options).get_config()


def operations_of_gradients(layer, training=True):
    """The operations of a step back through a convolution."""

    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=training))
        return tape.gradient(loss, layer.trainable_variables)

    layer.build(SHAPE)
    graph = tf.function(gradients).get_concrete_function(tf.TensorSpec(SHAPE, layer.compute_dtype)).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("strides", [1, 2, (1, 2)])
def test_gradients_of_pixels_equal_float64(strides):
    random = np.random.default_rng(0)
    layer = Conv2D(8, 1, strides, use_bias=False, dtype="mixed_bfloat16")
    layer.build(SHAPE)
    rows, columns = layer.strides
    x = tf.constant(random.normal(size=SHAPE), tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=True)
        upstream = tf.constant(random.normal(size=outputs.shape), tf.bfloat16)
        loss = tf.reduce_sum(tf.cast(outputs * upstream, tf.float32))
    d_x, d_kernel = tape.gradient(loss, [x, layer.kernel.value])

    x, upstream, kernel = (np.array(value).astype("float64") for value in (x, upstream, layer.kernel))
    expected_d_x = np.zeros(SHAPE)
    expected_d_x[:, ::rows, ::columns] = upstream @ kernel[0, 0].T
    expected_d_kernel = np.einsum("bhwi,bhwo->io", x[:, ::rows, ::columns], upstream)[None, None]
    for found, expected in (
        (outputs, x[:, ::rows, ::columns] @ kernel[0, 0]),
        (d_x, expected_d_x),
        (d_kernel, expected_d_kernel),
    ):
        np.testing.assert_allclose(tf.cast(found, "float64"), expected, rtol=0, atol=1e-2 * np.abs(expected).max())


def test_takes_the_matrix_product_where_it_applies_and_keras_elsewhere():
    options = dict(use_bias=False, dtype="mixed_bfloat16")
    assert "MatMul" in operations_of_gradients(Conv2D(8, 1, 2, **options))
    for layer in (
        Conv2D(8, 3, **options),
        Conv2D(7, 1, groups=7, **options),
        Conv2D(8, 1, dtype="mixed_bfloat16"),
        Conv2D(8, 1, activation="relu", **options),
        Conv2D(8, 1, use_bias=False),
        keras.layers.Conv2D(8, 1, **options),
    ):
        assert "MatMul" not in operations_of_gradients(layer), layer.get_config()
    assert "IdentityN" not in operations_of_gradients(Conv2D(8, 1, **options), training=False)


def test_configuration_of_a_convolution_is_kerass():
    options = dict(filters=8, kernel_size=1, strides=2, use_bias=False, name="conv")
    assert Conv2D(**options).get_config() == keras.layers.Conv2D(**options).get_config()


EVERY_BFLOAT16 = np.arange(2**16, dtype="uint16")  # their bits


def rectified(layer):
    """Every bfloat16, its outputs and its gradients for an upstream gradient of 3, as float32."""
    x = tf.bitcast(tf.constant(EVERY_BFLOAT16), tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x)
    gradients = tape.gradient(outputs, x, tf.fill(x.shape, tf.constant(3, tf.bfloat16)))
    return [tf.cast(values, tf.float32).numpy() for values in (x, outputs, gradients)]


def test_every_bfloat16_is_rectified():
    x, outputs, gradients = rectified(ReLU(dtype="bfloat16"))
    normal = np.abs(x) >= 2.0**-119  # smaller ones may be flushed to 0, and larger ones than 2^121 count as NaN
    usual = normal & (np.abs(x) <= 2.0**121)
    assert usual.sum() == 2 * (240 * 128 + 1)
    np.testing.assert_array_equal(outputs[usual], np.maximum(x[usual], 0))
    np.testing.assert_array_equal(gradients[usual], np.where(x[usual] > 0, 3, 0))
    np.testing.assert_allclose(outputs[~normal], np.maximum(x[~normal], 0), atol=2.0**-119)
    assert np.isnan(outputs[np.isnan(x)]).all()
    assert (outputs[normal & ~usual] != 0).all()  # so that a training that diverges is noticed


def test_rectifies_as_float16_where_it_applies_and_as_keras_elsewhere():
    def operations(layer):
        graph = tf.function(layer).get_concrete_function(tf.TensorSpec(SHAPE, layer.compute_dtype)).graph
        return {operation.type for operation in graph.get_operations()}

    assert "Bitcast" in operations(ReLU(dtype="bfloat16"))
    for layer in (ReLU(), ReLU(6.0, dtype="bfloat16"), ReLU(dtype="float16"), keras.layers.ReLU(dtype="bfloat16")):
        assert "Bitcast" not in operations(layer), layer.get_config()


def test_configuration_of_an_activation_is_kerass():
    options = dict(max_value=6.0, negative_slope=0.1, threshold=0.5, name="relu")
    assert ReLU(**options).get_config() == keras.layers.ReLU(**options).get_config()


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("filters", [3, 6, 8])
def test_zero_padded_shortcut(strides, filters):
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")
    layer = ZeroPaddedShortcut(filters, strides)
    y = layer(x).numpy()
    first = (filters - 3) // 2
    np.testing.assert_array_equal(y[..., first : first + 3], x[:, ::strides, ::strides])
    assert np.abs(y).sum() == pytest.approx(np.abs(x[:, ::strides, ::strides]).sum())
    assert y.shape == layer.compute_output_shape(x.shape)
    assert not layer.weights


def test_zero_padded_shortcut_cannot_drop_channels():
    with pytest.raises(ValueError, match="cannot reduce 8 channels to 4; use a projection"):
        ZeroPaddedShortcut(4)(np.zeros((1, 2, 2, 8)))


def standardized(kernel):
    """Qiao et al. 2019, equation 2, in float64."""
    kernel = kernel.astype("float64")
    mean, variance = kernel.mean((0, 1, 2)), kernel.var((0, 1, 2))
    return (kernel - mean) / np.sqrt(variance + 1e-8)


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 0.02), ("mixed_float16", 2e-3)]
)
def test_weights_are_standardized_in_float32(policy, tolerance):
    """The weights differ by less than bfloat16's rounding: standardized in bfloat16, they would be noise."""
    layer = StandardizedConv2D(8, 3, activation="relu", bias_initializer="ones", dtype=policy)
    layer.build((None, 6, 6, 4))
    kernel = np.random.default_rng(0).normal(0.1, 1e-3, (3, 3, 4, 8)).astype("float32")
    layer.kernel.assign(kernel)
    images = np.random.default_rng(1).normal(size=(2, 6, 6, 4)).astype("float32")
    outputs = layer(images)
    assert outputs.dtype == layer.compute_dtype
    sums = sum(
        images[:, row : row + 4, column : column + 4].astype("float64") @ standardized(kernel)[row, column]
        for row in range(3)
        for column in range(3)
    )
    expected = np.maximum(sums + 1, 0)
    np.testing.assert_allclose(tf.cast(outputs, "float32"), expected, atol=tolerance * np.abs(expected).max())


def test_standardized_convolution_keeps_its_configuration():
    layer = StandardizedConv2D(8, 3, strides=2, epsilon=1e-3)
    copy = StandardizedConv2D.from_config(layer.get_config())
    assert (copy.filters, copy.strides, copy.epsilon) == (8, (2, 2), 1e-3)


@pytest.mark.parametrize("strides", [1, 2])
def test_blur_is_the_binomial_filter(strides):
    image = np.random.default_rng(0).normal(size=(1, 7, 5, 2)).astype("float32")
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    blurred = sum(weights[i, j] * padded[:, i : i + 7, j : j + 5] for i in range(3) for j in range(3))
    layer = BlurPool.from_config(BlurPool(strides).get_config())
    np.testing.assert_allclose(layer(image), blurred[:, ::strides, ::strides], atol=1e-6)
    assert layer.compute_output_shape((None, 7, None, 2))[1:3] == (-(-7 // strides), None)
