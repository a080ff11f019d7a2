"""Pictures of maps, filters and features, read back as pixels."""

import numpy as np
import pytest
from PIL import Image

from keras_resnet.reporting.feature_plots import LayerMaps, plot_features, plot_filters
from keras_resnet.reporting.images import tiled
from keras_resnet.reporting.map_plots import MapRow, plot_maps

pytest.importorskip("matplotlib")


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def has(drawn, color, least):
    assert (np.abs(drawn.reshape(-1, 3) - np.asarray(color, int)).max(1) <= 2).sum() >= least


def row(color, grad_cam=True, side=16):
    image = np.broadcast_to(np.asarray(color, "uint8"), (side, side, 3))
    heat = np.linspace(0, 1, side * side).reshape(side, side) if grad_cam else None
    return MapRow(image, "a_photo_with_a_very_long_name_of_its_own.jpg", "some class 0.97", heat, np.eye(4))


@pytest.mark.parametrize("count", [1, 8])
def test_each_photo_is_drawn_in_its_colors(tmp_path, count):
    colors = np.random.default_rng(0).integers(0, 200, (count, 3))
    plot_maps([row(color) for color in colors], tmp_path / "maps.png")
    drawn = pixels(tmp_path / "maps.png")
    assert drawn.shape[1] == 800
    for color in colors:
        has(drawn, color, 100 * 100)


def test_maps_of_gray_images_and_without_grad_cam(tmp_path):
    gray = row((90, 90, 90), grad_cam=False)._replace(image=np.full((16, 16, 1), 90, "uint8"))
    plot_maps([gray], tmp_path / "maps.png")
    has(pixels(tmp_path / "maps.png"), (90, 90, 90), 100 * 100)


def test_tiles_stand_row_by_row():
    sheet = tiled(np.arange(5)[:, None, None] * np.ones((2, 3)), columns=2)
    assert sheet.shape == (8, 7)
    np.testing.assert_array_equal(sheet[::3, ::4], [[0, 1], [2, 3], [4, np.nan]])
    assert np.isnan(sheet[2]).all()
    assert np.isnan(sheet[:, 3]).all()


def test_filters_are_drawn_in_their_colors(tmp_path):
    kernels = np.zeros((4, 3, 3, 3))
    kernels[0, ..., 0] = 2  # red
    kernels[1, ..., 2] = -0.1  # less blue than gray
    plot_filters(kernels, "stem_conv", tmp_path / "filters.png")
    drawn = pixels(tmp_path / "filters.png")
    assert drawn.shape[1] == 800
    for color in ((255, 127, 127), (127, 127, 0), (127, 127, 127)):
        has(drawn, color, 100 * 100)
    plot_filters(-np.ones((3, 5, 5, 1)), "stem_conv", tmp_path / "gray.png")
    has(pixels(tmp_path / "gray.png"), (0, 0, 0), 100 * 100)
    with pytest.raises(ValueError, match="stem_conv take 4 channels; only 1 or 3 can be drawn"):
        plot_filters(np.zeros((2, 3, 3, 4)), "stem_conv", tmp_path / "other.png")


def test_features_are_drawn_below_the_photo(tmp_path):
    maps = np.stack([np.zeros((8, 8)), np.ones((8, 8))])
    plot_features(np.full((16, 16, 3), (10, 90, 170)), [LayerMaps("conv: 2 channels", maps)] * 3, tmp_path / "maps.png")
    drawn = pixels(tmp_path / "maps.png")
    assert drawn.shape[1] == 800
    has(drawn, (10, 90, 170), 100 * 100)
    has(drawn, (0, 0, 3), 3 * 70 * 70)  # magma's first color, and its last one
    has(drawn, (251, 252, 191), 3 * 70 * 70)
