"""The pictures of lesions, loss surfaces and constructed solutions."""

import numpy as np
import pytest
from PIL import Image

from keras_resnet.reporting.construction_plots import plot_construction
from keras_resnet.reporting.curves import look, make_logarithmic
from keras_resnet.reporting.lesions_plots import PANELS, plot_lesions
from keras_resnet.reporting.style import figure
from keras_resnet.reporting.surface_plots import plot_profiles, plot_surfaces

pytest.importorskip("matplotlib")
STEPS = np.linspace(-1, 1, 5)
BOWL = 0.01 + STEPS[:, None] ** 2 + STEPS**2


def size(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


@pytest.mark.parametrize("blocks", [1, 5, 500])
def test_lesions(tmp_path, blocks):
    points = [(number, 10 + number / 10) for number in range(1, blocks + 1)]
    plot_lesions({"net": dict.fromkeys(PANELS, points)}, {"net": 8.0}, 90.0, tmp_path / "lesions.png")
    assert size(tmp_path / "lesions.png") == (800, 700)


def test_lesions_of_a_kind_that_no_network_has(tmp_path):
    errors = {"a": {"removal": [(1, 20.0)], "swap": []}, "b": {}}
    plot_lesions(errors, {"a": 8.0, "b": 9.0}, 90.0, tmp_path / "lesions.png")
    assert size(tmp_path / "lesions.png") == (800, 390)


@pytest.mark.parametrize(("networks", "height"), [(1, 600), (2, 390), (3, 710)])
def test_surfaces(tmp_path, networks, height):
    losses = {f"net {number}": BOWL * (1 + number) for number in range(networks)}
    plot_surfaces(STEPS, losses, tmp_path / "surface.png")
    assert size(tmp_path / "surface.png") == (800, height)


@pytest.mark.parametrize("value", [0.0, 1.0, np.inf])
def test_surface_without_a_shape(tmp_path, value):
    loss = BOWL.copy()
    loss[:] = value
    plot_surfaces(STEPS, {"flat": loss, "bowl": BOWL}, tmp_path / "surface.png")
    plot_surfaces(STEPS, {"flat": loss}, tmp_path / "flat.png")
    assert size(tmp_path / "flat.png") == (800, 600)


@pytest.mark.parametrize("highest", [2.1, 2.4, 9.0, 1e6])
def test_labels_of_a_surface_are_plain_numbers(tmp_path, highest):
    plot_surfaces(STEPS, {"net": 2 + (highest - 2) * BOWL / BOWL.max()}, tmp_path / "surface.svg")
    assert "$" not in (tmp_path / "surface.svg").read_text()


def test_profiles(tmp_path):
    profile = (np.array([np.inf, 1, 0.1, 1, 3]), np.array([90.0, 50, 8, 60, 90]))
    plot_profiles(STEPS, {"net": profile, "other": profile}, tmp_path / "profile.png")
    assert size(tmp_path / "profile.png") == (800, 450)


def test_construction(tmp_path):
    rows = [{"epoch": epoch, "loss": 2.0 / (1 + epoch), "error": 80.0 / (1 + epoch)} for epoch in range(4)]
    plot_construction({"constructed": rows, "from scratch": rows[:1]}, rows[2], tmp_path / "construction.png")
    assert size(tmp_path / "construction.png") == (800, 450)


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.02), (2.1, 2.4), (1e-3, 87.0)])
def test_logarithmic_axis_has_several_labels(tmp_path, low, high):
    with figure(tmp_path / "loss.png") as drawn:
        axes = drawn.subplots()
        axes.plot([1, 2], [low, high])
        make_logarithmic(axes)
        drawn.canvas.draw()
        bottom, top = axes.get_ylim()
        shown = [tick for tick in axes.get_yticks() if bottom <= tick <= top]
        labels = [label.get_text() for label in axes.get_yticklabels()]
    assert 2 <= len(shown) <= 12
    assert all(labels)


def test_curves_look_different():
    looks = [look(number) for number in range(7)]
    assert len({(one["color"], one["linestyle"], one["marker"]) for one in looks}) == 7
    assert looks[0] == look(0)
