"""Patches that are covered, and the part of an image that a model sees."""

import numpy as np
import pytest

from keras_resnet.runtimes.occlusion import occluded, patches, seen_part
from keras_resnet.runtimes.views import center_view
from keras_resnet.view import View


def test_patches_cover_each_pixel_once():
    for size, grid in (((7, 10), 3), ((3, 5), 5), ((224, 224), 7)):
        covered = np.zeros(size, int)
        for rows, columns in patches(size, grid):
            covered[rows, columns] += 1
        assert (covered == 1).all()
        image = np.zeros((*size, 3), "uint8")
        assert sum(1 for _ in occluded(image, grid)) == grid**2


@pytest.mark.parametrize("size", [(50, 100), (300, 200), (224, 224)])
def test_the_seen_part_is_that_of_the_view(size):
    view = View((32, 32), crop_fraction=0.875)
    left, top, width, height = seen_part(size, view)
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.stack([columns, rows, rows], -1).astype("float32")
    seen = center_view(image, view)
    middle = seen.mean((0, 1))  # of linear ramps, which resizing keeps
    np.testing.assert_allclose(middle[:2] + 0.5, np.multiply((left + width / 2, top + height / 2), size[::-1]), atol=2)
    extent = (seen[-1, -1] - seen[0, 0])[:2] * 32 / 31
    np.testing.assert_allclose(extent, np.multiply((width, height), size[::-1]), rtol=0.05)
