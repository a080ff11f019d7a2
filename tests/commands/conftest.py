"""Data sets for the commands."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="session")
def tiny_cifar(tmp_path_factory) -> pathlib.Path:
    """A prepared TFDS data set `cifar10` of 60 + 20 generated images."""
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("tfds")
    random = np.random.default_rng(0)

    def split(count):
        labels = np.arange(count) % 10
        images = random.integers(0, 100, (count, 32, 32, 3)) + 15 * labels[:, None, None, None]
        return tf.data.Dataset.from_tensor_slices({"image": images.astype("uint8"), "label": labels})

    tfds.dataset_builders.store_as_tfds_dataset(
        name="cifar10",
        version="3.0.2",
        data_dir=str(folder),
        features=tfds.features.FeaturesDict(
            {"image": tfds.features.Image(shape=(32, 32, 3)), "label": tfds.features.ClassLabel(num_classes=10)}
        ),
        split_datasets={"train": split(60), "test": split(20)},
        disable_shuffling=True,
    )
    return folder
