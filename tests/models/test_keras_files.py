"""Files of models: what they carry, and that Keras alone opens them where its own layers compute the same."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet import create_model
from keras_resnet.view import View
from tests.marks import exhaustive

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
SMALL = dict(input_shape=(64, 64, 3), classes=10, classifier_activation=None)
RANGES = {"gamma": (0.1, 0.5), "moving_variance": (0.5, 1.5)}  # gammas so small that the logits stay below 10

WITHOUT_PACKAGE = """
import sys
sys.modules["keras_resnet"] = None  # any import of it fails
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
kinds = {type(layer).__module__.split(".")[0] for layer in model.layers}
np.savez(sys.argv[2], outputs=model(np.load(sys.argv[3])), kinds=sorted(kinds))
"""


def randomize_statistics(model):
    """Draws every vector of the model, so that batch normalization is not the identity."""
    random = np.random.default_rng(1)
    for variable in model.variables:
        if len(variable.shape) == 1 and variable.name != "seed_generator_state":
            low, high = RANGES.get(variable.name, (-0.2, 0.2))
            variable.assign(random.uniform(low, high, variable.shape))


def open_without_package(path):
    """Opens the file in a process that cannot import this package."""
    np.save(path.with_suffix(".images.npy"), IMAGES)
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGE, path, path.with_suffix(".npz"), path.with_suffix(".images.npy")],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        exhaustive("resnet50", {}),
        ("resnet50d", dict(depths=(1, 2, 1, 1), attention="se", se_ratio=0.25)),
        exhaustive("resnet20_cifar", dict(shortcut="B")),
    ],
)
def test_file_opens_with_keras_alone(name, options, tmp_path):
    model = create_model(name, **SMALL, **options)
    randomize_statistics(model)
    model.class_names, model.view = list("abcdefghij"), View((64, 64), 0.875)
    model.save(tmp_path / "net.keras")
    result = open_without_package(tmp_path / "net.keras")
    assert result.returncode == 0, result.stderr
    found, expected = np.load(tmp_path / "net.npz"), model(IMAGES).numpy()
    assert found["kinds"].tolist() == ["keras"]
    assert np.abs(found["outputs"] - expected).max() <= 1e-6 * np.abs(expected).max()

    ours = keras.saving.load_model(tmp_path / "net.keras")
    assert type(ours) is keras_resnet.Model
    assert {type(layer) for layer in ours.layers if isinstance(layer, keras.layers.Conv2D) and not layer.use_bias} == {
        keras_resnet.layers.Conv2D
    }
    assert {type(layer) for layer in ours.layers if isinstance(layer, keras.layers.BatchNormalization)} == {
        keras_resnet.layers.BatchNormalization
    }


@pytest.mark.exhaustive
def test_own_head_on_a_keras_model_opens_with_keras_alone(tmp_path):
    base = create_model("resnet18", include_top=False, pooling="avg", input_shape=(64, 64, 3), depths=(1, 1, 1, 1))
    randomize_statistics(base)
    model = keras.Model(base.input, keras.layers.Dense(3)(base.output))
    model.save(tmp_path / "net.keras")
    result = open_without_package(tmp_path / "net.keras")
    assert result.returncode == 0, result.stderr
    expected = model(IMAGES).numpy()
    found = np.load(tmp_path / "net.npz")["outputs"]
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
    layers = keras.saving.load_model(tmp_path / "net.keras").layers
    assert any(type(layer) is keras_resnet.layers.Conv2D for layer in layers)


@pytest.mark.exhaustive
def test_file_with_a_layer_that_keras_lacks_names_the_package(tmp_path):
    create_model("resnet20_cifar").save(tmp_path / "net.keras")
    result = open_without_package(tmp_path / "net.keras")
    assert result.returncode == 1
    assert "Could not locate class 'ZeroPaddedShortcut'" in result.stderr
    assert "'module': 'keras_resnet.layers.pooling'" in result.stderr


@pytest.mark.parametrize("name", ["relu", "silu"])
def test_stem_pools_as_with_padding_by_minus_infinity(name):
    """Zero padding is the same after a ReLU only."""
    model = create_model("resnet18", input_shape=(32, 32, 3), depths=(1, 1, 1, 1), activation=name)
    randomize_statistics(model)
    before = keras.Model(model.input, model.get_layer("stem_relu").output)(IMAGES[:, :32, :32] - 200)
    after = keras.Model(model.input, model.get_layer("stem_pool").output)(IMAGES[:, :32, :32] - 200)
    padded = np.pad(before, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    windows = [padded[:, i : i + 16 : 2, j : j + 16 : 2] for i in range(3) for j in range(3)]
    np.testing.assert_array_equal(after, np.max(windows, axis=0))


# ---------------------------------------------------------------------------------------------
# View and class names


@pytest.fixture(scope="module")
def model():
    net = create_model("resnet20_cifar", depths=(1, 1, 1), classes=3)
    net.view, net.class_names = View((32, 32), 0.875, "bicubic"), ("ant", "bee", "cat")
    return net


def test_view_and_class_names_are_saved_with_the_model(model, tmp_path):
    model.save(tmp_path / "net.keras")
    for other in (
        keras.saving.load_model(tmp_path / "net.keras"),
        keras_resnet.Model.from_config(model.get_config()),
    ):
        assert (other.view, other.class_names) == (model.view, model.class_names)
    bare = create_model("resnet20_cifar", depths=(1, 1, 1))
    assert (bare.view, bare.class_names) == (None, None)
    assert not {"view", "class_names"} & set(bare.get_config())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b"], "2 class names do not fit a model of 3 classes"),
        ("abc", "must be a list of strings, not 'abc'"),
        ([1, 2, 3], r"must be a list of strings, not \[1, 2, 3\]"),
        (5, "must be a list of strings, not 5"),
        ([], r"must be a list of strings, not \[\]"),
    ],
)
def test_class_names_are_checked(model, names, message):
    before = model.class_names
    with pytest.raises(ValueError, match=message):
        model.class_names = names
    assert model.class_names == before


def test_features_have_no_class_names():
    for options in (dict(features=True), dict(include_top=False), dict(include_top=False, pooling="avg")):
        features = create_model("resnet20_cifar", depths=(1, 1, 1), **options)
        with pytest.raises(ValueError, match="has no classifier"):
            features.class_names = ["a"]


def test_view_is_checked(model):
    with pytest.raises(ValueError, match=r"must be a keras_resnet View or None, not \(32, 32\)"):
        model.view = (32, 32)
    with pytest.raises(ValueError, match=r"view of size \(40, 40\) does not fit .* takes images of \(32, 32\)"):
        model.view = View((40, 40))
    create_model("resnet20_cifar", input_shape=(None, None, 3)).view = View((40, 40))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(size=224), r"size of a view must be \(height, width\) in pixels, not 224"),
        (dict(size=(0, 32)), r"not \(0, 32\)"),
        (dict(size=(32.5, 32)), r"not \(32.5, 32\)"),
        (dict(crop_fraction=0), "must be above 0 to 1, not 0"),
        (dict(crop_fraction=float("nan")), "must be above 0 to 1, not nan"),
        (dict(crop_fraction="all"), "must be above 0 to 1, not 'all'"),
        (dict(interpolation="bicubc"), "did you mean 'bicubic'"),
    ],
)
def test_view_refuses_values_out_of_range(values, message):
    with pytest.raises(ValueError, match=message):
        View(**{"size": (32, 32), **values})


# ---------------------------------------------------------------------------------------------
# SavedModels


def test_saved_model_has_class_names_and_view_beside_it(model, tmp_path):
    model.save(tmp_path / "net")
    assert (tmp_path / "net" / "labels.txt").read_text() == "ant\nbee\ncat\n"
    assert '"size": [32, 32]' in (tmp_path / "net" / "view.json").read_text()


@pytest.mark.parametrize("build", [keras.Model, keras_resnet.Model, None], ids=["keras", "keras_resnet", "sequential"])
def test_model_with_an_own_head_is_saved_as_a_saved_model(build, tmp_path):
    base = create_model("resnet20_cifar", include_top=False, pooling="avg", depths=(1, 1, 1))
    head = keras.layers.Dense(3)
    user = build(base.input, head(base.output)) if build else keras.Sequential([base, head])
    keras_resnet.Model(user.inputs, user.outputs).save(tmp_path / "net")
    images = IMAGES[:, :32, :32]
    served = keras_resnet.load_model(tmp_path / "net")(images)
    np.testing.assert_allclose(served, user(images), rtol=1e-5, atol=1e-5)
