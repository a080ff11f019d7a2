"""Data: every example once per epoch, independent of the number of threads; crops and flips pixel by pixel."""

import collections
import dataclasses
import time

import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, load_data
from keras_resnet.data.batches import evaluation_batches, training_batches
from keras_resnet.run_directory import Run
from keras_resnet.transforms.crops import pad_and_crop, random_flip
from keras_resnet.transforms.pipeline import example_seed
from keras_resnet.transforms.views import View
from tests.photos import write_photos


@pytest.fixture(scope="module")
def numbered():
    """30 images (6, 6, 3); all values of the image with label i are i + 1."""
    labels = np.arange(30)
    images = np.broadcast_to((labels + 1)[:, None, None, None], (30, 6, 6, 3)).astype("uint8")
    return load_data((images, labels)).train


def epochs_of(examples, recipe, count, start_epoch=0):
    steps = -(-len(examples) // recipe.batch_size)
    batches = list(training_batches(examples, recipe, start_epoch).take(count * steps).as_numpy_iterator())
    return [batches[epoch * steps : (epoch + 1) * steps] for epoch in range(count)]


def test_an_epoch_visits_every_example_once(numbered):
    recipe = Recipe(batch_size=8)
    orders = [np.concatenate([labels for _, labels in epoch]) for epoch in epochs_of(numbered, recipe, 3)]
    for order in orders:
        assert sorted(order) == list(range(30))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], np.arange(30))
    for images, labels in epochs_of(numbered, recipe, 1)[0]:
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels + 1)


def test_neighboring_epochs_are_uncorrelated():
    examples = load_data((np.zeros((4000, 1, 1, 1), "uint8") + np.uint8([[[[2]]]]), np.arange(4000))).train
    one, two = (np.concatenate([y for _, y in epoch]) for epoch in epochs_of(examples, Recipe(), 2))
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(4000)
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 4 / np.sqrt(4000)


def test_batches_are_a_function_of_seed_epoch_and_index(numbered):
    recipe = Recipe(batch_size=8, pad=2, flip=True, seed=5)
    whole = epochs_of(numbered, recipe, 3)
    np.testing.assert_equal(epochs_of(numbered, recipe, 1, start_epoch=2), whole[2:])
    threads = tf.data.Options()
    threads.threading.private_threadpool_size = 1
    one_thread = training_batches(numbered, recipe).with_options(threads).take(12)
    np.testing.assert_equal(list(one_thread.as_numpy_iterator()), [batch for epoch in whole for batch in epoch])
    other = epochs_of(numbered, dataclasses.replace(recipe, seed=6), 1)
    assert not np.array_equal(other[0][0][0], whole[0][0][0])


def crops_and_flips(image, padding):
    """Every crop of the padded image, and its mirror image, in NumPy."""
    height, width, _ = image.shape
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = padded[top : top + height, left : left + width]
            yield (top, left, False), crop
            yield (top, left, True), crop[:, ::-1]


@pytest.mark.parametrize("one_by_one", [{}, {"random_erasing": 1e-9}], ids=["together", "one by one"])
def test_augmentation_is_the_papers_pixel_by_pixel(one_by_one):
    """Each of the 81 crops with a padding of 4, and its mirror image, equally often."""
    image = np.random.default_rng(0).integers(1, 256, (32, 32, 3)).astype("uint8")
    known = {crop.tobytes(): key for key, crop in crops_and_flips(image, 4)}
    assert len(known) == 162
    count = 8000
    examples = load_data((np.broadcast_to(image, (count, 32, 32, 3)), np.zeros(count, int))).train
    drawn = collections.Counter()
    for images, _ in training_batches(examples, Recipe(batch_size=500, pad=4, flip=True, **one_by_one)).take(16):
        drawn.update(known[image.numpy().tobytes()] for image in images)
    expected = count / 162
    chi_square = sum((drawn[key] - expected) ** 2 / expected for key in known.values())
    assert chi_square < 161 + 5 * np.sqrt(2 * 161)  # five deviations above the mean


def test_shards_are_augmented_as_in_the_whole_batch(numbered):
    recipe = Recipe(batch_size=8, pad=2, flip=True)
    images, labels = next(training_batches(numbered, recipe).as_numpy_iterator())
    shards = [next(training_batches(numbered, recipe, shard=(index, 3)).as_numpy_iterator()) for index in range(3)]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in shards]), images)
    np.testing.assert_array_equal(np.concatenate([part for _, part in shards]), labels)


def test_every_step_of_every_epoch_and_run_is_augmented_differently():
    image = np.arange(64, dtype="uint8").reshape(8, 8, 1)
    examples = load_data((np.broadcast_to(image, (9, 8, 8, 1)), np.zeros(9, int))).train
    batches = [
        images.tobytes()
        for run in range(3)
        for epoch in epochs_of(examples, Recipe(batch_size=3, pad=3, flip=True, seed=run), 3)
        for images, _ in epoch
    ]
    assert len(set(batches)) == len(batches) == 27  # each is one of 98^3


def test_every_epoch_and_example_has_its_own_seed():
    """The same photo in two epochs, and two photos in one epoch, are augmented differently."""
    image = tf.reshape(tf.range(64), (8, 8, 1))
    drawn = {
        pad_and_crop(image, example_seed(run, epoch, index), 3).numpy().tobytes()
        for run in range(3)
        for epoch in range(3)
        for index in range(3)
    }
    assert len(drawn) > 15  # of 49 crops; 27 draws
    flips = [random_flip(image, example_seed(0, 0, index)).numpy()[0, 0, 0] == 7 for index in range(200)]
    assert 70 < sum(flips) < 130


def test_evaluation_batches_keep_the_order(numbered):
    batches = list(evaluation_batches(numbered, 8, lambda image: image))
    assert [len(labels) for _, labels, _ in batches] == [8, 8, 8, 6]
    np.testing.assert_array_equal(np.concatenate([labels for _, labels, _ in batches]), np.arange(30))
    np.testing.assert_array_equal(np.concatenate([indices for _, _, indices in batches]), np.arange(30))


def test_mean_image(shapes):
    data = load_data(shapes[0])
    np.testing.assert_allclose(data.mean_image(), np.float64(shapes[0][0]).mean(0))


def test_a_mean_of_no_readable_image_is_refused(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(b"no photo")
    with pytest.raises(ValueError, match=r"None of the 2 sampled training images of .* is readable"):
        load_data(tmp_path).mean_image()


def test_held_out_images_are_a_random_part_of_the_training_images(numbered):
    source = (numbered.images, numbered.labels)
    recipe = Recipe(validation_fraction=0.2, seed=1)
    data = load_data(source, recipe)
    assert (len(data.train), len(data.validation)) == (24, 6)
    assert sorted([*data.train.labels, *data.validation.labels]) == list(range(30))
    np.testing.assert_array_equal(load_data(source, recipe).validation.labels, data.validation.labels)
    other = load_data(source, dataclasses.replace(recipe, seed=2))
    assert set(other.validation.labels) != set(data.validation.labels)


def test_sources_of_arrays(shapes):
    train, test = shapes
    assert set(load_data(train).splits) == {"train"}
    assert set(load_data((train, test)).splits) == {"train", "test"}
    three = load_data({"train": train, "validation": test, "test": test}, Recipe(validation_fraction=0.5))
    assert {split: len(examples) for split, examples in three.splits.items()} == dict(train=120, validation=40, test=40)
    column = load_data((train[0], train[1][:, None]), class_names="abcd")
    assert column.train.labels.shape == (120,)
    assert column.class_names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("images", "labels", "options", "message"),
    [
        (np.zeros((0, 8, 8, 3)), [], {}, "The train split is empty"),
        (np.zeros((4, 8, 8), "uint8"), range(4), {}, r"must be \(N, height, width, channels\)"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(3), {}, "one class number for each image"),
        (np.zeros((4, 8, 8, 3), "uint8"), np.eye(4)[:, :, None], {}, "one class number for each image"),
        (np.zeros((4, 8, 8, 3), "uint8"), np.full((4, 4), 0.25), {}, "are not one-hot; give class numbers"),
        (np.zeros((4, 8, 8, 3), "uint8"), 2 * np.eye(4), {}, "are not one-hot"),
        (np.zeros((4, 8, 8, 3), "uint8"), [0, 1, 2, 2**31], {}, "labels span 0 to 2147483648"),
        (np.zeros((4, 8, 8, 3), "uint8"), np.uint64([0, 1, 2, 2**64 - 1]), {}, "labels span 0 to 18446744073709551615"),
        (np.zeros((4, 8, 8, 3), "uint8"), [0, 1, 2, 2**31 - 1], {}, "from 0, below 1,000,000"),
        (np.zeros((4, 8, 8, 3), "uint8"), list("abcd"), {}, "labels are <U1; they must be integer"),
        (np.zeros((4, 8, 8, 3), "uint8"), [[0], [1, 2], 3, 4], {}, "labels differ in shape"),
        (np.zeros((4, 8, 8, 3), "uint8"), [None] * 4, {}, "labels are object"),
        (np.zeros((4, 8, 8, 2), "uint8"), range(4), {}, "have 2 channels; they must have 3"),
        (np.zeros((4, 8, 8, 0), "uint8"), range(4), {}, "is empty"),
        (np.zeros((4, 8, 8, 3), object), range(4), {}, "images are object; they must be numbers"),
        (np.zeros((4, 8, 8, 3), complex), range(4), {}, "images are complex128; they must be numbers"),
        ([np.zeros((8, 8, 3)), np.zeros((7, 8, 3))], [0, 1], {}, "images differ in shape"),
        (None, range(4), {}, r"images have the shape \(\)"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"class_names": 3}, "must be a list of different strings"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"class_names": "aabc"}, "must be a list of different strings"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"image_size": 0}, "image_size=0 must be above 0"),
        (
            np.zeros((4, 8, 8, 3), "uint8"),
            range(4),
            {"crop_fraction": 1.5},
            "crop_fraction=1.5 must be between 0.0625 and 1",
        ),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"interpolation": "cubic"}, "did you mean 'bicubic'"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"validation_fraction": -1}, "must be between 0 and 1"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"seed": -1}, "seed=-1 must be between 0 and"),
        (np.zeros((4, 8, 8, 3), "uint8"), [0.0, 1, 2, 3], {}, "must be integer class numbers"),
        (np.zeros((4, 8, 8, 3), "uint8"), [-1, 0, 1, 2], {}, "labels span -1 to 2"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"class_names": "abc"}, "span 0 to 3, but there are 3 classes"),
        (np.full((4, 8, 8, 3), 0.5), range(4), {}, "values in 0 to 255, .* Multiply them by 255"),
        (np.full((4, 8, 8, 3), np.nan), range(4), {}, "contain NaN"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"recipe": Recipe(validation_fraction=0.01)}, "too few"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"recipe": "cifar_quik"}, "did you mean 'cifar_quick'"),
    ],
)
def test_bad_arrays_are_one_clear_sentence(images, labels, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_data((images, labels), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "Data must be .* not int"),
        (None, "Data must be .* not None"),
        (b"cifar10", "Data must be .* not bytes"),
        ("", "must be the name of a data set"),
        ((1, 2, 3), "Data must be .* not a tuple of 3"),
        ({}, r"Splits \[\] must be"),
        ({"train": 0, 3: 0}, r"Splits \['3', 'train'\] must be"),
        ({"train": None}, "train split must be a pair"),
        ((None, None), "train split must be a pair"),
        (((np.zeros((4, 8, 8, 3), "uint8"), range(4)), None), "test split must be a pair"),
    ],
)
def test_sources_of_another_type_are_one_clear_sentence(source, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_data(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["nowhere/", "a" * 5000 + "/", "a\0/", "~nobody/photos"])
def test_paths_that_do_not_exist_are_one_clear_sentence(path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_data(path)


def test_one_hot_labels_are_class_numbers():
    data = load_data((np.zeros((4, 8, 8, 3), "uint8"), np.eye(5)[[3, 0, 1, 3]]))
    np.testing.assert_array_equal(data.train.labels, [3, 0, 1, 3])
    assert data.train.labels.dtype == np.int32
    assert data.class_names == ("0", "1", "2", "3", "4")


def test_settings_override_the_recipes(tmp_path):
    write_photos(tmp_path, ["cat", "dog"], 10)
    recipe = Recipe(image_size=32, crop_fraction=0.5, validation_fraction=0.5)
    assert load_data(tmp_path, recipe).view == View((32, 32), 0.5)
    data = load_data(tmp_path, recipe, image_size=16, interpolation="bicubic", validation_fraction=0.2, seed=3)
    assert data.view == View((16, 16), 0.5, "bicubic")
    assert (len(data.train), len(data.validation)) == (16, 4)
    same = load_data(tmp_path, image_size=16, crop_fraction=0.5, validation_fraction=0.2, seed=3)
    np.testing.assert_array_equal(same.validation.paths, data.validation.paths)
    other = load_data(tmp_path, image_size=16, crop_fraction=0.5, validation_fraction=0.2, seed=4)
    assert set(other.validation.paths) != set(data.validation.paths)


def test_class_names_are_not_for_folders(tmp_path):
    with pytest.raises(ValueError, match="class_names are only for arrays"):
        load_data(write_photos(tmp_path, ["cat", "dog"], 1), class_names=["a", "b"])


def test_repr_is_short_and_has_no_arrays(shapes):
    train, test = shapes
    data = load_data((train, test), class_names=["a", "b", "c", "d"])
    assert repr(data).splitlines() == [
        "Data 'arrays'",
        "  train: 120 images",
        "  test: 40 images",
        "  4 classes: a, b, c, d",
        "  image shape: (8, 8, 3)",
        "  test view: 8x8 center crop of short side 8, bilinear",
    ]
    assert repr(data.train) == "Arrays(120 images, 8x8x3)"
    held_out = load_data((train, test), validation_fraction=0.2)
    assert "  validation: 24 held-out images" in repr(held_out).splitlines()


def test_splits_must_have_one_image_size(shapes):
    train, test = shapes
    with pytest.raises(ValueError, match=r"test images are \(4, 4, 3\)"):
        load_data((train, (test[0][:, :4, :4], test[1])))
    with pytest.raises(ValueError, match="must be 'train' and"):
        load_data({"training": train})
    with pytest.raises(ValueError, match="Data must be"):
        load_data(train[0])


def test_missing_data_set_fails_at_once_and_says_where_it_looked(tmp_path, monkeypatch):
    start = time.perf_counter()
    with pytest.raises(FileNotFoundError, match=r"(?s)'cifar10' in .*download=True") as caught:
        load_data("cifar10", data_dir=tmp_path)
    assert time.perf_counter() - start < 2
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    (tmp_path / "mnist" / "3.0.1" / "dataset_info.json").touch()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="found there: mnist"):
        load_data("cifar10")


def test_missing_data_set_that_is_a_folder_or_has_configurations(tmp_path, monkeypatch):
    (tmp_path / "imagenette" / "320px-v2" / "1.0.0").mkdir(parents=True)
    (tmp_path / "imagenette" / "320px-v2" / "1.0.0" / "dataset_info.json").touch()
    with pytest.raises(
        FileNotFoundError, match=r"found there: imagenette/320px-v2\).* --download on the command line\.$"
    ):
        load_data("imagenette", data_dir=tmp_path)
    write_photos(tmp_path / "PHOTOS", ["cat", "dog"], 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"To read the folder PHOTOS, write load_data\('PHOTOS/'\), or --data_dir="
    ):
        load_data("PHOTOS", data_dir=tmp_path)


def test_damaged_data_set_is_one_clear_sentence(local_data, tmp_path):
    source = local_data / "tfds" / "cifar10" / "3.0.2"
    copy = tmp_path / "cifar10" / "3.0.2"
    copy.mkdir(parents=True)
    for path in source.iterdir():
        size = 100_000 if "tfrecord" in path.name else path.stat().st_size
        (copy / path.name).write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="is damaged"):
        load_data("cifar10", data_dir=tmp_path)


def test_cifar10_through_tfds(local_data):
    data = load_data("cifar10", "cifar_he2015", data_dir=local_data / "tfds")
    assert {split: len(part) for split, part in data.splits.items()} == dict(
        train=45_000, validation=5_000, test=10_000
    )
    assert data.image_shape == (32, 32, 3)
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    np.testing.assert_array_equal(np.bincount(data.test.labels), [1000] * 10)
    together = np.bincount(np.concatenate([data.train.labels, data.validation.labels]))
    np.testing.assert_array_equal(together, [5000] * 10)
    # The published mean of CIFAR-10's training images, in units of 0 to 1, over all 50,000 of them.
    np.testing.assert_allclose(data.mean_image().mean((0, 1)) / 255, (0.4914, 0.4822, 0.4465), atol=2e-3)


def test_data_is_public():
    assert keras_resnet.Data is keras_resnet.data.loading.Data


def test_a_run_finds_the_images_that_it_held_out(tmp_path):
    write_photos(tmp_path / "photos", ["cat", "dog"], 10)
    recipe = Recipe(epochs=0.1, batch_size=8, image_size=32, validation_fraction=0.2)
    data = load_data(tmp_path / "photos", recipe, seed=5)
    keras_resnet.train("resnet8", data, recipe, tmp_path / "run", verbose=0)
    again = Run(tmp_path / "run").data()
    assert again.validation.fingerprint() == data.validation.fingerprint()
    assert data.validation.fingerprint() != load_data(tmp_path / "photos", recipe).validation.fingerprint()


def test_class_names_are_single_lines():
    with pytest.raises(ValueError, match=r"The class name 'cat\\n' is empty or has a line break"):
        load_data((np.zeros((2, 8, 8, 3), "uint8"), np.arange(2)), class_names=["cat\n", "dog"])
