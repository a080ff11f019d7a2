"""Mixup and CutMix against NumPy versions of the papers, and the distributions of their draws."""

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet.transforms.boxes import paste
from keras_resnet.transforms.mixup import cutmix, draw_mixing_ratio, mix, mixup
from tests.seeds import graph_of, over_seeds

random = np.random.default_rng(0)
IMAGES = random.permutation(5 * 12 * 10 * 3).reshape(5, 12, 10, 3).astype("float32") % 256
LABELS = np.eye(7, dtype="float32")[[3, 0, 6, 1, 4]]
# An image of ones and one of zeros: the mixed first image shows the fraction and position of its own pixels.
PAIR = np.stack([np.ones((12, 10, 1)), np.zeros((12, 10, 1))]).astype("float32")


def quantile_distance(one, other):
    """The largest distance of two samples' distribution functions (Kolmogorov and Smirnov), scaled."""
    points = np.concatenate([one, other])
    apart = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (one, other)]
    return np.abs(apart[0] - apart[1]).max() * np.sqrt(len(one) * len(other) / (len(one) + len(other)))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_mixing_ratios_are_beta_distributed(alpha):
    drawn = over_seeds(lambda seed: draw_mixing_ratio(seed, alpha), 20_000)
    assert 0 <= drawn.min() < drawn.max() <= 1
    assert (
        quantile_distance(drawn, np.random.default_rng(0).beta(alpha, alpha, 200_000).astype("float32")) < 1.95
    )  # 0.1 %


def test_tiny_alphas_give_finite_ratios():
    drawn = over_seeds(lambda seed: draw_mixing_ratio(seed, 0.001), 2000)
    assert np.isfinite(drawn).all()
    assert ((drawn < 1e-3) | (drawn > 1 - 1e-3)).mean() > 0.95


def partners(values):
    return np.concatenate([values[-1:], values[:-1]])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_mixup_blends_images_and_labels_alike(dtype):
    ratios = []
    for index in range(30):
        images, labels = mixup(IMAGES.astype(dtype), LABELS, [index, 0], alpha=1.0)
        ratio = float(labels[0, 3])
        np.testing.assert_allclose(labels, ratio * LABELS + (1 - ratio) * partners(LABELS), atol=1e-6)
        np.testing.assert_allclose(images, ratio * IMAGES + (1 - ratio) * partners(IMAGES), atol=1e-3)
        assert images.dtype == labels.dtype == tf.float32
        ratios.append(ratio)
    assert min(ratios) < 0.2
    assert max(ratios) > 0.8


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_cutmix_replaces_a_box_and_counts_its_pixels(dtype):
    inside = 0
    for index in range(40):
        images, labels = (part.numpy() for part in cutmix(IMAGES.astype(dtype), LABELS, [index, 0], alpha=1.0))
        assert images.dtype == labels.dtype == np.float32
        replaced = (images != IMAGES).any((0, 3))
        box = np.zeros_like(replaced)
        if replaced.any():
            rows, columns = replaced.any(1).nonzero()[0], replaced.any(0).nonzero()[0]
            box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
            inside += rows[0] > 0 and rows[-1] < 11 and columns[0] > 0 and columns[-1] < 9
        np.testing.assert_array_equal(images, np.where(box[:, :, None], partners(IMAGES), IMAGES))
        ratio = 1 - box.mean()
        np.testing.assert_allclose(labels, ratio * LABELS + (1 - ratio) * partners(LABELS), atol=1e-6)
    assert inside > 2


def authors_box(random, height, width, alpha):
    """rand_bbox of the authors' train.py: what stays of the own image, (height, width)."""
    cut = np.sqrt(1 - random.beta(alpha, alpha))
    cut_height, cut_width = int(height * cut), int(width * cut)
    row, column = random.integers(height), random.integers(width)
    stays = np.ones((height, width))
    stays[
        max(row - cut_height // 2, 0) : min(row + cut_height // 2, height),
        max(column - cut_width // 2, 0) : min(column + cut_width // 2, width),
    ] = 0
    return stays


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_boxes_of_cutmix_are_distributed_as_the_authors(alpha):
    count = 4000
    images, _ = over_seeds(lambda seed: cutmix(PAIR, np.eye(2), seed, alpha), count)
    ours, generator = images[:, 0, :, :, 0], np.random.default_rng(0)
    theirs = np.stack([authors_box(generator, 12, 10, alpha) for _ in range(4 * count)])
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 4.5 * np.sqrt(
        0.25 * 1.25 / count
    )  # 120 pixels, 4.5 deviations
    assert quantile_distance(ours.sum((1, 2)), theirs.sum((1, 2))) < 1.95
    for axis in (1, 2):  # the height and width of the box
        sides = [(mask.min(axis) == 0).sum(1) for mask in (ours, theirs)]
        assert quantile_distance(*sides) < 1.95


def is_blended(images):
    """Mixup leaves one value in the whole image, CutMix ones and zeros."""
    return ((images[:, 0] > 0) & (images[:, 0] < 1)).all((1, 2, 3))


def test_mix_draws_both_equally_often():
    images, labels = over_seeds(lambda seed: mix(PAIR, np.eye(2), seed, mixup_alpha=4.0, cutmix_alpha=1.0), 2000)
    assert abs(is_blended(images).mean() - 0.5) < 4 * 0.5 / np.sqrt(2000)
    np.testing.assert_allclose(images.mean((2, 3, 4)), labels[:, :, 0], atol=1e-5)


@pytest.mark.parametrize(("alphas", "blended"), [((4.0, 0.0), 1), ((0.0, 1.0), 0)])
def test_mix_draws_only_what_has_an_alpha(alphas, blended):
    images, labels = over_seeds(lambda seed: mix(PAIR, np.eye(2), seed, *alphas), 100)
    assert is_blended(images).mean() == blended
    assert np.ptp(labels[:, 0, 0]) > 0.3


def test_mix_of_nothing_changes_only_the_type():
    images, labels = mix(IMAGES.astype("uint8"), LABELS.astype("int32"), [0, 0], 0.0, 0.0)
    assert images.dtype == labels.dtype == tf.float32
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


MIXES = {
    "mixup": lambda images, labels, seed: mixup(images, labels, seed, 0.2),
    "cutmix": lambda images, labels, seed: cutmix(images, labels, seed, 1.0),
    "mix": lambda images, labels, seed: mix(images, labels, seed, 0.1, 1.0),
}


@pytest.mark.parametrize("name", MIXES)
def test_shape_and_seed(name):
    function = MIXES[name]
    for shape in ((5, 12, 10, 3), (None, None, None, 3)):
        specs = tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((shape[0], 7), tf.float32)
        images, labels = graph_of(function, *specs).output_shapes
        assert images.as_list() == list(shape)
        assert labels.as_list() == [shape[0], 7]
    one, same = (over_seeds(lambda seed: function(IMAGES, LABELS, seed), 20) for _ in range(2))
    np.testing.assert_equal(one, same)
    assert len({image.tobytes() for image in one[0]}) > 15


@pytest.mark.parametrize("name", MIXES)
def test_a_batch_of_one_is_unchanged(name):
    for index in range(5):
        images, labels = MIXES[name](IMAGES[:1], LABELS[:1], [index, 0])
        np.testing.assert_allclose(images, IMAGES[:1], rtol=1e-6)
        np.testing.assert_allclose(labels, LABELS[:1], rtol=1e-6)


def test_paste_is_numpys():
    expected = IMAGES.copy()
    expected[:, 3:12, 0:4] = IMAGES[::-1, 3:12, 0:4]
    np.testing.assert_array_equal(paste(IMAGES, IMAGES[::-1], (3, 0), (12, 4)), expected)
    np.testing.assert_array_equal(paste(IMAGES[0], IMAGES[1], (5, 5), (5, 5)), IMAGES[0])
