"""Views and crops against Pillow and NumPy: resizing, crops pixel by pixel, distributions of random boxes."""

import resource

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnet import Recipe
from keras_resnet.transforms.boxes import center_box, random_resized_box, scale_jitter_box, whole_box
from keras_resnet.transforms.crops import DecodedImage, crop
from keras_resnet.transforms.views import (
    View,
    center_view,
    flip_views,
    resize_to_cover,
    ten_crop_views,
    whole_view,
)
from tests.marks import exhaustive
from tests.photos import scene

DRAWS = 6_000


@pytest.mark.parametrize(("filter_name", "levels"), [("bilinear", 1), ("bicubic", 1)])
@pytest.mark.parametrize("shape", [(90, 120), (121, 77), (40, 200), (30, 31)])
def test_resizing_is_pillows(shape, filter_name, levels):
    """torchvision's Resize(32): the long side is rounded down, and Pillow's filter is antialiased."""
    image = scene(*shape)
    height, width = shape
    size = (32 * width // height, 32) if height < width else (32, 32 * height // width)
    expected = np.asarray(Image.fromarray(image).resize(size, getattr(Image.Resampling, filter_name.upper())), int)
    ours = resize_to_cover(tf.constant(image), (32, 32), filter_name)
    assert ours.dtype == tf.uint8
    np.testing.assert_allclose(np.asarray(ours, int), expected, atol=levels)


def test_image_of_the_wanted_size_is_unchanged():
    image = np.random.default_rng(0).normal(size=(32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(center_view(tf.constant(image), View((32, 32)))[0], image)


@pytest.mark.parametrize(("shape", "corner"), [((36, 40), (2, 4)), ((37, 41), (2, 4)), ((39, 43), (4, 6))])
def test_center_crop_is_torchvisions(shape, corner):
    """Its CenterCrop takes round(margin / 2), which Python rounds to even: 2.5 to 2, 3.5 to 4."""
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype("uint8")
    top, left = corner
    view = center_view(tf.constant(image), View((32, 32), crop_fraction=32 / shape[0]))
    np.testing.assert_array_equal(view[0], image[top : top + 32, left : left + 32])


def test_view_describes_itself():
    assert View((224, 224), 0.875).resized == (256, 256)
    assert View((224, 224), 0.95).resized == (235, 235)  # timm rounds down
    assert str(View((64, 64), 0.875, "bicubic")) == "64x64 center crop of short side 73, bicubic"


def test_ten_crops_are_the_papers_pixel_by_pixel():
    """Krizhevsky et al.: the four corner patches and the center patch, and their horizontal reflections."""
    image = np.random.default_rng(0).integers(0, 256, (40, 52, 3)).astype("uint8")
    views = ten_crop_views(tf.constant(image), View((32, 32), crop_fraction=0.8)).numpy()
    patches = [image[top : top + 32, left : left + 32] for top, left in ((0, 0), (0, 20), (8, 0), (8, 20), (4, 10))]
    np.testing.assert_array_equal(views, patches + [patch[:, ::-1] for patch in patches])


def test_flip_views_are_the_center_crop_and_its_mirror_image():
    image = np.random.default_rng(0).integers(0, 256, (36, 40, 3)).astype("uint8")
    views = flip_views(tf.constant(image), View((32, 32), crop_fraction=32 / 36)).numpy()
    crop = image[2:34, 4:36]
    np.testing.assert_array_equal(views, [crop, crop[:, ::-1]])


def test_whole_view_keeps_the_aspect_ratio():
    assert whole_view(tf.zeros((100, 150, 3), tf.uint8), 64).shape == (1, 64, 96, 3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(3, 90), (300, 30), (4, 60)])
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_crops_of_an_elongated_image_are_parts_of_the_resized_image(shape, interpolation, kind):
    """They are resized one by one; up to rounding errors, the result is that of resizing the whole image."""
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(kind))
    view = View((12, 16), 0.8, interpolation)
    resized = resize_to_cover(image, view.resized, interpolation)
    top, left = np.round(np.subtract(resized.shape[:2], view.size) / 2).astype(int)
    crop = np.array(resized[top : top + 12, left : left + 16], float)
    assert resized.shape[0] * resized.shape[1] > 8 * 15 * 20  # so the crops are not cut from it
    tolerance = 1 if kind == "uint8" else 1e-2
    np.testing.assert_allclose(center_view(image, view)[0], crop, atol=tolerance)
    parts = [resized[:12, :16], resized[:12, -16:], resized[-12:, :16], resized[-12:, -16:], crop]
    views = ten_crop_views(image, view)
    for part, crop, mirrored in zip(parts, views[:5], views[5:], strict=True):
        np.testing.assert_allclose(np.array(crop, float), part, atol=tolerance)
        np.testing.assert_array_equal(np.asarray(mirrored)[:, ::-1], crop)


@pytest.mark.parametrize("shape", [(1, 5_000), (60_000, 1), (2, 20_000), (1, 2_000_000)])
def test_memory_of_a_view_does_not_depend_on_the_aspect_ratio(shape):
    """Resized as a whole, the smallest of these would take 860 MB as float32."""
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype("uint8"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    view = View((224, 224), 0.875, "bicubic")
    assert ten_crop_views(image, view).shape == (10, 224, 224, 3)
    assert center_view(image, view).shape == (1, 224, 224, 3)
    long = 512 if shape[0] < shape[1] else 64
    assert whole_view(image, 64).shape == (1, 576 - long, long, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


def test_whole_view_of_an_elongated_image_is_its_middle():
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (4, 100, 3)).astype("uint8"))
    np.testing.assert_array_equal(whole_view(image, 8), whole_view(image[:, 34:66], 8))
    np.testing.assert_array_equal(whole_view(image[:, :32], 8), resize_to_cover(image[:, :32], (8, 8))[None])


def test_decoded_image_is_cropped_as_numpy_and_whole_without_a_copy():
    pixels = tf.constant(np.random.default_rng(0).integers(0, 256, (9, 14, 3)).astype("uint8"))
    image = DecodedImage(pixels)
    assert image.whole() is pixels
    np.testing.assert_array_equal(image.crop(center_box), pixels[:, 2:11])
    np.testing.assert_array_equal(image.crop(whole_box, (2, 2)), pixels)


def test_an_image_of_the_wanted_size_is_its_own_center_crop():
    """Even if it is not square."""
    pixels = tf.zeros((9, 14, 3), tf.uint8)
    assert crop(DecodedImage(pixels), [0, 0], Recipe(crop="center"), (9, 14)) is pixels
    assert crop(DecodedImage(pixels), [0, 0], Recipe(crop="center"), (9, 9)).shape == (9, 9, 3)


def boxes(function, shape, count, recipe):
    uniform = tf.random.stateless_uniform([DRAWS, count], (1, 2))
    draw = tf.function(lambda one: function(tf.constant([*shape, 3]), one, recipe))
    return tf.map_fn(draw, uniform, fn_output_signature=tf.int32).numpy()


@pytest.mark.parametrize("shape", [exhaustive((375, 500)), (1200, 800)])
def test_scale_jitter_has_the_papers_distribution(shape):
    """The short side uniform in [256, 480], the crop of 224 uniform in the resized image."""
    top, left, height, width = boxes(scale_jitter_box, shape, 3, Recipe()).T
    assert (height == width).all()
    assert min(top.min(), left.min()) >= 0
    assert ((top + height <= shape[0]) & (left + width <= shape[1])).all()
    short_sides = 224 * min(shape) / height
    assert_uniform(short_sides, 256, 480, within=224 * min(shape) / (height.min() - 0.5) - 480 + 2)
    for start, margin in ((top, shape[0] - height), (left, shape[1] - width)):
        assert_uniform((start + 0.5) / (margin + 1), 0, 1, within=0.035)


def assert_uniform(values, low, high, within):
    """Compares quantiles, each with a tolerance."""
    fractions = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(values, fractions), low + (high - low) * fractions, atol=within)


def test_random_resized_crop_is_torchvisions():
    """Area and ratio of the accepted boxes, against the published rule in NumPy (ten boxes, then the center)."""
    shape = (375, 500)
    top, left, height, width = boxes(random_resized_box, shape, 22, Recipe(crop="random_resized")).T
    assert ((top >= 0) & (left >= 0) & (top + height <= shape[0]) & (left + width <= shape[1])).all()
    expected = np.array([numpy_box(np.random.default_rng(seed), shape) for seed in range(DRAWS)])
    fractions = np.linspace(0.05, 0.95, 19)
    for ours, theirs in (
        (height * width, expected[:, 0] * expected[:, 1]),
        (width / height, expected[:, 1] / expected[:, 0]),
    ):
        np.testing.assert_allclose(np.quantile(ours, fractions), np.quantile(theirs, fractions), rtol=0.1)
    for start, margin in ((top, shape[0] - height), (left, shape[1] - width)):
        wide = margin > 50
        assert_uniform((start[wide] + 0.5) / (margin[wide] + 1), 0, 1, within=0.035)


def numpy_box(random, shape):
    """(height, width) of GoogLeNet's crop."""
    for _ in range(10):
        area = random.uniform(0.08, 1) * shape[0] * shape[1]
        ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        height, width = round(np.sqrt(area / ratio)), round(np.sqrt(area * ratio))
        if 0 < height <= shape[0] and 0 < width <= shape[1]:
            return height, width
    return min(shape), min(shape)


@pytest.mark.parametrize(("shape", "expected"), [((10, 400), (0, 193, 10, 13)), ((400, 10), (193, 0, 13, 10))])
def test_fallback_is_centered_and_as_wide_as_the_ratio_allows(shape, expected):
    """Areas above half of a strip never fit."""
    recipe = Recipe(crop="random_resized", crop_area=(0.9, 1.0))
    box = random_resized_box(tf.constant([*shape, 3]), tf.fill([22], 0.5), recipe)
    np.testing.assert_allclose(box, expected, atol=1)
