"""Deeper networks that equal shallower ones."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.blocks import find_blocks, stages_of
from keras_resnet.analysis.construction import deeper
from keras_resnet.analysis.graph import flattened
from tests.analysis.networks import KINDS, applications_resnet50, check_differ, check_near, network, noise, randomized
from tests.analysis.test_graph import own_head
from tests.marks import few

WITHOUT_C = [kind for kind in KINDS if kind != "C"]


def depths(model):
    return [len(stage) for stage in stages_of(find_blocks(flattened(model)))]


def check_equal(made, model, images, tolerance, training=False):
    check_near(made(images, training=training), model(images, training=training), tolerance)


@pytest.mark.parametrize(
    ("kind", "options"), [("basic", {}), ("v2", {}), ("plain", {}), ("plain", dict(block_dropout=0.5))]
)
def test_deeper_network_has_the_same_outputs(kind, options):
    model, images = network(kind, **options), noise().images
    made = deeper(model, (4, 5), images)
    assert depths(made) == [4, 5]
    assert made.count_params() > model.count_params()
    check_equal(made, model, images, 1e-6)


def test_stages_of_equal_width_stay_apart():
    model = keras_resnet.ResNet("basic", (2, 2), widths=(8, 8), stem="cifar", input_shape=(8, 8, 3), classes=4)
    made = deeper(model, (2, 3))
    assert depths(made) == [2, 3]
    check_equal(made, model, noise().images, 1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", few(WITHOUT_C, "basic", "v2", "SE", "plain"))
def test_deeper_network_has_the_same_features_in_float64(kind):
    model, images = network(kind, include_top=False), noise().images
    check_equal(deeper(model, (4, 5), images), model, images, 1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["basic", "v2"])
def test_added_residual_blocks_are_identities_in_training_too(kind):
    model, images = network(kind, include_top=False), noise().images
    check_equal(deeper(model, (3, 4)), model, images, 1e-12, training=True)


@pytest.mark.usefixtures("float64")
def test_added_plain_blocks_are_identities_on_the_statistics_of_their_images():
    model, images = network("plain", include_top=False), noise().images
    made = deeper(model, (4, 5), images)
    check_equal(made, model, images, 1e-12)
    check_equal(made, model, images, 1e-9, training=True)


def test_without_images_plain_blocks_are_identities_only_in_inference():
    model, images = network("plain"), noise().images
    made = deeper(model, (3, 4))
    check_equal(made, model, images, 1e-6)
    check_differ(made(images, training=True), model(images, training=True))


@pytest.mark.exhaustive
def test_deeper_resnet_of_keras_applications():
    model, images = applications_resnet50(), noise(2, size=32).images
    made = deeper(model, (3, 5, 6, 4))
    assert depths(made) == [3, 5, 6, 4]
    check_equal(made, model, images, 1e-6)


@pytest.mark.slow
def test_deeper_v2_of_keras_applications_adds_before_the_block_that_halves():
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50V2(weights=None, input_shape=(32, 32, 3), classes=4)
    model, images = randomized(model), noise(2, size=32).images
    made = deeper(model, (4, 4, 6, 3))
    assert depths(made) == [4, 4, 6, 3]
    check_equal(made, model, images, 1e-6)


def test_deeper_network_of_a_user():
    model, images = own_head(network("basic", include_top=False, pooling="avg")), noise().images
    made = deeper(model, (2, 4))
    check_equal(made, model, images, 1e-6)
    assert made.get_layer("own") is not model.get_layer("own")


def own_network(block, residual=True):
    """A user's network with a single block of these layers or functions."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    entry = x = keras.layers.ReLU()(keras.layers.Conv2D(4, 3, padding="same")(images))
    for function in block:
        x = function(x)
    x = keras.layers.Add(name="stage1_block1_add")([x, entry]) if residual else x
    x = keras.layers.ReLU(name="stage1_block1_out")(x)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(x))


def test_layers_that_are_used_twice_stay_shared_and_operations_are_repeated():
    convolution = keras.layers.Conv2D(4, 3, padding="same")
    model, images = own_network([convolution, convolution, lambda x: 0.5 * x]), noise().images
    made = deeper(model, (3,))
    check_equal(made, model, images, 1e-6)
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in made.layers) == 1 + 3  # the stem's, a block's each


def test_added_plain_block_without_normalization_has_no_bias():
    options = dict(padding="same", bias_initializer="random_normal", name="stage1_block1_conv")
    model, images = own_network([keras.layers.Conv2D(4, 3, **options)], residual=False), noise().images
    check_equal(deeper(model, (2,)), model, images, 1e-6, training=True)


def test_names_view_and_saved_file(tmp_path):
    model, images = network("basic"), noise().images
    model.class_names, model.view = ("a", "b", "c", "d"), keras_resnet.View((8, 8), 1.0, "bilinear")
    made = deeper(model, (3, 3))
    assert [block.name for block in find_blocks(made)][2:4] == ["stage1_block3", "stage2_block1"]
    assert (made.class_names, made.view) == (model.class_names, model.view)
    made.save(tmp_path / "made.keras")
    check_equal(keras_resnet.load_model(tmp_path / "made.keras"), model, images, 1e-6)


def test_model_stays_as_it_is():
    model = network("plain")
    before = [np.array(weight) for weight in model.weights]
    made = deeper(model, (3, 4), noise().images)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert not {*map(id, model.layers)} & {*map(id, made.layers)}
    assert all(len(layer._inbound_nodes) == 1 for layer in model.layers)


def test_added_branches_can_learn():
    model, images = network("basic"), noise()
    made = deeper(model, (3, 3))
    made.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    made.train_on_batch(*images)
    assert np.abs(made.get_layer("stage1_block3_bn2").gamma).max() > 0
    assert np.abs(made.get_layer("stage1_block3_conv1").kernel).max() > 0


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("C", {}, "none of its blocks keeps the shape without a projection"),
        ("plain", dict(block="bottleneck"), "takes as many filters as input channels"),
        ("plain", dict(preactivation=True), "is plain, and ends without an activation"),
        ("basic", dict(activation="silu"), "changes values that have passed it before"),
        ("plain", dict(norm="group_norm", widths=(32, 64)), "changes values that have passed it before"),
        ("basic", dict(depths=(1, 1)), "none of its blocks keeps the shape"),
    ],
)
def test_blocks_that_cannot_be_identities_are_refused(kind, options, reason):
    settings = {"block": "basic", "depths": (2, 3), "widths": (8, 16), "stem": "cifar", **KINDS[kind], **options}
    model = keras_resnet.ResNet(**settings, input_shape=(8, 8, 3), classes=4)
    with pytest.raises(ValueError, match=reason):
        deeper(model, (4, 4))


@pytest.mark.parametrize(
    ("make", "residual", "reason"),
    [
        (lambda: [keras.layers.AveragePooling2D(3, 1, "same")], True, "its branch ends in no layer with weights"),
        (
            lambda: [keras.layers.Conv2D(4, 3, padding="same"), keras.layers.PReLU(name="prelu")],
            True,
            "the block of stage1_block2_prelu, which has no gamma and no kernel",
        ),
        (
            lambda: [keras.layers.BatchNormalization(center=False, name="stage1_block1_bn")],
            False,
            "stage1_block2_bn cannot be an identity: it has no gamma or no beta",
        ),
    ],
)
def test_blocks_of_a_user_that_cannot_be_identities_are_refused(make, residual, reason):
    with pytest.raises(ValueError, match=reason):
        deeper(own_network(make(), residual), (2,))


@pytest.mark.parametrize("wrong", [(2,), (1, 3), (2, 3, 4)])
def test_depths_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must have 2 numbers, at least those of resnet: \(2, 3\)"):
        deeper(network("basic"), wrong)
