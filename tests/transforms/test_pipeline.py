"""Augmentation of batches by recipes and Keras layers."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, load_data
from keras_resnet.data.batches import training_batches
from keras_resnet.transforms.pipeline import apply_layer, augment_batch
from tests.marks import exhaustive

IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 16, 20, 3)).astype("float32")
LABELS = np.eye(4, 5, dtype="float32")


def test_smoothing_spreads_the_label():
    recipe = Recipe(label_smoothing=0.1)
    _, labels = augment_batch(tf.constant(IMAGES), tf.constant([0, 1, 2, 3]), tf.constant([1, 2]), recipe, classes=5)
    np.testing.assert_allclose(labels, 0.9 * LABELS + 0.1 / 5, rtol=1e-6)


def test_soft_labels_need_the_number_of_classes():
    with pytest.raises(ValueError, match="need the number of classes"):
        augment_batch(tf.constant(IMAGES), tf.constant([0, 1, 2, 3]), [1, 2], Recipe(mixup=0.2), classes=None)


def repeated(layer):
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3)).astype("uint8")
    train = load_data((images, np.arange(12))).train
    recipe = Recipe(batch_size=4, seed=2)
    return [list(training_batches(train, recipe, layer=layer).take(6).as_numpy_iterator()) for _ in range(2)]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.RandomRotation(0.2),
        exhaustive(lambda: keras.layers.RandAugment(value_range=(0, 255))),
        lambda: keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomZoom(0.3)]),
    ],
)
def test_keras_layers_draw_from_the_recipes_seed(layer):
    one, other = repeated(layer())
    np.testing.assert_equal(one, other)
    assert len({images.tobytes() for images, _ in one}) == 6
    assert one[0][0].shape == (4, 16, 16, 3)


@pytest.mark.exhaustive
def test_keras_cv_layers_work():
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
        dict(color_jitter=0.4, pca_lighting=0.1, random_erasing=0.5),
        exhaustive(dict(auto_augment="randaugment", mixup=0.2, cutmix=1.0)),
        exhaustive(dict(auto_augment="trivialaugment", label_smoothing=0.1)),
    ],
)
def test_recipes_reach_the_batches(change):
    """Both runs agree, and each operation changes something."""
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


def test_random_operations_of_a_layer_are_independent():
    layer = keras.Sequential([keras.layers.RandomFlip("horizontal"), keras.layers.RandomFlip("vertical")])
    images = np.zeros((64, 2, 2, 1), "float32")
    images[:, 0, 0] = 1
    flipped = apply_layer(layer, images, tf.constant([1, 2]))
    corners = {tuple(np.argwhere(image)[0][:2].tolist()) for image in flipped.numpy()}
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}
