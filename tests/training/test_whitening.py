"""The whitened stem: what it computes on patches, and that a run keeps it."""

import keras
import numpy as np
import pytest

from keras_resnet import Recipe, load_data, train
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.training.building import build_model
from keras_resnet.training.whitening import whitening_filters

RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.1, whitened_stem=True)


def noise(count=200, size=8):
    """Images whose neighboring pixels and channels are correlated."""
    random = np.random.default_rng(0)
    colors, pixels = random.normal(size=(3, 3)), random.normal(size=(count, size + 1, size + 1, 3))
    return (pixels[:, 1:, 1:] + pixels[:, :-1, 1:] + 0.5 * pixels[:, 1:, :-1]) @ colors


def test_filters_decorrelate_the_patches():
    images = noise()
    filters = whitening_filters([images[:50], images[50:]], (2, 2))
    assert filters.shape == (2, 2, 3, 12)
    patches = np.array(
        [image[y : y + 2, x : x + 2].ravel() for image in images for y in range(0, 8, 2) for x in range(0, 8, 2)]
    )
    outputs = (patches - patches.mean(0)) @ filters.reshape(12, 12)
    covariance = outputs.T @ outputs / len(outputs)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-9)
    assert (np.diag(covariance) < 1).all()
    assert (np.diag(covariance) > 0.95).all()
    # In the order of the variances along the filters' directions, which are orthogonal.
    directions = filters.reshape(12, 12) / np.linalg.norm(filters.reshape(12, 12), axis=0)
    np.testing.assert_allclose(directions.T @ directions, np.eye(12), atol=1e-9)
    variances = (patches @ directions).var(0)
    assert (np.diff(variances) <= 1e-9).all()


@pytest.mark.parametrize("devices", [1, 2])
def test_run_keeps_the_stem(devices, shapes, tmp_path):
    data, strategy = load_data(shapes), mirrored() if devices == 2 else None
    stem = build_model("resnet20_cifar", data, RECIPE).get_layer("stem_conv").kernel.numpy()
    np.testing.assert_array_equal(stem[..., :8], -stem[..., 8:])
    train("resnet20_cifar", data, RECIPE, tmp_path / "run", strategy=strategy, verbose=0)
    trained = keras.saving.load_model(tmp_path / "run" / "final.keras")
    np.testing.assert_array_equal(trained.get_layer("stem_conv").kernel.numpy(), stem)
    untrained = build_model("resnet20_cifar", data, RECIPE)
    assert np.abs(trained.get_layer("logits").kernel - untrained.get_layer("logits").kernel).max() > 1e-3


def test_filters_beyond_the_patches_values_stay_random():
    """A 3x3 patch of a gray image has 9 values."""
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), "uint8")
    data = load_data((images, np.arange(64) % 2))
    options = dict(widths=(24, 24), depths=(1, 1))
    whitened = build_model("resnet20_cifar", data, RECIPE, **options).get_layer("stem_conv").kernel.numpy()
    random = build_model("resnet20_cifar", data, Recipe(), **options).get_layer("stem_conv").kernel.numpy()
    np.testing.assert_array_equal(whitened[..., :9], -whitened[..., 9:18])
    np.testing.assert_array_equal(whitened[..., 18:], random[..., 18:])


def test_given_weights_are_not_whitened(shapes):
    with pytest.raises(ValueError, match="whitened_stem is for random weights; leave it out with weights='cifar10'"):
        build_model("resnet20_cifar", load_data(shapes), RECIPE, weights="cifar10")


def test_standardized_filters_are_not_whitened(shapes):
    with pytest.raises(ValueError, match="whitened_stem needs filters as they are"):
        build_model(
            "resnet20_cifar",
            load_data(shapes),
            RECIPE,
            conv="standardized",
            norm="group_norm",
            widths=(32, 32),
            depths=(1, 1),
        )
