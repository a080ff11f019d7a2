"""Options of the network in a recipe."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_resnet import Recipe, create_model, load_data, train
from keras_resnet.recipes import settings
from keras_resnet.training.building import build_model
from keras_resnet.training.network_settings import warn_of_network_settings
from tests.training.nets import linear_net

RECIPE = Recipe(epochs=0.1, batch_size=16, learning_rate=0.01)


@pytest.fixture(scope="module")
def data(shapes):
    return load_data(shapes)


def config(model):
    """Its layers, without the numbers that Keras gives them within a process."""
    return [{**layer.get_config(), "name": ""} for layer in model.layers if "random" not in layer.name]


@pytest.mark.parametrize(
    "options", [dict(zero_init_residual=True), dict(anti_alias="blur"), dict(drop_path=0.2), dict(dropout=0.3)]
)
def test_option_is_that_of_the_network(options, data):
    built = build_model("resnet20_cifar", data, dataclasses.replace(RECIPE, **options))
    wanted = create_model("resnet20_cifar", input_shape=(8, 8, 3), classes=4, **options)
    without = build_model("resnet20_cifar", data, RECIPE)
    assert config(built) == config(wanted)
    assert config(built) != config(without)


def test_default_leaves_the_variants_own_value():
    """resnetblur50 has anti_alias="blur" in its row."""
    images = load_data((np.zeros((8, 32, 32, 3), "uint8"), [0, 1] * 4))
    built = build_model("resnetblur50", images, RECIPE)
    assert config(built) == config(create_model("resnetblur50", input_shape=(32, 32, 3), classes=2))
    assert any("blur" in type(layer).__name__.lower() for layer in built.layers)


def test_binary_cross_entropy_has_a_sigmoid(data):
    built = build_model("resnet20_cifar", data, dataclasses.replace(RECIPE, loss="binary_cross_entropy"))
    assert built.layers[-1].activation is keras.activations.sigmoid


@pytest.mark.exhaustive
def test_options_of_a_given_model_are_not_the_recipes_and_a_warning_says_so(data, tmp_path, caplog):
    recipe = dataclasses.replace(RECIPE, drop_path=0.1, dropout=0.2)
    train(linear_net(), data, recipe, tmp_path / "given", verbose=0)
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "linear is trained as it is, without the recipe's drop_path=0.1, dropout=0.2" in warning
    caplog.clear()
    train(build_model("resnet20_cifar", data, recipe), data, recipe, tmp_path / "built", verbose=0)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert {"drop_path", "dropout"} <= settings(recipe).keys()


def test_a_users_own_normalization_has_no_mean_image(caplog):
    own = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Normalization(name="normalization")], name="own")
    warn_of_network_settings(own, RECIPE)
    assert not caplog.messages
    warn_of_network_settings(own, dataclasses.replace(RECIPE, per_pixel_mean=True))
    assert "own is trained as it is, without the recipe's per_pixel_mean=True" in caplog.text


def test_other_settings_that_a_given_model_does_not_have_are_told(data, caplog):
    recipe = dataclasses.replace(RECIPE, per_pixel_mean=True, precision="mixed_bfloat16", sync_batch_norm=True)
    warn_of_network_settings(create_model("resnet20_cifar", input_shape=(8, 8, 3), classes=4), recipe)
    [warning] = caplog.messages
    assert "without the recipe's precision='mixed_bfloat16', per_pixel_mean=True, sync_batch_norm=True" in warning
    caplog.clear()
    warn_of_network_settings(build_model("resnet20_cifar", data, recipe), recipe)
    assert not caplog.messages
