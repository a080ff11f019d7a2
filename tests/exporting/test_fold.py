"""Folded models compute what the originals compute in float64, with layers of Keras alone."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_resnet
from keras_resnet import create_model, fold_batchnorm
from keras_resnet.exporting.fold import folded
from keras_resnet.exporting.stock import in_float32, stock_model
from tests.exporting.nets import families, in_float64, photos, randomized, relative, small_net
from tests.marks import exhaustive, few

# One net of each idea; the others are further cases of the same code.
QUICK = {"resnet18", "resnet50", "resnet50d", "resnetv2_50", "resnetblur18", "resnet20_cifar", "seresnet18"}
ROUNDING = 2e-6  # of float32


def kinds(model):
    return [type(layer) for layer in model.layers]


def count(model, kind):
    return sum(isinstance(layer, kind) for layer in model.layers)


def rounding_of(model, images, expected):
    """What float32 may round: a few times what it rounds in the model itself, which group normalization amplifies."""
    return max(ROUNDING, 4 * relative(model(images), expected))


@pytest.mark.parametrize("name", few(families(), *QUICK))
def test_every_variant_is_equal_in_float64_and_float32(name):
    keras.backend.clear_session()
    model, images = small_net(name), photos()
    expected = in_float64(model, images)
    exact = folded(stock_model(model, "float64"), "float64")
    assert relative(exact(images.astype("float64")), expected) < 1e-12
    net = fold_batchnorm(model)
    assert relative(net(images), expected) < rounding_of(model, images, expected)
    assert {kind.__module__.split(".")[0] for kind in kinds(net)} == {"keras"}
    assert not {kind for kind in kinds(net) if kind in vars(keras_resnet.layers).values()}
    assert type(net) is type(keras.Model(net.inputs, net.outputs))
    if not name.startswith("resnetv2") and "wide_resnet" not in name:
        assert count(net, layers.BatchNormalization) == 0
    assert count(net, layers.Dropout) == 0


@pytest.mark.slow
def test_batch_normalizations_left_in_version_2():
    """The first of each of the 16 blocks reads the sum of two branches, as does the head."""
    net = fold_batchnorm(create_model("resnetv2_50", input_shape=(32, 32, 3)))
    assert count(net, layers.BatchNormalization) == 17


@pytest.mark.parametrize("saturated", [False, True])
def test_gates_of_squeeze_and_excitation(saturated):
    """Gates that saturate amplify rounding errors, in the original as in the folded model."""
    ranges = dict(gamma=(0.5, 3.0), bias=(-30, 30)) if saturated else {}
    model, images = randomized(small_net("seresnet18"), **ranges), photos()
    gate = keras.Model(model.input, model.get_layer("stage4_block1_se_expand").output)(images)
    outside = np.mean((np.asarray(gate) < 1e-4) | (np.asarray(gate) > 1 - 1e-4))
    assert (outside > 0.3) if saturated else (outside == 0)
    expected = in_float64(model, images)
    assert relative(folded(stock_model(model, "float64"), "float64")(images.astype("float64")), expected) < 1e-12
    assert relative(fold_batchnorm(model)(images), expected) < rounding_of(model, images, expected)


def test_mixed_precision_is_folded_to_float32():
    model = small_net("resnet18d")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = small_net("resnet18d")
    finally:
        keras.config.set_dtype_policy(policy)
    assert any(layer.compute_dtype == "bfloat16" for layer in mixed.layers)
    mixed.set_weights(model.get_weights())
    net, images = fold_batchnorm(mixed), photos()
    assert {layer.compute_dtype for layer in net.layers} == {"float32"}
    np.testing.assert_array_equal(net(images), fold_batchnorm(model)(images))


def test_only_a_model_of_other_precision_is_rebuilt_in_float32():
    """Also if the other precision is that of a model inside it."""
    keras.utils.set_random_seed(0)
    kept, mixed = (
        keras.Sequential(
            [
                keras.Input((32, 32, 3)),
                keras.Sequential([layers.Conv2D(4, 3, dtype=dtype)]),
                layers.GlobalAveragePooling2D(),
            ]
        )
        for dtype in ("float32", "mixed_bfloat16")
    )
    assert in_float32(kept) is kept
    mixed.set_weights(kept.get_weights())
    assert relative(in_float32(mixed)(photos()), kept(photos())) < ROUNDING < relative(mixed(photos()), kept(photos()))


def test_own_head_around_a_model_inside_a_model():
    base = small_net("resnet18", include_top=False, pooling="avg", classes=1000)
    images = keras.Input((32, 32, 3))
    x = layers.RandomFlip("horizontal")(images)
    x = base(x, training=False)
    x = layers.Dropout(0.5)(layers.BatchNormalization(name="stem_bn")(layers.Dense(8, name="stem_conv")(x)))
    x = keras.ops.clip(keras.ops.relu(x) * 2.0, 0.0, 5.0)
    model = randomized(keras.Model(images, layers.Dense(3, kernel_regularizer="l2")(x)))
    net = fold_batchnorm(model)
    assert not any(isinstance(layer, keras.Model) for layer in net.layers)
    assert count(net, layers.BatchNormalization) == count(net, layers.Dropout) == 0
    assert relative(net(photos(), training=False), model(photos(), training=False)) < ROUNDING


def test_adapted_normalization_keeps_its_statistics():
    normalization = layers.Normalization()
    images = keras.Input((32, 32, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, use_bias=False)(normalization(images)))
    model = randomized(keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))))
    normalization.adapt(photos())
    assert relative(fold_batchnorm(model)(photos()), model(photos())) < ROUNDING


def test_sequential_models():
    base = small_net("resnet20_cifar", include_top=False, pooling="avg", classes=1000)
    model = randomized(keras.Sequential([keras.Input((32, 32, 3)), base, keras.Sequential([layers.Dense(3)])]))
    net = fold_batchnorm(model)
    assert count(net, layers.BatchNormalization) == 0
    assert relative(net(photos()), model(photos())) < ROUNDING


def test_weights_that_are_used_twice_stay_shared():
    conv, norm = layers.Conv2D(4, 3), layers.BatchNormalization()
    inner_in = keras.Input((None, None, 4))
    inner = keras.Model(inner_in, layers.BatchNormalization()(layers.Conv2D(4, 1)(inner_in)))
    images = keras.Input((16, 16, 3))
    left, right = norm(conv(images)), norm(conv(images[:, ::-1]))
    outputs = [inner(left), inner(right)]
    model = randomized(keras.Model(images, outputs))
    net = fold_batchnorm(model)
    assert count(net, layers.Conv2D) == 2
    assert count(net, layers.BatchNormalization) == 2  # each is called twice
    for found, expected in zip(net(photos(size=16)), model(photos(size=16)), strict=True):
        assert relative(found, expected) < ROUNDING


def test_output_with_a_second_reader_is_not_folded():
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3)(images)
    for outputs in ([layers.BatchNormalization()(x), x], layers.Add()([layers.BatchNormalization()(x), x])):
        model = randomized(keras.Model(images, outputs))
        net = fold_batchnorm(model)
        assert count(net, layers.BatchNormalization) == 1
        for found, expected in zip(
            keras.tree.flatten(net(photos(size=16))), keras.tree.flatten(model(photos(size=16))), strict=True
        ):
            assert relative(found, expected) < ROUNDING


@pytest.mark.parametrize(
    ("make", "left"),
    [
        (lambda: [layers.Conv2D(8, 3, groups=2, padding="same"), layers.BatchNormalization()], 0),
        (lambda: [layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization(center=False, scale=False)], 0),
        (lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2), layers.BatchNormalization()], 0),
        (lambda: [layers.Dense(5), layers.BatchNormalization()], 0),
        (lambda: [layers.Conv2D(8, 3, activation="relu"), layers.BatchNormalization()], 1),
        (lambda: [layers.Conv2D(8, 3), layers.BatchNormalization(axis=1)], 1),
        (lambda: [layers.Conv2D(8, 3), layers.ReLU(), layers.BatchNormalization()], 1),
        (lambda: [layers.Conv2DTranspose(8, 3), layers.BatchNormalization()], 1),
    ],
)
def test_what_folds(make, left):
    model = randomized(keras.Sequential([keras.Input((12, 12, 4)), *make()]))
    net = fold_batchnorm(model)
    assert count(net, layers.BatchNormalization) == left
    assert relative(net(photos(size=12, channels=4)), model(photos(size=12, channels=4))) < ROUNDING


@pytest.mark.parametrize(
    ("rescaling", "conv", "left"),
    [
        (([0.1, 0.2, 0.3], [-1.0, 2.0, 3.0]), dict(padding="valid"), 0),
        ((1 / 255, 0.0), dict(padding="valid", use_bias=False), 0),
        ((1 / 255, -0.5), dict(padding="same"), 1),
        ((1 / 255, -0.5), dict(padding="valid", groups=3), 1),
    ],
)
@pytest.mark.parametrize("after", [[layers.BatchNormalization], []])
def test_normalization_of_the_input_is_folded_where_that_is_exact(rescaling, conv, left, after):
    model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Rescaling(*rescaling),
            layers.Conv2D(6, 3, **conv),
            *(kind() for kind in after),
        ]
    )
    net = fold_batchnorm(randomized(model))
    assert count(net, layers.Rescaling) == left
    assert relative(net(photos(size=12)), in_float64(model, photos(size=12))) < ROUNDING


def test_normalization_of_whole_numbers_is_kept():
    model = keras.Sequential([keras.Input((12, 12, 3), dtype="uint8"), layers.Rescaling(1 / 255), layers.Conv2D(6, 3)])
    net, images = fold_batchnorm(model), photos(size=12).astype("uint8")
    assert net.input.dtype == "uint8"
    assert relative(net(images), model(images)) < ROUNDING


def test_original_stays_as_it_is():
    model = small_net("resnet18")
    model.get_layer("stem_conv").trainable = False
    weights, config = model.get_weights(), model.get_config()
    fold_batchnorm(model)
    assert model.get_config() == config
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_open_size_stays_open():
    net = fold_batchnorm(small_net("resnet18", input_shape=(None, None, 3)))
    assert net.input_shape == (None, None, None, 3)
    assert net(photos(size=40)).shape == net(photos(size=64)).shape == (3, 7)


def test_other_padding_of_max_pooling():
    pool = keras_resnet.layers.PaddedMaxPooling2D
    for size in (2, 3, (2, 3), (5, 3)):
        for side in (7, 8):
            model = keras.Sequential([keras.Input((side, side + 1, 3)), pool(size)])
            images = np.random.default_rng(0).normal(size=(2, side, side + 1, 3)).astype("float32") - 9
            np.testing.assert_array_equal(fold_batchnorm(model)(images), model(images))


def test_channels_first():
    """On a CPU, only pooling and a few convolutions compute so; the graph is what counts."""
    keras.config.set_image_data_format("channels_first")
    try:
        options = dict(include_top=False, classes=1000, input_shape=(3, 32, 32), anti_alias="blur", activation="silu")
        model = small_net("resnet18", **options)
        net = fold_batchnorm(model)
        images = np.moveaxis(photos(), -1, 1)
        assert relative(net(images), model(images)) < ROUNDING
        assert count(net, layers.BatchNormalization) == 0
    finally:
        keras.config.set_image_data_format("channels_last")


def test_refuses_what_is_not_functional():
    class Subclass(keras.Model):
        def call(self, x):
            return x

    images = keras.Input((8, 8, 3))
    for model in (Subclass(name="net"), keras.Model(images, Subclass(name="net")(images))):
        with pytest.raises(ValueError, match=r"net is not a functional model, .* build it by keras.Model\("):
            fold_batchnorm(model)
    with pytest.raises(ValueError, match="str is not a functional model"):
        fold_batchnorm("net")


PLAIN_KERAS = """
import sys
sys.modules["keras_resnet"] = None  # any import of it fails
import keras, numpy as np
np.save(sys.argv[3], keras.saving.load_model(sys.argv[1])(np.load(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        exhaustive("resnet20_cifar", {}),
        exhaustive("resnetblur50", {}),
        exhaustive("resnetv2_50x1_bit", dict(activation="silu", stem="imagenet")),
        ("ecaresnet26t", dict(drop_path=0.2, dropout=0.1)),
    ],
)
def test_folded_file_opens_with_keras_alone(name, options, tmp_path):
    net = fold_batchnorm(small_net(name, **options))
    net.save(tmp_path / "net.keras")
    np.save(tmp_path / "images.npy", photos())
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, *(tmp_path / file for file in ("net.keras", "images.npy", "found.npy"))],
        capture_output=True,
        text=True,
        env={variable: value for variable, value in os.environ.items() if variable != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), net(photos()), rtol=0, atol=1e-5)
