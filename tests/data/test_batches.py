"""Batches of encoded images: independent of the number of threads, and every image accounted for."""

import dataclasses
import io
import json
import os
import pathlib
import shutil
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnet import Recipe, ResNet, evaluate, load_data, prepare_records
from keras_resnet.data.batches import evaluation_batches, training_batches
from keras_resnet.data.decoding import decode_bytes
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.files import SCRATCH
from keras_resnet.transforms.views import center_view
from tests.marks import exhaustive
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


@pytest.fixture(params=["files", exhaustive("records")])
def source(request, photos, record_set):
    return photos if request.param == "files" else record_set


def batches_of(examples, recipe, steps, *start, threads=None, unreadable=None):
    batches = training_batches(examples, recipe, *start, unreadable=unreadable)
    if threads:
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        batches = batches.with_options(options)
    return list(batches.take(steps).as_numpy_iterator())


@pytest.mark.exhaustive
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


def test_batches_have_no_autotuner(photos):
    data = load_data(photos, RECIPE)
    view = lambda image: center_view(image, data.view)[0]  # noqa: E731
    batches = [training_batches(data.train, RECIPE), evaluation_batches(data.train, 8, view)]
    assert [part.options().autotune.enabled for part in batches] == [False, False]


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


def test_copies_of_an_image_are_mixed_with_another_image():
    every = np.arange(12)
    train = load_data((np.zeros((12, 8, 8, 3), "uint8"), every), class_names=[f"class {n}" for n in every]).train
    recipe = dataclasses.replace(RECIPE, repeated_augmentation=3, batch_size=6, mixup=1.0, image_size=8)
    for _, labels in training_batches(train, recipe, classes=12).take(8):
        assert (np.count_nonzero(labels, axis=1) == 2).all()


@pytest.mark.exhaustive
def test_sizes_of_classes_do_not_read_all_records(photos, record_set):
    files, records = load_data(photos, RECIPE), load_data(record_set, RECIPE)
    assert records.class_sizes() == {}
    assert not records.train.labels_are_known
    assert records.train.labels.sum() == files.train.labels.sum()
    assert records.class_sizes() == files.class_sizes()


@pytest.mark.exhaustive
def test_evaluation_of_held_out_records_counts_them_from_zero(record_set):
    """The index of a record counts the whole set; results are stored by position among the held-out ones."""
    data = load_data(record_set, RECIPE, validation_fraction=0.2)
    for examples in data.splits.values():
        batches = evaluation_batches(examples, 8, lambda image: image[:1, :1])
        positions = np.concatenate([positions for _, _, positions in batches])
        np.testing.assert_array_equal(positions, np.arange(len(examples)))
    model = ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(16, 16, 3), classes=3)
    for split, examples in data.splits.items():
        contents = [examples.content(*handle) for handle in examples.handles().as_numpy_iterator()]
        views = np.concatenate([center_view(tf.constant(decode_bytes(content)), data.view) for content in contents])
        correct = np.asarray(model(views)).argmax(1) == examples.labels
        result = evaluate(model, data, split)
        assert (result.images, result.top1_correct) == (len(examples), correct.sum())
        assert sum(images for _, images, _ in result.classes) == len(examples)


def test_augmentation_of_records_depends_on_their_index_in_the_whole_set(record_set):
    """So that the images of a run do not change with the records held out."""
    data = load_data(record_set, RECIPE, validation_fraction=0.2)
    unshuffled = [int(index) for index, _ in data.train.handles()]
    assert unshuffled != list(range(24))
    assert set(unshuffled) < set(range(30))


def test_held_out_records_are_balanced(record_set):
    data = load_data(record_set, RECIPE, validation_fraction=0.2)
    np.testing.assert_array_equal(np.bincount(data.train.labels), [8, 8, 8])
    np.testing.assert_array_equal(np.bincount(data.validation.labels), [2, 2, 2])


def test_labels_of_damaged_records_are_one_clear_sentence(record_set, tmp_path):
    copy = shutil.copytree(record_set, tmp_path / "set")
    (shard,) = copy.glob("*.tfrecord")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=r"A shard in .*set is damaged \(.*\); prepare it again"):
        load_data(copy, RECIPE, validation_fraction=0.2)


UNREADABLE = {"ant/003.jpg": b"", "bee/000.jpg": b"no image", "cat/009.jpg": encode(scene(64, 48), "JPEG")[:-100]}


@pytest.fixture
def damaged(photos, tmp_path):
    """The photos, three of them unreadable, one a palette GIF under another name."""
    folder = shutil.copytree(photos, tmp_path / "damaged")
    for name, content in UNREADABLE.items():
        (folder / name).write_bytes(content)
    (folder / "ant/004.jpg").write_bytes(encode(scene(50, 70, seed=4), "GIF"))
    return folder


@pytest.mark.exhaustive
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


def test_no_examples_make_no_batches(source):
    """As for a worker, if there are more workers than test images."""
    none = load_data(source, RECIPE).train.take(np.array([], int))
    assert list(evaluation_batches(none, 8, lambda image: image[0, 0])) == []


def test_shards_show_every_readable_image_of_their_batch_in_order(damaged):
    """Three shards of batches of 8."""
    data = load_data(damaged, RECIPE)

    def positions(unreadable=None, **shard):
        batches = evaluation_batches(data.train, 8, lambda image: center_view(image, data.view)[0], unreadable, **shard)
        return [batch.tolist() for _, _, batch in batches.as_numpy_iterator()]

    unreadable = [UnreadableImages() for _ in range(3)]
    parts = [positions(unreadable[worker], shard=(worker, 3)) for worker in range(3)]
    assert [[*first, *second, *third] for first, second, third in zip(*parts, strict=True)] == positions()
    listed = [sorted(str(pathlib.Path(name).relative_to(damaged)) for name in each.reasons) for each in unreadable]
    assert listed == [[], ["ant/003.jpg", "bee/000.jpg"], ["cat/009.jpg"]]


@pytest.mark.parametrize("shard", [(0, 1), (0, 2), (1, 2)])
def test_batches_of_an_evaluation_without_readable_images_are_left_out_or_empty(damaged, shard):
    """One device leaves them out; workers, which make the same number of steps, get an empty shard."""
    data = load_data(damaged, RECIPE)
    batches = evaluation_batches(data.train, 1, lambda image: center_view(image, data.view)[0], shard=shard)
    sizes = [len(labels) for _, labels, _ in batches]
    if shard == (0, 1):
        assert sizes == [1] * 27
    else:
        readable = [0 if position in (3, 10, 29) else 1 for position in range(30)]
        assert sizes == (readable if shard == (1, 2) else [0] * 30)


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


def test_preparing_a_complete_set_again_repairs_only_what_is_damaged(photos, tmp_path):
    data, folder = load_data(photos, RECIPE, validation_fraction=0.2), tmp_path / "set"
    shards = prepare_records(data, folder, verbose=0)
    files = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*.tfrecord")}
    damaged, intact = sorted(files)
    damaged.write_bytes(files[damaged][1][::-1])  # of the same size
    (folder / f"{SCRATCH}of-a-killed-process").mkdir()
    assert prepare_records(data, folder, verbose=0) == shards
    assert damaged.read_bytes() == files[damaged][1]
    assert intact.stat().st_mtime_ns == files[intact][0]
    assert {path.name for path in folder.iterdir()} == {"plan.json", "manifest.json", damaged.name, intact.name}


def test_preparing_again_touches_no_file_outside_the_set(photos, tmp_path):
    data, folder = load_data(photos, RECIPE, validation_fraction=0.2), tmp_path / "set"
    prepare_records(data, folder, verbose=0)
    (tmp_path / "own.tfrecord").write_bytes(b"not of the set")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["splits"]["train"][0]["file"] = "../own.tfrecord"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    prepare_records(data, folder, verbose=0)
    assert {path.name for path in tmp_path.iterdir()} == {"set", "own.tfrecord"}
    assert len(load_data(folder, RECIPE).train) == len(data.train)


def test_shards_that_an_interrupted_call_finished_are_kept(photos, tmp_path):
    for split in ("train", "val"):
        shutil.copytree(photos, tmp_path / "photos" / split)
    damaged = tmp_path / "photos/val/ant/000.jpg"
    damaged.write_bytes(b"no image")
    data = load_data(tmp_path / "photos", RECIPE)
    with pytest.raises(ValueError, match=r"val/ant/000\.jpg is not an image"):
        prepare_records(data, tmp_path / "set", on_bad_image="error")
    (finished,) = (tmp_path / "set").glob("train-*.tfrecord")
    before = finished.stat()
    shards = prepare_records(data, tmp_path / "set")
    assert (finished.stat().st_ino, finished.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [shard.count for shard in shards] == [30, 29]


def pillow_unreadable_png(height, width):
    """A PNG that TensorFlow reads, but Pillow does not: it has a text of 2 MB."""
    content = encode(scene(height, width))
    text = b"zTXtnote\0\0" + zlib.compress(bytes(2_000_000))
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return content[:33] + chunk + content[33:]  # behind the header


def test_images_that_pillow_does_not_read_are_prepared(tmp_path):
    for name, size in (("a", 60), ("b", 300)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        content = pillow_unreadable_png(size, size)
        with pytest.raises(ValueError, match="large"):
            Image.open(io.BytesIO(content))
        (tmp_path / "photos" / name / "0.png").write_bytes(content)
    (shard,) = prepare_records(load_data(tmp_path / "photos", RECIPE), tmp_path / "set", short_side=100, verbose=0)
    assert (shard.count, shard.shrunk) == (2, 1)
    train = load_data(tmp_path / "set", RECIPE).train
    images = {decode_bytes(train.content(*handle)).shape for handle in train.handles().as_numpy_iterator()}
    assert images == {(60, 60, 3), (100, 100, 3)}


@pytest.mark.exhaustive
def test_dangling_links_are_unreadable_images(photos, tmp_path):
    folder = shutil.copytree(photos, tmp_path / "photos")
    (folder / "cat" / "link.jpg").symlink_to("nowhere.jpg")
    data = load_data(folder, RECIPE)
    unreadable = UnreadableImages(tmp_path / "bad.tsv")
    batches = batches_of(data.train, RECIPE, 4, unreadable=unreadable)
    assert sum(len(labels) for _, labels in batches) == 30
    reasons = {str(folder / "cat" / "link.jpg"): "cannot be read (No such file or directory)"}
    assert unreadable.reasons == UnreadableImages(tmp_path / "bad.tsv").reasons == reasons
    (shard,) = prepare_records(data, tmp_path / "set", verbose=0)
    assert shard.count == 30
    assert UnreadableImages(tmp_path / "set" / "bad_images.tsv").reasons == reasons


def test_file_names_that_are_not_text_are_read_and_listed(photos, tmp_path):
    folder = shutil.copytree(photos, tmp_path / "photos")
    cat = os.fsencode(folder / "cat")
    os.rename(cat + b"/000.jpg", cat + b"/caf\xe9.jpg")
    with open(cat + b"/bad\xff.jpg", "wb") as file:
        file.write(b"no image")
    data = load_data(folder, RECIPE)
    unreadable = UnreadableImages(tmp_path / "bad.tsv")
    batches = batches_of(data.train, RECIPE, 4, unreadable=unreadable)
    assert sum(len(labels) for _, labels in batches) == 30
    assert list(unreadable.reasons) == [rf"{folder}/cat/bad\xff.jpg"]
    assert UnreadableImages(tmp_path / "bad.tsv").reasons == unreadable.reasons
    data.train.fingerprint()
    prepare_records(data, tmp_path / "set", verbose=0)
    names = load_data(tmp_path / "set", RECIPE).train.file_names()
    assert [name for name in names if "caf" in name] == [os.fsdecode(b"caf\xe9.jpg")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_side": 0}, "short_side=0 must be a positive integer"),
        ({"short_side": -1}, "short_side=-1 must be"),
        ({"short_side": 1.5}, r"short_side=1\.5 must be"),
        ({"short_side": "a"}, "short_side='a' must be"),
        ({"short_side": True}, "short_side=True must be"),
        ({"max_bad_images": -1}, "max_bad_images=-1 must not be negative"),
        ({"max_bad_images": 1.5}, r"max_bad_images=1\.5 must be"),
        ({"max_bad_images": float("nan")}, "max_bad_images=nan must be"),
        ({"max_bad_images": "a"}, "max_bad_images='a' must be"),
        ({"on_bad_image": "ignore"}, "Unknown on_bad_image 'ignore'; available: 'skip', 'error'"),
        ({"on_bad_image": None}, "Unknown on_bad_image None"),
    ],
)
def test_settings_of_preparing_are_checked_before_work_is_done(photos, tmp_path, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        prepare_records(load_data(photos, RECIPE), tmp_path / "set", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "set").exists()


def test_targets_of_preparing_that_cannot_be_written_are_one_clear_sentence(photos, tmp_path):
    data = load_data(photos, RECIPE)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(NotADirectoryError, match="file is a file; choose a new or empty folder"):
        prepare_records(data, tmp_path / "file")
    with pytest.raises(NotADirectoryError, match=r"file/set cannot be created \(Not a directory\)"):
        prepare_records(data, tmp_path / "file" / "set")
    assert (tmp_path / "file").read_text() == "kept"
    with pytest.raises(OSError, match=r"/proc/set cannot be created|/proc/set/plan\.json cannot be written"):
        prepare_records(data, "/proc/set")
    for other in (None, load_data((np.zeros((4, 8, 8, 3), "uint8"), range(4)))):
        with pytest.raises(ValueError, match="Only photos in folders can be prepared"):
            prepare_records(other, tmp_path / "set")


def test_no_readable_image_is_an_error_instead_of_an_endless_loop(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(b"no photo")
    with pytest.raises(tf.errors.OpError):
        batches_of(load_data(tmp_path, RECIPE).train, RECIPE, 1)


def test_a_known_unreadable_image_counts_towards_the_limit(tmp_path):
    for _ in range(2):  # the second reads the list of the first
        unreadable = UnreadableImages(tmp_path / "bad.tsv", limit=0)
        with pytest.raises(ValueError, match=r"^a\.jpg is empty"):
            unreadable.report("a.jpg", "is empty")


def test_too_many_unreadable_images_name_the_last_and_the_list(tmp_path):
    unreadable = UnreadableImages(tmp_path / "bad.tsv", limit=1)
    unreadable.report("a.jpg", "is empty")
    with pytest.raises(
        ValueError, match=r"^2 images .* the 1 .* The last is b\.jpg, which is cut\. .* in \S+bad\.tsv\.$"
    ):
        unreadable.report("b.jpg", "is cut")
    assert UnreadableImages(tmp_path / "bad.tsv").reasons == {"a.jpg": "is empty", "b.jpg": "is cut"}
