"""The view in NumPy against the one in a graph, which is TensorFlow's resizing."""

import concurrent.futures

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnet.runtimes.views import center_view
from keras_resnet.transforms import views as graph
from keras_resnet.view import View
from tests.photos import scene


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), "uint8")


def assert_equal(image, view):
    """Equal to the bit."""
    expected = np.asarray(graph.center_view(tf.constant(image), view))[0]
    found = center_view(image, view)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_random_sizes(interpolation, kind):
    random = np.random.default_rng(0)
    for seed in range(40):
        shape = tuple(random.integers(20, 300, 2))
        size, fraction = tuple(map(int, random.integers(20, 120, 2))), float(random.uniform(0.5, 1))
        assert_equal(noise(shape, seed).astype(kind), View(size, fraction, interpolation))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (224, 224), (1200, 1800), (33, 40), (256, 256), (2000, 260)])
def test_sizes_of_photos(shape, interpolation):
    for image in (noise(shape), scene(*shape)):
        assert_equal(image, View((224, 224), 0.875, interpolation))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(3, 90), (300, 30), (4, 60), (1, 5_000), (60_000, 1), (2, 20_000)])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_elongated_images(shape, interpolation, kind):
    """They are not resized as a whole, on both sides."""
    assert_equal(noise(shape).astype(kind), View((12, 16), 0.8, interpolation))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_photos(interpolation, local_data):
    for path in sorted((local_data / "photos" / "full_size").glob("*"))[::10]:
        assert_equal(np.asarray(Image.open(path).convert("RGB")), View((224, 224), 0.875, interpolation))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels(channels):
    image = np.random.default_rng(0).integers(0, 256, (50, 70, channels), "uint8")
    assert_equal(image, View((24, 32), 0.9))


def test_image_of_the_wanted_size_is_only_cropped():
    image = noise((40, 40))
    np.testing.assert_array_equal(center_view(image, View((32, 32), 0.8)), image[4:36, 4:36])


def test_several_threads_compute_the_same():
    image, view = noise((300, 400)), View((224, 224), 0.875)
    expected = center_view(image, view)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found in pool.map(center_view, [image] * 20, [view] * 20):
            np.testing.assert_array_equal(found, expected)
