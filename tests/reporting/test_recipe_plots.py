"""Pictures of recipes, read back as pixels."""

import numpy as np
import pytest
from PIL import Image

from keras_resnet import RECIPES
from keras_resnet.reporting.recipe_plots import plot_batch, plot_schedules
from keras_resnet.reporting.style import COLORS

pytest.importorskip("matplotlib")


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_each_image_of_a_batch_is_drawn_in_its_colors(tmp_path):
    colors = np.random.default_rng(0).integers(0, 200, (11, 3))
    images = np.broadcast_to(colors[:, None, None].astype("float32"), (11, 8, 8, 3))
    plot_batch(images, np.eye(11), [f"class {number}" for number in range(11)], tmp_path / "batch.png")
    drawn = pixels(tmp_path / "batch.png").reshape(-1, 3)
    for color in colors:
        assert (drawn == color).all(axis=1).sum() > 100 * 100


def test_curves_of_several_recipes_are_drawn(tmp_path):
    recipes = {name: RECIPES[name] for name in ("goyal2017", "fast16")}
    plot_schedules({"goyal2017": recipes["goyal2017"]}, tmp_path / "one.png")
    plot_schedules(recipes, tmp_path / "two.png")
    colors = [tuple(bytes.fromhex(color[1:])) for color in COLORS[:2]]
    one, two = (
        [(pixels(tmp_path / name) == color).all(axis=2).sum() for color in colors] for name in ("one.png", "two.png")
    )
    assert one[0] > 200
    assert one[1] == 0
    assert min(two) > 200
