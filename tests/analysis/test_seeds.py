"""Values over seeds."""

import pytest

from keras_resnet.analysis.seeds import compare, spread


def test_mean_and_range():
    assert spread([0.3, 0.1, 0.2]) == pytest.approx((0.2, 0.1, 0.3, 3))


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        ([0.2], [0.1], "higher"),
        ([0.1], [0.2], "lower"),
        ([0.1], [0.1], "cannot tell"),
        ([0.3, 0.4], [0.1, 0.2], "higher"),
        ([0.1, 0.2], [0.3, 0.4], "lower"),
        ([0.3, 0.4], [0.2, 0.3], "cannot tell"),
        ([0.1, 0.4], [0.2, 0.3], "cannot tell"),
    ],
)
def test_comparison_needs_ranges_apart(first, second, result):
    assert compare(spread(first), spread(second)) == result
