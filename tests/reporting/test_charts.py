"""Axes and curves of pages, read back from their SVG."""

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from keras_resnet.reporting.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Curve, line_chart
from keras_resnet.reporting.ticks import linear_ticks, log_ticks, thinned


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.9, 1.1), (0.3, 2.4), (1, 1), (0.5, 0.5001), (1e-7, 3e-7), (0.02, 50), (1e-3, 1e3), (2.3, 2.3), (9.99, 10.01)],
)
def test_a_logarithmic_axis_has_at_least_three_labels_around_the_values(low, high):
    ticks = log_ticks(low, high)
    assert len(ticks) >= 3
    assert ticks[0] <= low
    assert high <= ticks[-1]
    assert ticks == sorted(set(ticks))
    for tick in ticks:
        mantissa = tick / 10 ** math.floor(math.log10(tick) + 1e-9)
        assert min(abs(mantissa - round_number) for round_number in (1, 2, 5)) < 1e-6


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 37), (0, 0), (5, 5), (-3, 4), (0, 1e-5), (0, 1234.5), (0, 0.1), (0, 3)]
)
def test_a_linear_axis_has_two_to_seven_ticks_at_equal_distances(low, high):
    ticks = linear_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low
    assert high <= ticks[-1]
    np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0])


def test_thinned_ticks_are_as_many_as_fit():
    assert thinned(range(10), 6) == [0, 2, 4, 6, 8]
    assert thinned([1, 2], 6) == [1, 2]


def drawn(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def test_points_lie_where_the_axes_say():
    x, y = [1, 2, 3, 4], [2.0, 1.0, 0.5, 0.2]
    figure = drawn(line_chart("Loss", "epoch", Axis("loss", log=True), [Curve("a", x, y)]))
    points = [tuple(map(float, pair.split(","))) for pair in figure.find(".//polyline").get("points").split()]
    texts = list(figure.iter("text"))
    below = {text.text: float(text.get("x")) for text in texts if text.get("text-anchor") == "middle"}
    beside = {text.text: float(text.get("y")) - 4 for text in texts if text.get("text-anchor") == "end"}
    for (place_x, place_y), value_x, value_y in zip(points, x, y, strict=True):
        assert place_x == pytest.approx(below[f"{value_x}"], abs=0.2)
        assert place_y == pytest.approx(beside[f"{value_y:g}"], abs=0.2)
        assert LEFT <= place_x <= WIDTH - RIGHT
        assert TOP <= place_y <= HEIGHT - BOTTOM
    assert {"epoch", "loss"} <= set(below)
    assert figure.find(".//ul") is None  # one curve needs no legend


def test_curves_have_a_legend_and_values_that_no_axis_has_are_left_out():
    curves = [Curve("<one>", [1, 2, 3], [1.0, 0.0, math.inf]), Curve("two", [1, 2], [math.nan, 3.0], color=1, line=1)]
    figure = drawn(line_chart("A & B", "epoch", Axis("loss", log=True), curves))
    assert [line.get("points").count(",") for line in figure.iter("polyline")] == [1, 1]
    assert [line.get("class") for line in figure.iter("polyline")] == ["c0 l0", "c1 l1"]
    assert ["".join(entry.itertext()) for entry in figure.iter("li")] == ["<one>", "two"]
    assert figure.find("figcaption").text == "A & B"


def test_a_chart_without_values_says_so():
    figure = drawn(line_chart("Loss", "epoch", Axis("loss", log=True), [Curve("a", [1], [math.nan])]))
    assert "No values yet." in "".join(figure.itertext())
