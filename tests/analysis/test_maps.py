"""Occlusion maps against a loop of predictions, and how they compare with Grad-CAM."""

import numpy as np
import pytest
import scipy.stats

import keras_resnet
from keras_resnet.analysis.grad_cam import GradCam
from keras_resnet.analysis.maps import maps_of, patch_means, rank_correlation
from keras_resnet.analysis.occlusion import occlusion_map
from keras_resnet.evaluation.opening import open_model
from tests.exporting.nets import photos, small_net


@pytest.fixture(scope="module")
def net():
    model = small_net("resnet20_cifar", classes=3, classifier_activation="softmax")
    model.class_names = ("ant", "bee", "cat")
    return model


@pytest.fixture
def image():
    return photos(1)[0].astype("uint8")


def drops_by_predict(model, image, grid, class_name):
    """The same by `keras_resnet.predict`, a patch at a time."""
    before = dict(keras_resnet.predict(model, image)[0])[class_name]
    borders = np.linspace(0, 32, grid + 1).round().astype(int)
    drops = np.zeros((grid, grid))
    for row in range(grid):
        for column in range(grid):
            covered = image.copy()
            rows, columns = slice(*borders[row : row + 2]), slice(*borders[column : column + 2])
            covered[rows, columns] = image.mean((0, 1)).astype("uint8")
            drops[row, column] = before - dict(keras_resnet.predict(model, covered)[0])[class_name]
    return before, drops


@pytest.mark.parametrize("grid", [2, 5])
def test_occlusion_equals_a_loop_of_predictions(net, image, grid):
    found = occlusion_map(net, image, label=1, grid=grid)
    before, drops = drops_by_predict(net, image, grid, "bee")
    assert found.label == 1
    assert np.ptp(drops) > 1e-5
    np.testing.assert_allclose(found.probability, before, atol=1e-6)
    np.testing.assert_allclose(found.drops, drops, atol=1e-6)


def test_predicted_class_is_the_default(net, image):
    best = keras_resnet.predict(net, image)[0][0][0]
    assert net.class_names[occlusion_map(net, image, grid=2).label] == best


def test_occlusion_of_an_exported_model(net, image, tmp_path):
    net.save(tmp_path / "exported")  # a SavedModel
    exported, original = (occlusion_map(model, image, 2, grid=3) for model in (tmp_path / "exported", net))
    np.testing.assert_allclose(exported.drops, original.drops, atol=1e-5)


def test_maps_are_both_of_the_same_class(net, image):
    look = GradCam(net)
    for label in range(3):
        maps = maps_of(open_model(net), image, look, label, grid=4)
        np.testing.assert_array_equal(maps.grad_cam, look(image[None], [label]).upsampled[0])
        np.testing.assert_array_equal(maps.drops, occlusion_map(net, image, label, grid=4).drops)
        assert maps.label == label
        expected = maps.grad_cam.reshape(4, 8, 4, 8).mean((1, 3))
        np.testing.assert_allclose(maps.patch_evidence, expected, rtol=1e-5)
        assert maps.agreement == rank_correlation(maps.patch_evidence, maps.drops)


def test_maps_without_grad_cam(net, image):
    maps = maps_of(open_model(net), image, grid=2)
    assert maps.grad_cam is None
    assert np.isnan(maps.patch_evidence).all()
    assert np.isnan(maps.agreement)


def test_patch_means_of_uneven_patches():
    values = np.arange(15.0).reshape(3, 5)
    expected = [[values[:2, :2].mean(), values[:2, 2:].mean()], [values[2:, :2].mean(), values[2:, 2:].mean()]]
    np.testing.assert_allclose(patch_means(values, 2), expected)


def test_rank_correlation_is_spearmans():
    random = np.random.default_rng(0)
    for _ in range(20):
        a = np.maximum(random.normal(size=(7, 7)), 0)  # with ties, as in Grad-CAM
        b = random.normal(size=(7, 7)) + a
        np.testing.assert_allclose(rank_correlation(a, b), scipy.stats.spearmanr(a.ravel(), b.ravel()).statistic)
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3.0)))


def test_wrong_arguments_are_refused(net, image):
    with pytest.raises(ValueError, match="grid=33 must be between 1 and 32"):
        occlusion_map(net, image, grid=33)
    with pytest.raises(ValueError, match="label=3 must be a class number below 3"):
        occlusion_map(net, image, label=3)
