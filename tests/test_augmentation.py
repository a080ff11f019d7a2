"""Colours, erasing, mixing and Keras layers against NumPy written from the papers, and by their distributions."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, load_data
from keras_resnet.augmentation import apply_layer, augment_batch, example_seed, random_erasing
from keras_resnet.batches import training_batches
from keras_resnet.color import color_jitter, lighting
from keras_resnet.mixing import cutmix, mix, mixup
from tests.photos import scene

PHOTO = scene(24, 30)


def draws(function, count):
    """What `function` of a seed gives for `count` seeds."""
    graph = tf.function(function)
    return np.stack([graph(example_seed(0, 0, index)) for index in range(count)])


def test_lighting_has_alexnets_distribution():
    """One shift for all pixels; its covariance is P diag((0.1 x lambda)^2) P', P the eigenvectors, in 0 to 255."""
    shifts = draws(lambda seed: lighting(tf.constant(PHOTO), seed, 0.1) - tf.constant(PHOTO, tf.float32), 3000)
    assert np.abs(shifts - shifts[:, :1, :1]).max() < 1e-3
    shifts = shifts[:, 0, 0]
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    values = 255 * 0.1 * np.array([0.2175, 0.0188, 0.0045])
    expected = vectors @ np.diag(values**2) @ vectors.T
    np.testing.assert_allclose(np.cov(shifts.T), expected, rtol=0.12)
    assert np.abs(shifts.mean(0)).max() < 5 * np.sqrt(expected.max() / 3000)
    along = shifts @ np.linalg.inv(vectors).T / values  # the normal draws
    np.testing.assert_allclose(along.std(0), 1, rtol=0.06)
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.08


def test_color_jitter_is_three_blends_in_some_order():
    """Each result is one of the six orders of NumPy's blends, for factors that solve it."""
    image = np.float64(PHOTO)

    def grey(x):
        return (x @ [0.299, 0.587, 0.114])[..., None]

    others = (lambda x: 0 * x, lambda x: grey(x).mean(keepdims=True), grey)
    orders = [(a, b, 3 - a - b) for a in range(3) for b in range(3) if a != b]
    found = set()
    for index in range(60):
        seed = example_seed(0, 0, index)
        ours = color_jitter(tf.constant(PHOTO), seed, 0.4).numpy()
        factors = 1 + 0.4 * (2 * tf.random.stateless_uniform([6], seed).numpy()[3:] - 1)
        assert (np.abs(factors - 1) <= 0.4).all()
        errors = []
        for order in orders:
            result = image
            for kind in order:
                result = others[kind](result) + factors[kind] * (result - others[kind](result))
            errors.append(np.abs(result - ours).max())
        assert min(errors) < 0.01
        found.add(int(np.argmin(errors)))
    assert len(found) >= 4  # brightness and saturation commute


def test_erasing_leaves_the_rest_and_has_the_papers_areas():
    image = tf.zeros((40, 60, 3), tf.uint8)
    results = draws(lambda seed: random_erasing(image, seed, 0.5), 1500)
    masks = (results > 0).any(-1)
    erased = masks.any((1, 2))
    assert abs(erased.mean() - 0.5) < 0.065
    areas, ratios = [], []
    for mask in masks[erased]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.9  # black noise apart
        areas.append(height * width / 2400)
        ratios.append(height / width)
    assert 0.01 < min(areas) < 0.04
    assert 0.28 < max(areas) < 0.35
    assert 0.25 < min(ratios) < 0.45
    assert 2.2 < max(ratios) < 4
    noise = results[erased][masks[erased]].astype(float)
    np.testing.assert_allclose(noise.mean(0), (123.675, 116.28, 103.53), rtol=0.03)
    np.testing.assert_array_equal(random_erasing(image, (1, 2), 0.0), image)


IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 16, 20, 3)).astype("float32")
LABELS = np.eye(4, 5, dtype="float32")


def test_mixup_blends_images_and_labels_alike():
    shares = []
    for index in range(400):
        images, labels = mixup(tf.constant(IMAGES), tf.constant(LABELS), example_seed(0, 0, index), alpha=0.4)
        share = float(labels[0, 0])
        np.testing.assert_allclose(images, share * IMAGES + (1 - share) * np.roll(IMAGES, 1, 0), rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(labels, share * LABELS + (1 - share) * np.roll(LABELS, 1, 0), atol=1e-6)
        shares.append(share)
    expected = np.random.default_rng(0).beta(0.4, 0.4, 100_000)
    parts = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(np.quantile(shares, parts), np.quantile(expected, parts), atol=0.12)


def test_cutmix_pastes_a_rectangle_and_mixes_by_its_area():
    areas = []
    for index in range(400):
        images, labels = cutmix(tf.constant(IMAGES), tf.constant(LABELS), example_seed(0, 0, index), alpha=1.0)
        pasted = (images.numpy() != IMAGES).any(-1)
        assert (pasted == pasted[:1]).all()
        area = pasted[0].mean()
        np.testing.assert_array_equal(images.numpy()[pasted], np.roll(IMAGES, 1, 0)[pasted])
        np.testing.assert_allclose(labels, (1 - area) * LABELS + area * np.roll(LABELS, 1, 0), atol=1e-5)
        if pasted.any():
            rows, columns = np.flatnonzero(pasted[0].any(1)), np.flatnonzero(pasted[0].any(0))
            assert pasted[0][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        areas.append(area)
    # NumPy from the paper: l uniform, the rectangle of share 1 - l around a uniform centre, cut off at the border.
    random = np.random.default_rng(0)
    half = np.sqrt(1 - random.uniform(size=100_000))[:, None] / 2
    centre = random.uniform(size=(100_000, 2))
    expected = (np.minimum(centre + half, 1) - np.maximum(centre - half, 0)).prod(1)
    parts = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(np.quantile(areas, parts), np.quantile(expected, parts), atol=0.06)


def test_a_batch_gets_one_of_both():
    kinds = []
    for index in range(200):
        images, _ = mix(tf.constant(IMAGES), tf.constant(LABELS), example_seed(0, 0, index), 1.0, 1.0)
        kept = (images.numpy() == IMAGES).mean()
        kinds.append(kept > 0.01)
    assert 70 < sum(kinds) < 130
    alone, label = mix(tf.constant(IMAGES[:1]), tf.constant(LABELS[:1]), example_seed(0, 0, 0), 1.0, 1.0)
    np.testing.assert_allclose(alone, IMAGES[:1], rtol=1e-5)
    np.testing.assert_allclose(label, LABELS[:1], rtol=1e-5)


def test_smoothing_spreads_the_label():
    recipe = Recipe(label_smoothing=0.1)
    _, labels = augment_batch(tf.constant(IMAGES), tf.constant([0, 1, 2, 3]), tf.constant([1, 2]), recipe, classes=5)
    np.testing.assert_allclose(labels, 0.9 * LABELS + 0.1 / 5, rtol=1e-6)


def repeated(layer, tmp_path=None):
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3)).astype("uint8")
    train = load_data((images, np.arange(12))).train
    recipe = Recipe(batch_size=4, seed=2)
    return [list(training_batches(train, recipe, layer=layer).take(6).as_numpy_iterator()) for _ in range(2)]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.RandomRotation(0.2),
        lambda: keras.layers.RandAugment(value_range=(0, 255)),
        lambda: keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomZoom(0.3)]),
    ],
)
def test_keras_layers_draw_from_the_recipes_seed(layer):
    one, other = repeated(layer())
    np.testing.assert_equal(one, other)
    assert len({images.tobytes() for images, _ in one}) == 6
    assert one[0][0].shape == (4, 16, 16, 3)


def test_keras_cv_layers_fit_in():
    keras_cv = pytest.importorskip("keras_cv", reason="keras-cv is an extra: pip install 'resnet-keras[keras-cv]'")
    for layer in (keras_cv.layers.RandAugment(value_range=(0, 255)), keras_cv.layers.GridMask()):
        batches, _ = repeated(layer)
        assert batches[0][0].shape == (4, 16, 16, 3)
        assert batches[0][0].dtype == np.float32


def test_layers_keep_float32_under_a_mixed_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        images = apply_layer(keras.layers.RandomFlip(), tf.zeros((2, 8, 8, 3)), tf.constant([1, 2]))
    finally:
        keras.config.set_dtype_policy("float32")
    assert images.dtype == tf.float32


@pytest.mark.parametrize(
    "change",
    [
        dict(color_jitter=0.4, lighting=0.1, erasing=0.5),
        dict(policy="randaugment", mixup=0.2, cutmix=1.0),
        dict(policy="trivialaugment", label_smoothing=0.1),
    ],
)
def test_recipes_reach_the_batches(change):
    """Alike twice, and each operation changes something."""
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)).astype("uint8")
    train = load_data((images, np.arange(8))).train
    recipe = dataclasses.replace(Recipe(batch_size=4), **change)
    one, other = (list(training_batches(train, recipe, classes=8).take(4).as_numpy_iterator()) for _ in range(2))
    np.testing.assert_equal(one, other)
    for name in change:
        without = dataclasses.replace(recipe, **{name: Recipe.__dataclass_fields__[name].default})
        plain = list(training_batches(train, without, classes=8).take(4).as_numpy_iterator())
        same = [np.array_equal(a, b) and np.array_equal(c, d) for (a, c), (b, d) in zip(one, plain, strict=True)]
        assert not all(same), name
