"""Images to analyze a model on."""

import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.samples import sample
from tests.photos import write_scenes


def test_sample_of_photos_is_even_and_as_tested(tmp_path):
    write_scenes(tmp_path / "train", ["cat", "ship"], 6)
    write_scenes(tmp_path / "val", ["cat", "ship"], 4)
    data = keras_resnet.load_data(tmp_path, image_size=16)
    images, labels = sample(data, "validation", 4)
    assert images.shape == (4, 16, 16, 3)
    assert sorted(labels.tolist()) == [0, 0, 1, 1]
    again, _ = sample(data, "validation", 4)
    np.testing.assert_array_equal(images, again)
    everything, _ = sample(data, "validation", 100)
    assert len(everything) == 8


def test_training_images_are_not_those_that_a_run_holds_out():
    labels = np.arange(2000) % 10
    images = np.zeros((2000, 8, 8, 3), "float32") + np.arange(2000)[:, None, None, None] / 8  # each shows its number
    held_out = keras_resnet.load_data((images, labels), validation_fraction=0.1, seed=0).validation.images
    drawn, _ = sample(keras_resnet.load_data((images, labels)), "train", 200)
    common = {*drawn[:, 0, 0, 0].tolist()} & {*held_out[:, 0, 0, 0].tolist()}
    assert len(common) < 60  # 20 by chance; 200 with the seed of the run


def test_missing_split_is_named():
    data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
    with pytest.raises(ValueError, match=r"arrays has no split 'test'; it has train\."):
        sample(data, "test", 4)


def test_split_without_a_readable_image_is_named(tmp_path):
    for split in ("train", "val"):
        write_scenes(tmp_path / "photos" / split, ["cat", "ship"], 2)
    for file in (tmp_path / "photos" / "val").rglob("*.jpg"):
        file.write_bytes(b"no photo")
    data = keras_resnet.load_data(tmp_path / "photos", image_size=16)
    with pytest.raises(ValueError, match="None of the 3 validation images of photos is readable"):
        sample(data, "validation", 3)
