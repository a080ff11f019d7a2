"""Images for calibration: from every class, through the model's own view, and always the same."""

import shutil

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from keras_resnet import Recipe, load_data, prepare_records, train
from keras_resnet.exporting.calibration import calibration_images
from keras_resnet.runtimes import Metadata
from keras_resnet.transforms.views import center_view
from keras_resnet.view import View
from tests.photos import write_photos, write_scenes

VIEW = View((24, 32), 0.75, "bicubic")


def metadata(view=VIEW, shape=(24, 32, 3)):
    return Metadata("net", "onnx", "int8", shape, ("a", "b"), view)


@pytest.fixture
def photos(tmp_path):
    """Three classes of unequal size; a photo's pixels tell its class."""
    folder = write_photos(tmp_path / "photos", ["a", "b", "c"], 12)
    for number in range(4, 12):
        (folder / "b" / f"{number}.png").unlink()
    return folder


def classes_of(images):
    return np.bincount((images.mean(axis=(1, 2, 3)) / 20).round().astype(int), minlength=3).tolist()


def test_folder_is_drawn_from_evenly(photos):
    images = calibration_images(photos, metadata(), count=15)
    assert (images.shape, images.dtype) == ((15, 24, 32, 3), np.float32)
    assert sorted(classes_of(images)) == [4, 5, 6]
    assert classes_of(images)[1] == 4  # all that there are
    assert classes_of(calibration_images(photos, metadata(), count=500)) == [12, 4, 12]


def test_images_are_seen_through_the_models_view(tmp_path):
    folder = write_scenes(tmp_path / "photos", ["a", "b"], 5)
    images = calibration_images(folder, metadata())
    paths = sorted(folder.rglob("*.*"))
    expected = [center_view(tf.constant(np.asarray(PIL.Image.open(path))), VIEW)[0].numpy() for path in paths]
    np.testing.assert_allclose(images, np.stack(expected), atol=1)


def test_draw_depends_on_the_seed_alone(tmp_path):
    folder = write_scenes(tmp_path / "photos", ["a", "b"], 12)
    first, again, other = (calibration_images(folder, metadata(), count=12, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_arrays_are_taken_as_they_are():
    arrays = np.random.default_rng(0).integers(0, 256, (20, 24, 32, 3), "uint8")
    np.testing.assert_array_equal(calibration_images(arrays, metadata(View((24, 32)))), arrays.astype("float32"))
    np.testing.assert_array_equal(calibration_images(arrays, metadata(None)), arrays.astype("float32"))
    np.testing.assert_array_equal(calibration_images(arrays, metadata(None, (None, None, 3))), arrays)


def test_data_are_drawn_from_their_training_images(shapes):
    data = load_data(shapes, class_names="abcd")
    images = calibration_images(data, metadata(None, (8, 8, 3)), count=40)
    train, labels = shapes[0]
    chosen = [np.flatnonzero((train == image).all(axis=(1, 2, 3)))[0] for image in images]
    assert sorted(np.bincount(labels[chosen])) == [10, 10, 10, 10]


def in_one_order(images):
    """By brightness: record sets are shuffled."""
    return images[np.argsort(images.mean(axis=(1, 2, 3)))]


@pytest.mark.exhaustive
def test_record_set_and_run_lead_to_their_training_images(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    write_scenes(tmp_path / "photos" / "train", ["a", "b"], 10)
    write_photos(tmp_path / "photos" / "val", ["a", "b"], 1)
    monkeypatch.chdir(tmp_path)
    data = load_data("./photos", Recipe(image_size=32))
    prepare_records(data, "records", verbose=0)
    train("resnet20_cifar", data, Recipe(epochs=1, batch_size=10, image_size=32), "run", verbose=0)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    expected = in_one_order(calibration_images(tmp_path / "photos" / "train", metadata()))
    for source in (tmp_path / "run", tmp_path / "records"):
        np.testing.assert_allclose(in_one_order(calibration_images(source, metadata())), expected, atol=1)
    shutil.rmtree(tmp_path / "photos")
    with pytest.raises(FileNotFoundError, match="photos does not exist"):
        calibration_images(tmp_path / "run", metadata())


def test_unreadable_images_are_left_out(photos, caplog):
    (photos / "a" / "0.png").write_bytes(b"no image")
    assert len(calibration_images(photos, metadata())) == 27
    assert "0.png" in caplog.text


@pytest.mark.exhaustive
def test_mistakes_are_explained(photos, tmp_path, shapes):
    with pytest.raises(ValueError, match=r"^int8 needs images for calibration: pass calibration="):
        calibration_images(None, metadata())
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        calibration_images(tmp_path / "nowhere", metadata())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="contains no images"):
        calibration_images(tmp_path / "empty", metadata())
    with pytest.raises(ValueError, match="at least 10 images, better 500, but there are 4"):
        calibration_images(photos / "b", metadata())
    with pytest.raises(ValueError, match="count=0 must be a positive integer"):
        calibration_images(photos, metadata(), count=0)
    with pytest.raises(ValueError, match="images of any size and has no view"):
        calibration_images(write_scenes(tmp_path / "scenes", ["a", "b"], 6), metadata(None, (None, None, 3)))
    with pytest.raises(ValueError, match="images of any size and has no view"):
        calibration_images(load_data(tmp_path / "scenes"), metadata(None, (None, None, 3)))
    train("resnet20_cifar", load_data(shapes), Recipe(epochs=1, batch_size=40), tmp_path / "run", verbose=0)
    with pytest.raises(ValueError, match="run does not record where its images are"):
        calibration_images(tmp_path / "run", metadata())
