"""Pictures of gradients, shattering and responses, read back as pixels."""

import numpy as np
import pytest
from PIL import Image

from keras_resnet.reporting.gradients_plots import plot_gradients, plot_gradients_in_training
from keras_resnet.reporting.responses_plots import plot_responses
from keras_resnet.reporting.shattering_plots import plot_shattering
from keras_resnet.reporting.style import COLORS

pytest.importorskip("matplotlib")


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def drawn_in(color, path):
    """The number of pixels of a color."""
    return int((pixels(path) == [int(color[place : place + 2], 16) for place in (1, 3, 5)]).all(axis=2).sum())


def curves(points, names=("one", "two")):
    random = np.random.default_rng(0)
    return {name: random.uniform(0.1, 1, points) for name in names}


@pytest.mark.parametrize("points", [2, 5, 500])
def test_gradients_are_drawn_for_few_and_many_blocks(points, tmp_path):
    plot_gradients(*(curves(points) for _ in range(4)), tmp_path / "picture.png")
    assert pixels(tmp_path / "picture.png").shape == (750, 800, 3)
    assert all(drawn_in(color, tmp_path / "picture.png") > 200 for color in COLORS[:2])
    assert drawn_in(COLORS[2], tmp_path / "picture.png") == 0


def test_logarithmic_axes_have_plain_numbers(tmp_path):
    norms, shares = {"net": [1e-30, 1.0]}, curves(2, ["net"])
    plot_gradients(norms, norms, shares, shares, tmp_path / "gradients.svg")
    plot_gradients_in_training({"net": [0, 1]}, norms, norms, tmp_path / "training.svg")
    plot_shattering(shares, curves(2, ["white noise"]), curves(9, ["net"]), shares, norms, tmp_path / "shattering.svg")
    for picture in ("gradients", "training", "shattering"):
        drawn = (tmp_path / f"{picture}.svg").read_text()
        assert "<!-- 1 -->" in drawn
        assert "$" not in drawn


def test_training_is_drawn_with_both_ends(tmp_path):
    epochs = {"net": range(4)}
    plot_gradients_in_training(epochs, curves(4, ["net"]), curves(4, ["net"]), tmp_path / "picture.png")
    assert pixels(tmp_path / "picture.png").shape == (500, 800, 3)
    assert drawn_in(COLORS[0], tmp_path / "picture.png") > 200


def test_responses_of_more_models_than_colors_are_drawn(tmp_path):
    names = [f"net {number}" for number in range(9)]
    plot_responses(curves(19, names), tmp_path / "picture.png")
    assert pixels(tmp_path / "picture.png").shape == (700, 800, 3)
    assert all(drawn_in(color, tmp_path / "picture.png") > 50 for color in COLORS)


@pytest.mark.parametrize(("models", "height"), [(1, 780), (4, 960)])
def test_lines_are_drawn_three_in_a_row(models, height, tmp_path):
    names = [f"net {number}" for number in range(models)]
    noises = curves(256, ["white noise", "brown noise"])
    lines = curves(256, names)
    plot_shattering(lines, noises, {**lines, **noises}, curves(19, names), curves(9, names), tmp_path / "picture.png")
    assert pixels(tmp_path / "picture.png").shape == (height, 800, 3)


def test_values_that_are_not_numbers_are_left_out(tmp_path):
    broken = {"one": [1.0, float("nan"), 2.0], "two": [float("inf"), 1.0, 1.0]}
    plot_gradients(broken, broken, broken, broken, tmp_path / "picture.png")
    assert drawn_in(COLORS[1], tmp_path / "picture.png") > 50
