"""Calibration by hand and by slow NumPy code written from Guo et al. 2017."""

import numpy as np
import pytest

from keras_resnet.evaluation.calibration import (
    TEMPERATURES,
    fit_temperature,
    halves,
    measure,
    negative_log_likelihood,
    reliability,
    with_temperature,
)
from tests.evaluation.said import said


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def random_case():
    """400 images of 5 classes: (logits, the right classes), float64."""
    random = np.random.default_rng(0)
    logits = 3 * random.normal(size=(400, 5))
    return logits, np.where(random.random(400) < 0.6, logits.argmax(axis=1), random.integers(0, 5, 400))


def test_bins_and_errors_of_five_images_by_hand():
    """Confidences 0.6, 0.7, 0.75, 0.9 and 1.0 in bins of a quarter; 0.75 belongs to the bin that ends there."""
    says = [[0.6, 0.4], [0.3, 0.7], [0.75, 0.25], [0.9, 0.1], [0.0, 1.0]]
    diagram = reliability(np.array(says), np.array([0, 0, 1, 0, 1]), bins=4)
    assert diagram.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert diagram.images.tolist() == [0, 0, 3, 2]
    np.testing.assert_allclose(diagram.confidence, [np.nan, np.nan, 2.05 / 3, 0.95])
    np.testing.assert_allclose(diagram.accuracy, [np.nan, np.nan, 1 / 3, 1])
    np.testing.assert_allclose(diagram.gaps, [0, 0, 1.05 / 3, 0.05])
    assert diagram.expected_error == pytest.approx((1.05 + 0.1) / 5)
    assert diagram.maximum_error == pytest.approx(1.05 / 3)
    assert (diagram.mean_confidence, diagram.mean_accuracy) == (pytest.approx(3.95 / 5), pytest.approx(3 / 5))


def test_errors_are_those_of_slow_code(random_case):
    logits, right = random_case
    probabilities = softmax(logits)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == right
    gaps = {}
    for number in range(1, 16):
        inside = [(c, r) for c, r in zip(confidence, correct, strict=True) if (number - 1) / 15 < c <= number / 15]
        if inside:
            gaps[number] = abs(np.mean([c for c, _ in inside]) - np.mean([r for _, r in inside])), len(inside)
    diagram = reliability(probabilities, right)
    assert diagram.expected_error == pytest.approx(sum(gap * images for gap, images in gaps.values()) / 400)
    assert diagram.maximum_error == pytest.approx(max(gap for gap, _ in gaps.values()))


def test_likelihood_and_temperature_of_probabilities_are_those_of_logits(random_case):
    logits, right = random_case
    for temperature in (0.5, 1.0, 2.0):
        expected = softmax(logits / temperature)
        np.testing.assert_allclose(with_temperature(softmax(logits), temperature), expected, rtol=1e-9)
        likelihood = -np.log(expected[np.arange(400), right]).mean()
        assert negative_log_likelihood(expected, right) == pytest.approx(likelihood)


def test_no_other_temperature_has_a_higher_likelihood(random_case):
    logits, right = random_case
    probabilities = softmax(logits)
    best = fit_temperature(probabilities, right)
    lowest = negative_log_likelihood(with_temperature(probabilities, best), right)
    for factor in (0.5, 0.9, 0.999, 1.001, 1.1, 2):
        assert negative_log_likelihood(with_temperature(probabilities, factor * best), right) > lowest
    np.testing.assert_array_equal(with_temperature(probabilities, best).argmax(axis=1), probabilities.argmax(axis=1))


def test_logits_times_three_have_three_times_the_temperature(random_case):
    logits, right = random_case
    temperatures = [fit_temperature(softmax(factor * logits), right) for factor in (1, 3)]
    assert temperatures[1] == pytest.approx(3 * temperatures[0], rel=1e-6)


def test_probabilities_of_zero_and_images_that_are_all_right_have_finite_results():
    certain = np.array([[1.0, 0.0]] * 3)
    assert negative_log_likelihood(certain, np.array([0, 0, 1])) == pytest.approx(-np.log(np.finfo("float32").tiny) / 3)
    assert fit_temperature(np.array([[0.6, 0.4]] * 3), np.array([0, 0, 0])) == pytest.approx(TEMPERATURES[0])
    assert fit_temperature(np.array([[0.6, 0.4]] * 3), np.array([1, 1, 1])) == pytest.approx(TEMPERATURES[1])


def test_halves_share_no_image_and_have_as_many_of_each_class(random_case):
    logits, _ = random_case
    predicted = said(softmax(logits), np.arange(400) % 5)
    one, other = halves(predicted)
    assert sorted([*one.positions, *other.positions]) == list(range(400))
    assert np.bincount(one.labels).tolist() == np.bincount(other.labels).tolist() == [40] * 5
    np.testing.assert_array_equal(one.probabilities, predicted.probabilities[one.positions])
    unequal = halves(said(softmax(logits), np.repeat([0, 1], [360, 40])))
    assert [np.bincount(half.labels).tolist() for half in unequal] == [[180, 20], [180, 20]]
    with pytest.raises(ValueError, match="needs at least 2 test images; 1 is readable"):
        halves(said([[1.0, 0.0]], [0]))


def test_measured_at_the_temperature_of_one_it_is_the_model_itself(random_case):
    logits, right = random_case
    predicted = said(softmax(logits), right)
    assert measure(predicted).likelihood == pytest.approx(negative_log_likelihood(predicted.probabilities, right))
    before, after = measure(predicted), measure(predicted, fit_temperature(predicted.probabilities, right))
    assert after.likelihood < before.likelihood
    assert after.reliability.mean_accuracy == pytest.approx(before.reliability.mean_accuracy)
