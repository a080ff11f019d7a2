"""Every operation against Pillow, pixel by pixel; how often each operation and magnitude is drawn."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from keras_resnet.transforms.auto_augment import (
    RAND_AUGMENT,
    TRIVIAL_AUGMENT,
    draw,
    magnitudes,
    rand_augment,
    trivial_augment,
)
from tests.marks import few
from tests.seeds import graph_of, over_seeds

SPACES = {"rand": RAND_AUGMENT, "trivial": TRIVIAL_AUGMENT}


def affine(matrix):
    return lambda image, value: image.transform(
        image.size, Image.Transform.AFFINE, matrix(image, value), Image.Resampling.NEAREST
    )


# The same operations in Pillow, functions of (image, magnitude); translations in pixels.
PILLOW = {
    "identity": lambda image, _: image,
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "rotate": lambda image, degrees: image.rotate(degrees, Image.Resampling.NEAREST),
    "solarize": ImageOps.solarize,
    "color": lambda image, change: ImageEnhance.Color(image).enhance(1 + change),
    "posterize": lambda image, bits: ImageOps.posterize(image, round(bits)),
    "contrast": lambda image, change: ImageEnhance.Contrast(image).enhance(1 + change),
    "brightness": lambda image, change: ImageEnhance.Brightness(image).enhance(1 + change),
    "sharpness": lambda image, change: ImageEnhance.Sharpness(image).enhance(1 + change),
    "shear_x": affine(lambda _, slope: (1, slope, 0, 0, 1, 0)),
    "shear_y": affine(lambda _, slope: (1, 0, 0, slope, 1, 0)),
    "translate_x": affine(lambda _, pixels: (1, 0, -int(pixels), 0, 1, 0)),
    "translate_y": affine(lambda _, pixels: (1, 0, 0, 0, 1, -int(pixels))),
}
# RandAugment's translations are fractions of the side.
PILLOW_RAND = PILLOW | {
    "translate_x": lambda image, fraction: PILLOW["translate_x"](image, fraction * image.width),
    "translate_y": lambda image, fraction: PILLOW["translate_y"](image, fraction * image.height),
}
TRUTH = {"rand": PILLOW_RAND, "trivial": PILLOW}


def by_pillow(space, name, image, magnitude):
    return np.asarray(TRUTH[space][name](Image.fromarray(image), float(magnitude)))


def pictures():
    """Noise, gradients with stripes, a narrow histogram, one color; square and not, small and larger."""
    random = np.random.default_rng(0)
    for height, width in ((32, 32), (37, 61), (150, 260)):
        row, column = np.mgrid[:height, :width]
        yield random.integers(0, 256, (height, width, 3))
        yield np.stack([row * 200 // height + 20, column * 120 // width + 100, (row + column) % 7 * 10], -1)
        yield random.normal(120, 20, (height, width, 3)).clip(60, 200)
    yield np.full((20, 30, 3), 77)


PICTURES = [picture.astype("uint8") for picture in pictures()]


def test_the_operations_are_the_papers():
    assert set(RAND_AUGMENT) == set(TRIVIAL_AUGMENT) == set(PILLOW)
    assert len(PILLOW) == 14


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("space", SPACES)
def test_operation_is_pillows(space, name):
    number = list(SPACES[space]).index(name)
    function = SPACES[space][name].function
    specs = [tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([], tf.float64)]
    compiled = tf.function(lambda image, magnitude: function(image, magnitude), input_signature=specs)
    changed = 0
    for magnitude in np.unique(magnitudes(SPACES[space])[number][:, [0, 4, 9, 17, 30]]):
        for picture in PICTURES:
            ours = compiled(picture, magnitude).numpy()
            np.testing.assert_array_equal(ours, by_pillow(space, name, picture, magnitude))
            changed += not np.array_equal(ours, picture)
    assert (changed > 0) == (name != "identity")


# torchvision 0.28, transforms/autoaugment.py, _augmentation_space: at magnitude 9 and 30.
RANGES = {
    "rand": dict(rotate=(9, 30), shear_x=(0.09, 0.3), shear_y=(0.09, 0.3), solarize=(178.5, 0))
    | dict.fromkeys(("color", "contrast", "brightness", "sharpness"), (0.27, 0.9))
    | dict(translate_x=(0.3 * 150 / 331, 150 / 331), translate_y=(0.3 * 150 / 331, 150 / 331)),
    "trivial": dict(rotate=(40.5, 135), shear_x=(0.297, 0.99), shear_y=(0.297, 0.99), solarize=(178.5, 0))
    | dict.fromkeys(("color", "contrast", "brightness", "sharpness"), (0.297, 0.99))
    | dict.fromkeys(("translate_x", "translate_y"), (9.6, 32)),
}


@pytest.mark.parametrize("space", SPACES)
def test_magnitudes_are_torchvisions(space):
    table = dict(zip(SPACES[space], magnitudes(SPACES[space]), strict=True))
    for name, expected in RANGES[space].items():
        np.testing.assert_allclose(table[name][0, [9, 30]], expected, rtol=1e-12, err_msg=name)
        sign = 1 if name == "solarize" else -1
        np.testing.assert_array_equal(table[name][1], sign * table[name][0])
    bits = {"rand": 7.5, "trivial": 5}[space]
    np.testing.assert_array_equal(table["posterize"].round(), [[8 - round(bin / bits) for bin in range(31)]] * 2)
    assert set(RANGES[space]) | {"identity", "autocontrast", "equalize", "posterize"} == set(table)


def chi_square(counts):
    """Standard deviations above the mean of chi-square."""
    expected, freedom = counts.sum() / counts.size, counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


@pytest.mark.parametrize("space", SPACES)
def test_operations_and_magnitudes_are_equally_likely(space):
    """Each entry is its own number instead of a magnitude; the two draws of an image are independent."""
    shape = magnitudes(SPACES[space]).shape
    assert shape == (14, 2, 31)
    entries = np.arange(np.prod(shape), dtype="float64").reshape(shape)
    numbers, drawn = over_seeds(lambda seed: draw(seed, 2, entries), 20_000)
    drawn = drawn.astype(int)
    np.testing.assert_array_equal(numbers, drawn // (2 * 31))
    assert chi_square(np.bincount(drawn.ravel(), minlength=entries.size)) < 5
    assert chi_square(np.bincount(numbers[:, 0] * 14 + numbers[:, 1], minlength=14**2)) < 5


def test_rand_augment_is_pillows_operations_one_after_another():
    table = magnitudes(RAND_AUGMENT)[:, :, 20:21]
    compiled = tf.function(lambda image, seed: rand_augment(image, seed, operations=3, magnitude=20))
    seen = set()
    for index in range(40):
        seed, expected = tf.constant([index, 3]), PICTURES[3 + index % 3]
        ours = compiled(expected, seed).numpy()
        for number, magnitude in zip(*(part.numpy() for part in draw(seed, 3, table)), strict=True):
            expected = by_pillow("rand", list(RAND_AUGMENT)[number], expected, magnitude)
            seen.add(number)
        np.testing.assert_array_equal(ours, expected)
    assert seen == set(range(14))


def test_operations_of_rand_augment_have_a_probability():
    """The others, here three quarters, leave the image as it is."""
    image = np.random.default_rng(0).integers(1, 256, (8, 8, 3)).astype("uint8")
    always = tf.function(lambda seed: rand_augment(image, seed, 1, 30))
    quarter = tf.function(lambda seed: rand_augment(image, seed, 1, 30, probability=0.25))
    seeds, changed = 2000, 0
    for index in range(seeds):
        ours = quarter(tf.constant([index, 5])).numpy()
        if not np.array_equal(ours, image):
            changed += 1
            np.testing.assert_array_equal(ours, always(tf.constant([index, 5])).numpy())
    # 1 of 14 operations is the identity, and few others leave this image; 6 standard deviations.
    assert abs(changed / seeds - 0.25 * 13 / 14) < 6 * np.sqrt(0.25 * 0.75 / seeds)


def test_trivial_augment_is_one_of_pillows_operations():
    compiled = tf.function(trivial_augment)
    for index in range(60):
        seed = tf.constant([index, 4])
        (number,), (magnitude,) = (part.numpy() for part in draw(seed, 1, magnitudes(TRIVIAL_AUGMENT)))
        expected = by_pillow("trivial", list(TRIVIAL_AUGMENT)[number], PICTURES[4], magnitude)
        np.testing.assert_array_equal(compiled(PICTURES[4], seed).numpy(), expected)


@pytest.mark.parametrize(("function", "cases"), [(rand_augment, 2), (trivial_augment, 1)])
@pytest.mark.parametrize("shape", [(32, 48, 3), (None, None, 3)])
def test_only_the_drawn_operation_runs_and_the_shape_is_kept(function, cases, shape):
    """All pixel operations are inside the branches of a switch."""
    concrete = graph_of(function, tf.TensorSpec(shape, tf.uint8))
    kinds = [operation.type for operation in concrete.graph.get_operations()]
    assert kinds.count("StatelessCase") + kinds.count("Case") == cases
    assert not {"DepthwiseConv2dNative", "MatMul", "GatherV2", "DenseBincount", "BitwiseAnd", "PadV2"} & set(kinds)
    assert concrete.output_shapes.as_list() == list(shape)
    assert concrete.output_dtypes == tf.uint8


@pytest.mark.parametrize("function", few([rand_augment, trivial_augment], rand_augment))
def test_the_seed_decides(function):
    picture = PICTURES[0]
    first, second = (over_seeds(lambda seed: function(picture, seed), 50) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len({image.tobytes() for image in first}) > 25


def test_float_images_are_rounded():
    picture = PICTURES[1]
    shifted = (picture + np.random.default_rng(0).uniform(-0.49, 0.49, picture.shape)).astype("float32")
    shifted[0, 0] = (-3, 258, 255.4)
    expected = picture.copy()
    expected[0, 0] = (0, 255, 255)
    for index in range(10):
        ours = rand_augment(shifted, tf.constant([index, 0]))
        assert ours.dtype == tf.uint8
        np.testing.assert_array_equal(ours, rand_augment(expected, tf.constant([index, 0])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(operations=0), "operations=0 must be at least 1"),
        (dict(magnitude=31), "magnitude=31 must be an integer from 0 to 30"),
        (dict(magnitude=-1), "magnitude=-1 must be"),
        (dict(magnitude=9.5), "magnitude=9.5 must be"),
    ],
)
def test_bad_options_are_one_clear_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        rand_augment(tf.zeros((4, 4, 3), tf.uint8), [0, 0], **options)
