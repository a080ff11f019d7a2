"""Grad-CAM against finite differences, and against class activation maps that are computed from the weights."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.features import last_maps
from keras_resnet.analysis.grad_cam import GradCam
from keras_resnet.analysis.graph import values_of
from tests.analysis.test_graph import own_head
from tests.exporting.nets import photos, randomized, small_net
from tests.marks import few

KINDS = ("resnet18", "resnet50", "resnetv2_50", "seresnet50", "ecaresnet50d", "resnet50d", "resnext50_32x4d")
CIFAR_KINDS = ("resnet20_cifar", "plainnet20_cifar")


@pytest.fixture
def float64():
    """Layers that are built in the test compute in float64."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


def hidden_head(activation):
    """A small convolution, and a head whose gradients differ from position to position."""
    keras.utils.set_random_seed(0)
    images = keras.Input((6, 8, 3))
    maps = keras.layers.Conv2D(4, 3, 2, padding="same", activation="relu", name="conv")(images)
    x = keras.layers.Dense(5, activation="tanh", name="hidden")(keras.layers.Flatten()(maps))
    return keras.Model(images, keras.layers.Dense(3, activation=activation, name="logits")(x), name="net")


def logits_of_maps(model, maps):
    hidden, logits = model.get_layer("hidden").get_weights(), model.get_layer("logits").get_weights()
    return np.tanh(maps.reshape(len(maps), -1) @ hidden[0] + hidden[1]) @ logits[0] + logits[1]


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
def test_equals_finite_differences(float64, activation):
    model = hidden_head(activation)
    images = photos(2)[:, :6, :8] / 100
    maps = np.asarray(values_of(model, [model.get_layer("conv").output])(images)[0])
    assert maps.dtype == np.float64
    labels, step = [2, 0], 1e-6
    gradients = np.zeros_like(maps)
    for place in np.ndindex(maps.shape[1:]):
        moved = np.zeros_like(maps)
        moved[(slice(None), *place)] = step
        change = logits_of_maps(model, maps + moved) - logits_of_maps(model, maps - moved)
        gradients[(slice(None), *place)] = change[np.arange(2), labels] / (2 * step)
    weights = gradients.mean((1, 2))
    expected = np.maximum(np.einsum("nhwc,nc->nhw", maps, weights), 0)
    assert (expected > 0).any()
    found = GradCam(model)(images, labels)
    np.testing.assert_allclose(found.maps, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(found.labels, labels)


def assert_is_class_activation_map(model, images, base=None):
    """CAM / positions of a network that ends in global average pooling and a dense layer (Zhou et al. 2016)."""
    base = base or model
    pooling = next(layer for layer in reversed(base.layers) if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    dense = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    maps, kernel = np.asarray(keras.Model(base.input, pooling.input)(images), "float64"), dense.get_weights()[0]
    look, positive = GradCam(model), 0
    for label in range(3):
        evidence = np.maximum(maps @ kernel[:, label].astype("float64"), 0)
        expected = evidence / np.prod(maps.shape[1:3])
        found = look(images, [label] * len(images)).maps
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())
        positive += (expected > 0).sum()
    assert positive > 0


@pytest.mark.parametrize("name", few(KINDS + CIFAR_KINDS, "resnet18", "seresnet50", "plainnet20_cifar"))
def test_equals_the_class_activation_map_of_all_kinds(name):
    size = 32 if name in CIFAR_KINDS else 64
    model = small_net(name, input_shape=(size, size, 3), classifier_activation="softmax")
    assert_is_class_activation_map(model, photos(2, size))


def test_keras_applications():
    keras.utils.set_random_seed(0)
    model = randomized(keras.applications.ResNet50V2(weights=None, input_shape=(64, 64, 3), classes=3))
    assert last_maps(model) is model.get_layer("post_relu").output
    assert_is_class_activation_map(model, photos(2, 64) / 127.5 - 1)


def test_last_maps_where_pooling_keeps_the_axes():
    model = keras.applications.MobileNet(weights=None, input_shape=(64, 64, 3), classes=3, alpha=0.25)
    assert last_maps(model) is model.get_layer("conv_pw_13_relu").output


def test_last_maps_where_average_pooling_covers_the_image():
    """As in MLPerf Tiny's ResNet-8 and older networks of Keras."""
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, padding="same", name="conv")(images)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(maps))
    assert last_maps(keras.Model(images, keras.layers.Dense(3)(x))) is maps


@pytest.mark.parametrize(
    "end",
    [
        lambda x: keras.layers.Softmax()(keras.layers.Dense(3)(x)),
        lambda x: keras.ops.softmax(keras.layers.Dense(3)(x)),
        lambda x: keras.layers.Activation("softmax", dtype="float32")(keras.layers.Dense(3)(x)),
        lambda x: keras.layers.Activation("sigmoid")(keras.layers.Dense(3)(x)),
        lambda x: keras.layers.Dense(3)(x),
    ],
)
def test_heads_of_users(end):
    keras.utils.set_random_seed(0)
    base = randomized(keras_resnet.create_model("resnet20_cifar", depths=(1, 1, 1), include_top=False, pooling="avg"))
    assert_is_class_activation_map(keras.Model(base.input, end(base.output)), photos(2))


def test_network_inside_of_a_users_model():
    keras.utils.set_random_seed(0)
    base = randomized(
        keras_resnet.create_model(
            "resnet20_cifar", depths=(1, 1, 1), include_top=False, pooling="avg", input_shape=(32, 32, 3)
        )
    )
    assert_is_class_activation_map(own_head(base), photos(2), base)


def test_integer_images_and_frozen_models():
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(keras.layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))
    model.trainable = False
    assert_is_class_activation_map(model, photos(2, 8).astype("uint8"))
    assert not model.trainable
    floats = GradCam(model)(photos(2, 8), [1, 2]).maps
    np.testing.assert_array_equal(floats, GradCam(model)(photos(2, 8).astype("uint8"), [1, 2]).maps)


def test_predicted_class_is_the_default():
    model, images = small_net("resnet20_cifar"), photos(3)
    predicted = np.asarray(model(images)).argmax(1)
    found = GradCam(model)(images)
    np.testing.assert_array_equal(found.labels, predicted)
    np.testing.assert_array_equal(found.maps, GradCam(model)(images, predicted).maps)


def test_map_of_another_layer_is_upsampled():
    model, images = small_net("resnet20_cifar"), photos(2)
    found = GradCam(model, "stage1_block1_conv1")(images, [0, 1])
    assert found.maps.shape == (2, 32, 32)
    np.testing.assert_allclose(found.upsampled, found.maps, rtol=1e-6)
    coarse = GradCam(model)(images, [0, 1])
    assert coarse.maps.shape == (2, 8, 8)
    # Position i lies at pixel 4 * i: the network halves the size twice, with equal padding on both sides.
    np.testing.assert_allclose(coarse.upsampled[:, ::4, ::4], coarse.maps, rtol=1e-6)
    between = (coarse.maps[:, 0, 0] + coarse.maps[:, 0, 1]) / 2
    np.testing.assert_allclose(coarse.upsampled[:, 0, 2], between, rtol=1e-6)


def test_nothing_of_the_model_changes():
    model, images = small_net("resnet20_cifar", classifier_activation="softmax"), photos(2)
    before, weights = np.asarray(model(images)), model.get_weights()
    GradCam(model)(images)
    np.testing.assert_array_equal(model(images), before)
    for new, old in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(new, old)
    assert model.get_layer("predictions").activation is keras.activations.softmax
    model.save("again.keras")
    np.testing.assert_array_equal(keras_resnet.load_model("again.keras")(images), before)


@pytest.fixture(autouse=True)
def in_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_models_without_maps_and_wrong_arguments_are_refused():
    images = keras.Input((4, 4, 3))
    dense = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.ReLU()(images))), name="mlp")
    with pytest.raises(ValueError, match="mlp has no feature maps: no convolution precedes"):
        GradCam(dense)
    with pytest.raises(ValueError, match="has no classifier"):
        GradCam(keras_resnet.ResNet20Cifar(include_top=False))
    model = small_net("resnet20_cifar")
    with pytest.raises(ValueError, match="Unknown layer with feature maps 'stage3_block1_addd'; did you mean"):
        GradCam(model, "stage3_block1_addd")
    with pytest.raises(ValueError, match="must be a class number below 7 for each of the 2 images"):
        GradCam(model)(photos(2), [0, 7])
