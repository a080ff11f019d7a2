"""Batches of encoded images: independent of the number of threads, and every image accounted for."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, load_data, prepare_records
from keras_resnet.data.batches import evaluation_batches, training_batches
from keras_resnet.data.decoding import decode_bytes
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.transforms.views import center_view
from tests.photos import encode, scene, write_scenes

RECIPE = Recipe(batch_size=8, image_size=16, crop="random_resized", flip=True, seed=3)
CLASSES = ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """30 photos of three sizes."""
    return write_scenes(tmp_path_factory.mktemp("photos"), CLASSES, 10)


@pytest.fixture(scope="module")
def record_set(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records") / "set"
    prepare_records(load_data(photos, RECIPE), folder, short_side=512)
    return folder


@pytest.fixture(params=["files", "records"])
def source(request, photos, record_set):
    return photos if request.param == "files" else record_set


def batches_of(examples, recipe, steps, *start, threads=None, unreadable=None):
    batches = training_batches(examples, recipe, *start, unreadable=unreadable)
    if threads:
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        batches = batches.with_options(options)
    return list(batches.take(steps).as_numpy_iterator())


def test_batches_depend_neither_on_the_threads_nor_on_the_start(source):
    train = load_data(source, RECIPE).train
    whole = batches_of(train, RECIPE, 12)  # three epochs of 4 steps
    assert [len(labels) for _, labels in whole] == 3 * [8, 8, 8, 6]
    for threads in (1, 4):
        np.testing.assert_equal(batches_of(train, RECIPE, 12, threads=threads), whole)
    np.testing.assert_equal(batches_of(train, RECIPE, 6, 1, 2), whole[6:])
    tf.random.set_seed(7)
    try:
        np.testing.assert_equal(batches_of(train, RECIPE, 2), whole[:2])  # independent of the process's global seed
    finally:
        tf.random.set_seed(None)
    other = batches_of(train, dataclasses.replace(RECIPE, seed=4), 1)
    assert not np.array_equal(other[0][0], whole[0][0])


def test_an_epoch_visits_every_photo_once(source):
    """With the center crop, the batches of an epoch contain each photo's center once."""
    recipe = dataclasses.replace(RECIPE, crop="center", flip=False)
    train = load_data(source, recipe).train
    epochs = [batches_of(train, recipe, 4, epoch) for epoch in range(2)]
    seen = [sorted(image.tobytes() for images, _ in epoch for image in images) for epoch in epochs]
    assert len(set(seen[0])) == 30
    assert seen[0] == seen[1]
    assert epochs[0][0][0].tobytes() != epochs[1][0][0].tobytes()
    for epoch in epochs:
        np.testing.assert_array_equal(np.bincount(np.concatenate([labels for _, labels in epoch])), [10, 10, 10])


def test_crops_show_the_photo_pixel_by_pixel(tmp_path):
    """A crop that is not resized is a part of the decoded photo or of its mirror image."""
    photo = scene(40, 40)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(encode(photo))
    recipe = Recipe(batch_size=2, image_size=16, crop="scale_jitter", scale_jitter=(2.5, 2.5), flip=True)
    train = load_data(tmp_path, recipe).train  # short side 40: nothing is resized
    parts = {}
    for top in range(25):
        for left in range(25):
            part = photo[top : top + 16, left : left + 16]
            parts[part.tobytes()] = parts[part[:, ::-1].tobytes()] = (top, left)
    drawn = [parts[image.tobytes()] for images, _ in batches_of(train, recipe, 150) for image in images]
    tops, lefts = np.array(drawn).T
    assert (tops.min(), tops.max(), lefts.min(), lefts.max()) == (0, 24, 0, 24)


def test_repeats_show_each_photo_several_times_apart(photos):
    recipe = dataclasses.replace(RECIPE, repeated_augmentation=3, batch_size=6)
    train = load_data(photos, recipe).train
    epoch = batches_of(train, recipe, 5)
    images = np.concatenate([images for images, _ in epoch])
    assert len(images) == 30
    assert len({image.tobytes() for image in images}) == 30
    for _, labels in epoch:
        np.testing.assert_array_equal(labels, np.repeat(labels[::3], 3))


UNREADABLE = {"ant/003.jpg": b"", "bee/000.jpg": b"no image", "cat/009.jpg": encode(scene(64, 48), "JPEG")[:-100]}


@pytest.fixture
def damaged(photos, tmp_path):
    """The photos, three of them unreadable, one a palette GIF under another name."""
    folder = shutil.copytree(photos, tmp_path / "damaged")
    for name, content in UNREADABLE.items():
        (folder / name).write_bytes(content)
    (folder / "ant/004.jpg").write_bytes(encode(scene(50, 70, seed=4), "GIF"))
    return folder


def test_unreadable_images_are_left_out_and_listed_and_change_nothing_else(photos, damaged, tmp_path):
    good, train = load_data(photos, RECIPE).train, load_data(damaged, RECIPE).train
    unreadable = UnreadableImages(tmp_path / "bad.tsv", limit=3)
    expected, batches = batches_of(good, RECIPE, 8), batches_of(train, RECIPE, 8, unreadable=unreadable)
    assert sum(len(labels) for _, labels in batches) == 2 * 27
    unchanged = {image.tobytes() for images, _ in expected for image in images}
    found = [image.tobytes() in unchanged for images, _ in batches for image in images]
    assert found.count(False) == 2  # the GIF in both epochs
    assert unreadable.reasons.keys() == {str(damaged / name) for name in UNREADABLE}
    lines = (tmp_path / "bad.tsv").read_text().splitlines()
    assert lines[0] == "image\treason"
    assert len(lines) == 4
    assert any("is truncated" in line or "truncated" in line for line in lines)
    assert UnreadableImages(tmp_path / "bad.tsv").reasons == unreadable.reasons
    np.testing.assert_equal(batches_of(train, RECIPE, 3, 1, 1), batches[5:])


def test_too_many_unreadable_images_are_an_error(damaged):
    unreadable = UnreadableImages(limit=2)
    with pytest.raises(tf.errors.OpError):
        batches_of(load_data(damaged, RECIPE).train, RECIPE, 8, unreadable=unreadable)
    assert "3 images cannot be read, more than the 2 that may be skipped" in unreadable.failure
    with pytest.raises(ValueError, match="more than the 2"):  # whichever batch finds an unreadable image next
        unreadable.report(next(iter(unreadable.reasons)), "is empty")


def test_a_batch_without_readable_images_is_replaced(damaged):
    recipe = dataclasses.replace(RECIPE, batch_size=1)
    batches = batches_of(load_data(damaged, recipe).train, recipe, 30)
    assert [len(labels) for _, labels in batches] == [1] * 30


def test_evaluation_shows_every_readable_image_in_order(damaged):
    data = load_data(damaged, RECIPE)
    unreadable = UnreadableImages()
    batches = evaluation_batches(data.train, 8, lambda image: center_view(image, data.view)[0], unreadable)
    indices = np.concatenate([indices for _, _, indices in batches])
    np.testing.assert_array_equal(indices, [i for i in range(30) if i not in (3, 10, 29)])
    assert len(unreadable.reasons) == 3


def test_records_hold_the_files_bytes(photos, record_set):
    """Small JPEG photos are stored unchanged, with their labels."""
    files, records = (load_data(source, RECIPE).train for source in (photos, record_set))
    names = records.file_names()
    handles = list(records.handles().as_numpy_iterator())
    originals = {(path.parent.name, path.name): path.read_bytes() for path in photos.glob("*/*")}
    assert len(handles) == 30
    for (index, record), name in zip(handles, names, strict=True):
        label = CLASSES[int(records.label((index, tf.constant(record))))]
        assert records.content(index, record) == originals[label, name]
    assert files.fingerprint() != records.fingerprint()


def test_held_out_records_are_the_others(record_set):
    recipe = dataclasses.replace(RECIPE, validation_fraction=0.2, crop="center")
    data = load_data(record_set, recipe)
    assert (len(data.train), len(data.validation)) == (24, 6)

    def indices(examples):
        return [int(index) for index, _ in examples.handles()]

    assert sorted(indices(data.train) + indices(data.validation)) == list(range(30))
    assert len(batches_of(data.train, recipe, 3)) == 3


def test_large_photos_are_shrunk_with_their_quality(tmp_path):
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "0.jpg").write_bytes(encode(scene(300, 200), "JPEG", quality=60))
    (shard,) = prepare_records(load_data(tmp_path / "photos", RECIPE), tmp_path / "set", short_side=100)
    assert (shard.count, shard.shrunk) == (2, 2)
    assert shard.bytes < shard.source_bytes
    (index, record), *_ = load_data(tmp_path / "set", RECIPE).train.handles()
    content = load_data(tmp_path / "set", RECIPE).train.content(int(index), record.numpy())
    small = decode_bytes(content)
    assert small.shape == (150, 100, 3)
    averaged = scene(300, 200).reshape(150, 2, 100, 2, 3).mean((1, 3))
    assert np.abs(small - averaged).mean() < 3


def test_preparing_resumes_and_refuses_other_folders(damaged, tmp_path):
    data = load_data(damaged, RECIPE)
    with pytest.raises(ValueError, match=r"000\.jpg|003\.jpg|009\.jpg"):
        prepare_records(data, tmp_path / "set", on_bad_image="error")
    assert not (tmp_path / "set" / "manifest.json").exists()
    with pytest.raises(FileNotFoundError, match="train"):
        load_data(tmp_path / "set" / "train", RECIPE)
    shards = prepare_records(data, tmp_path / "set")
    assert sum(shard.count for shard in shards) == 27
    assert len((tmp_path / "set" / "bad_images.tsv").read_text().splitlines()) == 4
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("*.tfrecord")}
    (tmp_path / "set" / "manifest.json").unlink()
    prepare_records(data, tmp_path / "set")
    assert before.keys() == {path.name for path in (tmp_path / "set").glob("*.tfrecord")}
    with pytest.raises(FileExistsError, match="other images or another size"):
        prepare_records(data, tmp_path / "set", short_side=100)
    with pytest.raises(FileExistsError, match="contains other files"):
        prepare_records(data, damaged)
    shard = next((tmp_path / "set").glob("*.tfrecord"))
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(ValueError, match="missing or incomplete"):
        load_data(tmp_path / "set", RECIPE)


def test_no_readable_image_is_an_error_instead_of_an_endless_loop(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(b"no photo")
    with pytest.raises(tf.errors.OpError):
        batches_of(load_data(tmp_path, RECIPE).train, RECIPE, 1)
