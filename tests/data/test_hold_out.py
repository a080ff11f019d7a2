"""Held-out validation images: proportional in each class, disjoint, and of the exact total."""

import numpy as np
import pytest

from keras_resnet.data.examples import Arrays
from keras_resnet.data.hold_out import hold_out


def held_out(labels, fraction, seed=0):
    """(labels of the training examples, labels of the validation examples); all images are accounted for."""
    numbers = np.arange(len(labels), dtype="uint8")[:, None, None, None]
    parts = hold_out(Arrays(numbers, np.asarray(labels, "int32")), fraction, seed)
    images = [part.images[:, 0, 0, 0] for part in parts]
    assert sorted(np.concatenate(images)) == list(range(len(labels)))
    for part, indices in zip(parts, images, strict=True):
        assert list(indices) == sorted(indices)
        np.testing.assert_array_equal(part.labels, np.asarray(labels)[indices])
    return [part.labels for part in parts]


@pytest.mark.parametrize("seed", range(5))
def test_each_class_is_held_out_in_proportion(seed):
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2, 7], [100, 50, 10, 3]))
    _, validation = held_out(labels, 0.2, seed)
    counts = np.bincount(validation, minlength=8)
    assert counts.sum() == round(0.2 * 163) == 33
    for label, exact in ((0, 20.2), (1, 10.1), (2, 2.02), (7, 0.6)):  # 33 / 163 of each
        assert abs(counts[label] - exact) < 1


def test_each_class_of_two_keeps_one_for_training():
    train, validation = held_out(np.repeat(np.arange(20), 2), 0.5)
    np.testing.assert_array_equal(np.bincount(train), np.ones(20))
    np.testing.assert_array_equal(np.bincount(validation), np.ones(20))
    with pytest.raises(ValueError, match="40 training images of 20 classes are too few to hold out 60%"):
        held_out(np.repeat(np.arange(20), 2), 0.6)


def test_rounding_up_prefers_classes_of_several_images():
    labels = [*range(4), *np.repeat(range(4, 8), 3)]
    for seed in range(5):
        _, validation = held_out(labels, 0.25, seed)  # 4 of 16 images: 0.25 and 0.75 of a class
        assert sorted(validation) == [4, 5, 6, 7]


def test_the_seed_chooses_images_and_the_rounding():
    labels = np.repeat(np.arange(10), 5)  # a tenth of each class is half an image
    chosen = {tuple(held_out(labels, 0.1, seed)[1]) for seed in range(20)}
    assert len(chosen) > 10
    assert all(len(validation) == 5 for validation in chosen)
    assert tuple(held_out(labels, 0.1, 3)[1]) in chosen


@pytest.mark.parametrize("fraction", [0.0001, 1.0])
def test_nothing_or_all_cannot_be_held_out(fraction):
    with pytest.raises(ValueError, match="too few to hold out"):
        held_out([0, 0, 1, 1], fraction)
