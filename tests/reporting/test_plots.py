"""Pictures of runs and of mistakes: files of the expected size, and the axes and colors that they must have."""

import numpy as np
import pytest
from PIL import Image

from keras_resnet.reporting.calibration_plots import Diagram, plot_reliability
from keras_resnet.reporting.confusion_plots import plot_confusion
from keras_resnet.reporting.findings import MistakePicture
from keras_resnet.reporting.mistakes_plots import plot_mistakes
from keras_resnet.reporting.plots import plot_curves
from keras_resnet.reporting.recipe_plots import plot_batch
from tests.reporting.runs import findings, rows

pytest.importorskip("matplotlib")


def pixels(path):
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def texts(path):
    """The texts of an SVG that has them as comments."""
    return [line.split("<!-- ")[1].split(" -->")[0] for line in path.read_text().splitlines() if "<!-- " in line]


@pytest.mark.parametrize("losses", [(2.0, 1.5), (0.9, 0.5, 0.11), (1.0,), (3000.0, 0.02)])
def test_the_axis_of_the_loss_has_labels(losses, tmp_path):
    """Once it had a single one, 10^0."""
    log = [{**row, "loss": loss, "val_loss": loss} for row, loss in zip(rows(len(losses)), losses, strict=True)]
    plot_curves(log, tmp_path / "curves.svg")
    drawn = texts(tmp_path / "curves.svg")
    until_title = drawn[: drawn.index("Loss")]
    labels = [float(text) for text in until_title[until_title.index("epoch") + 1 : until_title.index("loss")]]
    assert len(labels) >= 3
    assert labels[0] <= min(losses) <= max(losses) <= labels[-1]
    assert {"error (%)", "learning rate"} <= set(drawn)
    plot_curves(log, tmp_path / "curves.png")
    assert pixels(tmp_path / "curves.png").shape == (420, 1200, 3)


@pytest.mark.parametrize("log", [[], [{**row, "loss": np.nan, "val_loss": np.inf} for row in rows(2)]])
def test_a_run_without_a_finite_loss_is_drawn(log, tmp_path):
    plot_curves(log, tmp_path / "curves.svg")
    drawn = texts(tmp_path / "curves.svg")
    assert {"Loss", "Error", "loss", "error (%)", "learning rate"} <= set(drawn)
    assert ("validation" in drawn) == bool(log)  # the legend of the curves, if there are any


@pytest.mark.parametrize(("classes", "height"), [(2, 400), (10, 680), (100, 600), (1000, 600)])
def test_a_confusion_matrix_of_any_size_is_drawn(classes, height, tmp_path):
    found = findings(classes, images=0)
    plot_confusion(found.matrix, found.columns, found.confused, tmp_path / "confusion.png")
    assert pixels(tmp_path / "confusion.png").shape == (height, 800, 3)
    plot_confusion(found.matrix, found.columns, found.confused, tmp_path / "confusion.svg")
    drawn = texts(tmp_path / "confusion.svg")
    assert f"Confusion matrix: {9 * classes:,} of {10 * classes:,} test images right" in drawn
    if classes <= 20:
        assert (drawn.count("9"), drawn.count("1")) == (classes, classes)


def test_predictions_of_other_classes_have_a_column(tmp_path):
    matrix = np.array([[5, 1, 4], [2, 8, 0]])
    plot_confusion(matrix, ["cat", "dog", "(other)"], [("cat", "(other)", 4, 10)], tmp_path / "confusion.svg")
    drawn = texts(tmp_path / "confusion.svg")
    assert drawn.count("(other)") == 1
    assert {"5", "1", "4", "2", "8"} <= set(drawn)
    wide = np.hstack([np.eye(150, dtype=int), np.ones((150, 1), int)])
    pairs = [("a", "(other)", 1, 2)]
    plot_confusion(wide, [*map(str, range(150)), "(other)"], pairs, tmp_path / "confusion.png")


def test_dollar_signs_are_no_formulas(tmp_path):
    names = ["$x_{$", "5 $ or 10 $"]
    plot_confusion(np.eye(2, dtype=int), names, [], tmp_path / "confusion.svg")
    image = np.zeros((8, 8, 3), "uint8")
    plot_mistakes([MistakePicture(image, "a$b$", *names, 0.9)], tmp_path / "mistakes.svg")
    plot_batch(np.zeros((2, 8, 8, 3)), np.arange(2), names, tmp_path / "batch.svg")
    for picture in ("confusion", "mistakes", "batch"):
        drawn = "\n".join(texts(tmp_path / f"{picture}.svg"))
        assert all(name in drawn for name in names)


def test_each_mistake_is_drawn_in_its_colors(tmp_path):
    colors = np.random.default_rng(0).integers(0, 200, (7, 3))
    mistakes = [
        MistakePicture(np.broadcast_to(color.astype("uint8"), (8, 8, 3)), "image", "cat", "a very long name " * 3, 0.9)
        for color in colors
    ]
    plot_mistakes(mistakes, tmp_path / "mistakes.png")
    drawn = pixels(tmp_path / "mistakes.png")
    assert drawn.shape == (500, 800, 3)
    for color in colors:
        assert (drawn == color).all(axis=2).sum() > 80 * 80


def test_reliability_is_drawn_with_empty_bins(tmp_path):
    images = np.array([0, 0, 5, 20])
    mean, right = np.array([np.nan, np.nan, 0.7, 0.95]), np.array([np.nan, np.nan, 0.4, 0.9])
    plot_reliability(
        [Diagram("before", images, mean, right), Diagram("after", images, right, right)], tmp_path / "c.svg"
    )
    drawn = texts(tmp_path / "c.svg")
    assert {"before", "after", "accuracy (%)", "confidence (%)", "images", "perfect calibration"} <= set(drawn)
    plot_reliability([Diagram("before", images, mean, right)], tmp_path / "c.png")
    assert pixels(tmp_path / "c.png").shape == (600, 800, 3)
