"""Color jitter and PCA lighting against NumPy versions of their sources, and the distributions of their draws."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet.transforms.color import PCA_EIGENVALUES, PCA_EIGENVECTORS, color_jitter, pca_lighting
from tests.seeds import graph_of, over_seeds

PICTURE = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype("uint8")
FUNCTIONS = {
    "color_jitter": lambda image, seed: color_jitter(image, seed, 0.4),
    "pca_lighting": lambda image, seed: pca_lighting(image, seed, 0.1),
}


def gray(image):
    return image @ np.float64([0.299, 0.587, 0.114])


# datasets/transforms.lua of fb.resnet.torch: image x factor + (1 - factor) x the other
JITTER = {
    "brightness": lambda image, factor: factor * image,
    "contrast": lambda image, factor: factor * image + (1 - factor) * gray(image).mean(),
    "saturation": lambda image, factor: factor * image + (1 - factor) * gray(image)[..., None],
}


def factors_of(jittered):
    """Brightness, contrast and saturation of each jittered PICTURE: the result is linear in three known images."""
    picture = PICTURE.astype("float64")
    of_pixel = np.repeat(gray(picture)[..., None], 3, axis=2)
    known = np.stack([picture, of_pixel, np.full(picture.shape, gray(picture).mean())], -1).reshape(-1, 3)
    own, pixel, mean = np.linalg.lstsq(known, jittered.reshape(len(jittered), -1).T, rcond=None)[0]
    both = own + pixel
    return np.stack([both + mean, both / (both + mean), own / both], -1)


def test_color_jitter_is_fb_resnet_torchs_in_every_order():
    jittered = over_seeds(lambda seed: color_jitter(PICTURE, seed, 0.4), 20)
    assert jittered.dtype == np.float32
    assert jittered.max() > 255  # not clipped
    for image, factors in zip(jittered, factors_of(jittered), strict=True):
        for order in itertools.permutations(zip(JITTER, factors, strict=True)):
            expected = PICTURE.astype("float64")
            for name, factor in order:
                expected = JITTER[name](expected, factor)
            np.testing.assert_allclose(image, expected, atol=2e-3)


@pytest.mark.parametrize("strength", [0.4, 0.1])
def test_factors_of_color_jitter_are_uniform_and_independent(strength):
    count = 3000
    factors = factors_of(over_seeds(lambda seed: color_jitter(PICTURE, seed, strength), count))
    assert factors.min() > 1 - strength - 1e-4
    assert factors.max() < 1 + strength + 1e-4
    ranks = np.sort((factors - 1 + strength) / (2 * strength), axis=0)
    distance = np.abs(ranks - (np.arange(count)[:, None] + 0.5) / count).max()
    assert distance < 2 / np.sqrt(count)  # Kolmogorov and Smirnov: 0.1 % of samples are above 1.95
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 4 / np.sqrt(count)


def test_no_strength_changes_nothing():
    np.testing.assert_allclose(color_jitter(PICTURE, [0, 1], 0.0), PICTURE, atol=1e-3)
    np.testing.assert_array_equal(pca_lighting(PICTURE, [0, 1], 0.0), PICTURE)


def test_principal_components_are_a_rotation():
    """Eigenvectors of a covariance matrix are orthonormal; the published ones are, to four digits."""
    np.testing.assert_allclose(PCA_EIGENVECTORS.T @ PCA_EIGENVECTORS, np.eye(3), atol=3e-4)
    np.testing.assert_allclose(PCA_EIGENVECTORS[:, 0], -np.full(3, 3**-0.5), atol=0.011)  # brightness comes first
    assert list(PCA_EIGENVALUES) == sorted(PCA_EIGENVALUES, reverse=True)


@pytest.mark.parametrize("std", [0.1, 0.5])
def test_pca_lighting_adds_normal_amounts_of_the_components(std):
    count = 4000
    added = over_seeds(lambda seed: pca_lighting(PICTURE, seed, std), count) - PICTURE
    assert np.ptp(added, axis=(1, 2)).max() < 1e-3  # one color for the whole image
    values, vectors = (
        [0.2175, 0.0188, 0.0045],
        [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]],
    )
    amounts = np.linalg.solve(np.float64(vectors) * values, added.mean((1, 2)).T / 255) / std
    drawn = over_seeds(lambda seed: tf.random.stateless_normal([3], seed), count)
    np.testing.assert_allclose(amounts.T, drawn, atol=2e-3 / std)  # float32 behind the smallest eigenvalue
    assert np.abs(amounts.mean(1)).max() < 4 / np.sqrt(count)
    np.testing.assert_allclose(np.cov(amounts), np.eye(3), atol=4 * np.sqrt(2 / count))
    assert 0.002 < (np.abs(amounts) > 2.5758).mean() < 0.018  # 1 % of a normal distribution
    assert added.min() < 0 < added.max()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(7, 9, 3), (None, None, 3)])
def test_type_shape_and_seed(name, dtype, shape):
    concrete = graph_of(FUNCTIONS[name], tf.TensorSpec(shape, dtype))
    assert concrete.output_shapes.as_list() == list(shape)
    image = tf.constant(PICTURE.astype(dtype))
    one, same, other = (concrete(image, tf.constant([seed, 0])).numpy() for seed in (1, 1, 2))
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(one, FUNCTIONS[name](PICTURE.astype("float32"), [1, 0]))
    assert np.abs(one - other).max() > 0.1
