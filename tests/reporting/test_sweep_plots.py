"""Pictures of sweeps, read back as pixels."""

import numpy as np
import pytest
from PIL import Image, ImageColor

from keras_resnet.reporting.degradation_plots import over_seeds, plot_degradation
from keras_resnet.reporting.shortcut_plots import plot_shortcuts
from keras_resnet.reporting.style import COLORS

pytest.importorskip("matplotlib")


def pixels_of(path, color):
    """How many pixels of a PNG of the usual size have a color."""
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (800, 450))
        return (np.asarray(image.convert("RGB")) == ImageColor.getrgb(color)).all(axis=2).sum()


def rows_of(depths, seeds, epochs):
    """Errors that fall with the epoch."""
    return [
        dict(depth=depth, residual=residual, seed=seed, epoch=epoch + 1, test_error=error, training_error=error / 2)
        for depth in depths
        for residual in (False, True)
        for seed in range(seeds)
        for epoch in range(epochs)
        for error in [(0.6 + 0.02 * seed + depth / 1000) / (epoch + 1)]
    ]


def test_curve_has_mean_and_range_of_the_seeds_that_have_got_there():
    errors = {(1, 0): 0.5, (2, 0): 0.25, (1, 1): 0.75}
    rows = [dict(epoch=epoch, seed=seed, error=error) for (epoch, seed), error in errors.items()]
    epochs, mean, lowest, highest = over_seeds(rows, "error")
    np.testing.assert_array_equal(epochs, [1, 2])
    np.testing.assert_array_equal(mean, [0.625, 0.25])
    np.testing.assert_array_equal(lowest, [0.5, 0.25])
    np.testing.assert_array_equal(highest, [0.75, 0.25])


@pytest.mark.parametrize(("seeds", "epochs"), [(1, 1), (2, 20), (3, 180)])
def test_each_depth_has_its_color(seeds, epochs, tmp_path):
    plot_degradation(rows_of((20, 56), seeds, epochs), "CIFAR-10", tmp_path / "two.png")
    assert min(pixels_of(tmp_path / "two.png", color) for color in COLORS[:2]) > 50
    assert pixels_of(tmp_path / "two.png", COLORS[2]) == 0


def test_more_depths_than_colors_and_a_part_of_a_sweep(tmp_path):
    many = range(8, 68, 6)
    plot_degradation(rows_of(many, 1, 5), "CIFAR-10", tmp_path / "many.png")
    plot_degradation([row for row in rows_of((20,), 1, 5) if not row["residual"]], "CIFAR-10", tmp_path / "one.png")
    assert pixels_of(tmp_path / "many.png", "#440154") > 50  # the dark end of viridis
    assert pixels_of(tmp_path / "one.png", COLORS[0]) > 50


def test_errors_of_zero_are_drawn(tmp_path):
    rows = [{**row, "training_error": 0.0, "test_error": 0.0} for row in rows_of((20, 56), 1, 3)]
    plot_degradation(rows, "CIFAR-10", tmp_path / "zero.png")
    assert pixels_of(tmp_path / "zero.png", COLORS[1]) > 50


@pytest.mark.parametrize("shortcuts", [["A"], ["A", "B", "C"], ["A", "B", "C", "none"]])
def test_shortcuts_are_drawn_with_training_and_test_error(shortcuts, tmp_path):
    def row(number, shortcut):
        errors = {
            f"{name}{part}": mean + 0.01 * number + offset
            for name, mean in (("training_error", 0.1), ("test_error", 0.2))
            for part, offset in (("", 0), ("_lowest", -0.02), ("_highest", 0.01))
        }
        return dict(shortcut=shortcut, parameters=270_000 + 1000 * number, multiply_adds=41_000_000, **errors)

    rows = [row(number, shortcut) for number, shortcut in enumerate(shortcuts)]
    plot_shortcuts(rows, "Shortcuts", tmp_path / "shortcuts.png")
    assert min(pixels_of(tmp_path / "shortcuts.png", color) for color in COLORS[:2]) > 50


def test_equal_errors_have_no_spread(tmp_path):
    """The mean of three 0.1 is 0.1 and a little more."""
    mean = (0.1 + 0.1 + 0.1) / 3
    assert mean > 0.1
    errors = {
        f"{name}{part}": value
        for name in ("training_error", "test_error")
        for part, value in (("", mean), ("_lowest", 0.1), ("_highest", 0.1))
    }
    row = dict(shortcut="A", parameters=270_000, multiply_adds=41_000_000, **errors)
    plot_shortcuts([row], "Shortcuts", tmp_path / "shortcuts.png")
    assert pixels_of(tmp_path / "shortcuts.png", COLORS[0]) > 20
