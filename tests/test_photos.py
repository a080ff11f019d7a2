"""Folders of photos: every photo accounted for, in the layout of ImageNet or flat."""

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, load_data


def write_photos(folder, classes, count, suffix=".png"):
    """`count` photos a class, each filled with 20 x (its class's place)."""
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            photo = np.full((20 + index, 30, 3), 20 * place, "uint8")
            (folder / name / f"{index}{suffix}").write_bytes(tf.io.encode_png(photo).numpy())
    return folder


def test_flat_folder_is_split(tmp_path):
    write_photos(tmp_path / "photos", ["cat", "dog", "eel"], 10)
    data = load_data(tmp_path / "photos", Recipe(validation_fraction=0.2), image_size=16)
    assert data.class_names == ("cat", "dog", "eel")
    assert data.image_shape == (16, 16, 3)
    assert (len(data.train), len(data.validation)) == (24, 6)
    for examples in (data.train, data.validation):
        np.testing.assert_array_equal(examples.images, np.broadcast_to(
            20 * examples.labels[:, None, None, None], examples.images.shape))  # fmt: skip


def test_imagenets_layout(tmp_path):
    write_photos(tmp_path / "train", ["n01", "n02"], 4, ".JPEG")
    write_photos(tmp_path / "val", ["n01", "n02"], 2, ".JPEG")
    data = load_data(f"{tmp_path}/", Recipe(validation_fraction=0.5), image_size=8)
    assert (len(data.train), len(data.validation), data.test) == (8, 4, None)


def test_bad_folders_are_one_clear_sentence(tmp_path):
    photos = write_photos(tmp_path / "photos", ["cat", "dog"], 3)
    for folder, size, error, message in (
        (tmp_path / "nowhere", 8, FileNotFoundError, "No folder .*nowhere"),
        (photos, None, ValueError, "give image_size"),
        (photos / "cat", 8, ValueError, "has 0 classes"),
    ):
        with pytest.raises(error, match=message):
            load_data(folder, image_size=size)
    (photos / "cat" / "bad.jpg").write_bytes(b"no photo")
    with pytest.raises(ValueError, match=r"1 of 7 photos in .*bad\.jpg is damaged"):
        load_data(photos, image_size=8)
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    (tmp_path / "empty" / "dog").mkdir()
    with pytest.raises(ValueError, match="holds no photos"):
        load_data(tmp_path / "empty", image_size=8)
    write_photos(tmp_path / "both" / "train", ["cat", "dog"], 1)
    write_photos(tmp_path / "both" / "val", ["cat", "eel"], 1)
    with pytest.raises(ValueError, match="classes that training does not know: eel"):
        load_data(tmp_path / "both", image_size=8)


def test_real_photos(local_data):
    data = load_data(local_data / "photos" / "imagenette_small", image_size=32)
    assert (len(data.train), len(data.validation)) == (2500, 800)
    assert len(data.class_names) == 10
    assert 100 < data.train.images.mean() < 140  # ImageNet's mean is about 114
