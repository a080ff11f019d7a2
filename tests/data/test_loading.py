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
from keras_resnet.transforms.crops import pad_and_crop, random_flip
from keras_resnet.transforms.pipeline import example_seed


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


def test_augmentation_is_the_papers_pixel_by_pixel():
    """Each of the 81 crops with a padding of 4, and its mirror image, equally often."""
    image = np.random.default_rng(0).integers(1, 256, (32, 32, 3)).astype("uint8")
    known = {crop.tobytes(): key for key, crop in crops_and_flips(image, 4)}
    assert len(known) == 162
    count = 8000
    examples = load_data((np.broadcast_to(image, (count, 32, 32, 3)), np.zeros(count, int))).train
    drawn = collections.Counter()
    for images, _ in training_batches(examples, Recipe(batch_size=500, pad=4, flip=True)).take(16):
        drawn.update(known[image.numpy().tobytes()] for image in images)
    expected = count / 162
    chi_square = sum((drawn[key] - expected) ** 2 / expected for key in known.values())
    assert chi_square < 161 + 5 * np.sqrt(2 * 161)  # five deviations above the mean


def test_every_epoch_and_example_has_its_own_seed():
    """The same example in two epochs, and two examples in one epoch, are augmented differently."""
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
        (np.zeros((4, 8, 8, 3), "uint8"), np.eye(4), {}, "one class number for each image"),
        (np.zeros((4, 8, 8, 3), "uint8"), [0.0, 1, 2, 3], {}, "must be integer class numbers"),
        (np.zeros((4, 8, 8, 3), "uint8"), [-1, 0, 1, 2], {}, "labels span -1 to 2"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"class_names": "abc"}, "span 0 to 3, but there are 3 classes"),
        (np.full((4, 8, 8, 3), 0.5), range(4), {}, "must be RGB or grayscale values in 0 to 255"),
        (np.full((4, 8, 8, 3), np.nan), range(4), {}, "must be RGB or grayscale values in 0 to 255"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"recipe": Recipe(validation_fraction=0.01)}, "too few"),
        (np.zeros((4, 8, 8, 3), "uint8"), range(4), {"recipe": "cifar_quik"}, "did you mean 'cifar_quick'"),
    ],
)
def test_bad_arrays_are_one_clear_sentence(images, labels, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_data((images, labels), **options)
    assert "\n" not in str(caught.value)


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
