"""RandAugment's operations against Pillow, pixel by pixel, and the policies' draws."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_resnet import policies
from keras_resnet.augmentation import example_seed
from tests.photos import scene

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56, 3)).astype("uint8")
DARK = (scene(40, 56) // 3 + 20).astype("uint8")
AFFINE = Image.Transform.AFFINE

BY_PILLOW = {
    "identity": lambda image, value: image,
    "autocontrast": lambda image, value: ImageOps.autocontrast(image),
    "equalize": lambda image, value: ImageOps.equalize(image),
    "solarize": lambda image, value: ImageOps.solarize(image, value),
    "posterize": lambda image, value: ImageOps.posterize(image, int(value)),
    "brightness": lambda image, value: ImageEnhance.Brightness(image).enhance(value),
    "contrast": lambda image, value: ImageEnhance.Contrast(image).enhance(value),
    "color": lambda image, value: ImageEnhance.Color(image).enhance(value),
    "sharpness": lambda image, value: ImageEnhance.Sharpness(image).enhance(value),
    "shear_x": lambda image, value: image.transform(image.size, AFFINE, (1, value, 0, 0, 1, 0)),
    "shear_y": lambda image, value: image.transform(image.size, AFFINE, (1, 0, 0, value, 1, 0)),
    "translate_x": lambda image, value: image.transform(image.size, AFFINE, (1, 0, round(value), 0, 1, 0)),
    "translate_y": lambda image, value: image.transform(image.size, AFFINE, (1, 0, 0, 0, 1, round(value))),
    "rotate": lambda image, value: image.rotate(value),
}
# Where a value lies between two levels, float32 may fall on the other side; of a turned image, a few pixels' centres
# fall between two pixels.
LEVELS = {"brightness": 1, "contrast": 1, "color": 1, "sharpness": 1, "autocontrast": 1}
SHARE_OF_PIXELS = {"rotate": 0.03, "shear_x": 0.01, "shear_y": 0.01}


@pytest.mark.parametrize("name", BY_PILLOW)
@pytest.mark.parametrize("share", [0.0, 0.31, 1.0])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_operations_are_pillows(name, share, sign):
    for table in (policies.RAND_AUGMENT, policies.TRIVIAL_AUGMENT):
        operation, value_of = table[name]
        for image in (NOISE, DARK, np.full((40, 56, 3), 9, "uint8")):
            value = float(value_of(tf.constant(share), tf.constant(sign), tf.constant([40.0, 56.0, 3.0])))
            ours = np.asarray(operation(tf.constant(image), tf.constant(value)), int)
            expected = np.asarray(BY_PILLOW[name](Image.fromarray(image), value), int)
            wrong = np.abs(ours - expected) > LEVELS.get(name, 0)
            assert wrong.any(-1).mean() <= SHARE_OF_PIXELS.get(name, 0), f"{value}"


def test_ranges_are_the_papers():
    """torchvision's tables at magnitude 30, on an image of 331 pixels."""

    def highest(table, name):
        return float(table[name][1](tf.constant(1.0), tf.constant(1.0), tf.constant([331.0, 331.0, 3.0])))

    rand = dict(shear_x=0.3, translate_x=150, translate_y=150, rotate=30, brightness=1.9, posterize=4, solarize=0)
    trivial = dict(shear_y=0.99, translate_x=32, rotate=135, color=1.99, sharpness=1.99, posterize=2, solarize=0)
    for table, values in ((policies.RAND_AUGMENT, rand), (policies.TRIVIAL_AUGMENT, trivial)):
        assert len(table) == 14
        for name, value in values.items():
            assert highest(table, name) == pytest.approx(value, rel=1e-5), name


def drawn(policy, count):
    """How often each operation was drawn: they are replaced by ones that paint their number."""
    names = list(policies.RAND_AUGMENT)

    def paint(number):
        return lambda image, value: tf.fill(tf.shape(image), tf.constant(number, tf.uint8))

    table = {name: (paint(number), policies.RAND_AUGMENT[name][1]) for number, name in enumerate(names)}
    draw = tf.function(lambda seed: policy(tf.constant(NOISE[:2, :2]), table, seed)[0, 0, 0])
    return np.bincount([int(draw(example_seed(0, 0, index))) for index in range(count)], minlength=14)


def test_operations_are_drawn_equally_often():
    def policy(image, table, seed):
        kind, share, sign = tf.unstack(tf.random.stateless_uniform([3], seed))
        return policies._apply(image, table, kind, share, sign)

    counts = drawn(policy, 2800)
    assert ((counts - 200) ** 2 / 200).sum() < 13 + 5 * np.sqrt(2 * 13)


@pytest.mark.parametrize(
    "policy", [lambda image, seed: policies.rand_augment(image, seed, 2, 9.0), policies.trivial_augment]
)
def test_policies_are_functions_of_their_seed(policy):
    image = tf.constant(scene(32, 32))
    draw = tf.function(lambda seed: policy(image, seed))
    images = [draw(example_seed(1, 0, index)).numpy() for index in range(40)]
    np.testing.assert_array_equal(images[7], draw(example_seed(1, 0, 7)))
    assert len({image.tobytes() for image in images}) > 20
    assert images[0].dtype == np.uint8
