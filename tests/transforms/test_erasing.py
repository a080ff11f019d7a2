"""Random erasing against the paper's algorithm in NumPy."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet.transforms.erasing import random_erasing
from tests.seeds import graph_of, over_seeds

HEIGHT, WIDTH = 48, 64


def boxes_of(images):
    """Top, left, height and width of the erased boxes of images of zeros."""
    erased = images.any(-1)
    tops, lefts = erased.any(2).argmax(1), erased.any(1).argmax(1)
    heights, widths = erased.any(2).sum(1), erased.any(1).sum(1)
    np.testing.assert_array_equal(erased.sum((1, 2)), heights * widths)  # a complete box, and nothing outside it
    return tops, lefts, heights, widths


def papers_box(random):
    """Algorithm 1 with the ranges and the logarithmic scale of timm: top, left, height and width."""
    while True:
        area = HEIGHT * WIDTH * random.uniform(0.02, 1 / 3)
        ratio = math.exp(random.uniform(math.log(0.3), math.log(3.3)))
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if height < HEIGHT and width < WIDTH:
            return random.integers(HEIGHT - height + 1), random.integers(WIDTH - width + 1), height, width


def test_erased_boxes_are_distributed_as_the_papers():
    count = 4000
    zeros = np.zeros((HEIGHT, WIDTH, 3), "uint8")
    ours = np.stack(boxes_of(over_seeds(lambda seed: random_erasing(zeros, seed, 1.0), count)))
    random = np.random.default_rng(0)
    theirs = np.array([papers_box(random) for _ in range(4 * count)]).T
    for one, other in zip(ours, theirs, strict=True):  # Kolmogorov and Smirnov, 0.1 %
        steps = np.arange(max(HEIGHT, WIDTH) + 1)
        apart = [np.searchsorted(np.sort(values), steps, side="right") / len(values) for values in (one, other)]
        assert np.abs(apart[0] - apart[1]).max() < 1.95 * np.sqrt(1.25 / count)
    np.testing.assert_allclose(np.corrcoef(ours), np.corrcoef(theirs), atol=5 * np.sqrt(1.25 / count))
    np.testing.assert_array_equal(ours[:2].min(1), 0)  # the box reaches all four sides
    np.testing.assert_array_equal((ours[:2] + ours[2:]).max(1), (HEIGHT, WIDTH))
    areas = ours[2] * ours[3] / (HEIGHT * WIDTH)
    assert 0.015 < areas.min() < 0.03
    assert 0.32 < areas.max() < 0.345


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_images_are_erased_with_the_probability(probability):
    zeros = np.zeros((16, 16, 3), "uint8")
    erased = over_seeds(lambda seed: random_erasing(zeros, seed, probability), 2000).any((1, 2, 3)).mean()
    assert abs(erased - probability) <= 4 * math.sqrt(probability * (1 - probability) / 2000)


@pytest.mark.parametrize(
    ("dtype", "color"), [("uint8", (124, 116, 104)), ("float32", (0.485 * 255, 0.456 * 255, 0.406 * 255))]
)
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH, 3), (None, None, 3)])
def test_the_box_has_imagenets_mean_color_and_the_rest_is_unchanged(dtype, color, shape):
    concrete = graph_of(lambda image, seed: random_erasing(image, seed, 1.0), tf.TensorSpec(shape, dtype))
    assert concrete.output_shapes.as_list() == list(shape)
    image = np.random.default_rng(0).integers(150, 256, (HEIGHT, WIDTH, 3)).astype(dtype)
    one, same, other = (concrete(tf.constant(image), tf.constant([seed, 0])).numpy() for seed in (1, 1, 2))
    assert one.dtype == dtype
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    changed = (one != image).any(-1)
    assert 0.01 < changed.mean() < 0.35
    np.testing.assert_allclose(one[changed], np.broadcast_to(color, one[changed].shape), rtol=1e-6)


def test_an_image_too_small_for_any_box_is_unchanged():
    for index in range(5):
        image = np.full((1, 40, 3), index, "float32")
        np.testing.assert_array_equal(random_erasing(image, [index, 0], 1.0), image)
