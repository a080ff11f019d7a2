"""tf.data as a source: pairs or batches, one size or several, class numbers or one-hot; the same as arrays."""

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, ResNet, evaluate, load_data
from keras_resnet.data.batches import training_batches
from keras_resnet.transforms.views import View, center_view
from tests.photos import scene

RECIPE = Recipe(batch_size=8, image_size=16, crop="random_resized", flip=True, seed=3)


def pairs(images, labels):
    return tf.data.Dataset.from_tensor_slices((images, labels))


@pytest.fixture(scope="module")
def scenes():
    """20 images of two sizes, with labels 0 to 3, one after the other."""
    return [scene(*((40, 60) if index % 2 else (50, 30)), seed=index) for index in range(20)], np.arange(20) % 4


def of_several_sizes(images, labels, dtype="uint8"):
    def generate():
        yield from zip([image.astype(dtype) for image in images], labels, strict=True)

    signature = tf.TensorSpec((None, None, 3), dtype), tf.TensorSpec(np.shape(labels)[1:], labels.dtype)
    return tf.data.Dataset.from_generator(generate, output_signature=signature)


def test_pairs_and_batches_of_one_size_are_as_arrays(shapes):
    images, labels = shapes[0]
    expected = load_data((images, labels), validation_fraction=0.2)
    for dataset in (
        pairs(images, labels),
        pairs(images, labels).batch(7),
        pairs(images, np.eye(4, dtype="float32")[labels]),
        pairs(images, np.eye(4, dtype="int64")[labels]).batch(7),
        pairs(images, labels[:, None]).batch(7),
    ):
        data = load_data(dataset, validation_fraction=0.2)
        assert data.name == "tf.data"
        assert (data.class_names, data.view) == (expected.class_names, expected.view)
        for split in ("train", "validation"):
            assert data.splits[split].fingerprint() == expected.splits[split].fingerprint()


def test_images_of_several_sizes_are_cropped_like_photos(scenes):
    data = load_data(of_several_sizes(*scenes), RECIPE, validation_fraction=0.2, crop_fraction=0.5)
    assert (len(data.train), len(data.validation)) == (16, 4)
    assert (data.image_shape, data.view) == ((16, 16, 3), View((16, 16), 0.5))
    assert sorted(data.validation.labels) == [0, 1, 2, 3]
    images, labels = next(iter(training_batches(data.train, RECIPE)))
    assert (images.shape, images.dtype) == ((8, 16, 16, 3), tf.uint8)
    assert labels.dtype == tf.int32
    assert load_data(of_several_sizes(*scenes), RECIPE, validation_fraction=0.2).train.fingerprint() == (
        data.train.fingerprint()
    )
    assert data.validation.fingerprint() != data.train.fingerprint()
    assert repr(data.train) == "Serialized(16 images, 16x16x3)"


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_evaluation_sees_the_center_of_each_image(scenes, dtype):
    images, labels = scenes
    data = load_data({"train": of_several_sizes(images, labels, dtype), "test": of_several_sizes(*scenes)}, RECIPE)
    model = ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(16, 16, 3), classes=4)
    views = np.concatenate([center_view(tf.constant(image.astype(dtype)), data.view) for image in images])
    correct = (np.asarray(model(views)).argmax(1) == labels).sum()
    assert evaluate(model, data, "train").top1_correct == correct
    assert evaluate(model, data).images == 20


def test_batches_depend_neither_on_the_threads_nor_on_the_start(scenes):
    train = load_data(of_several_sizes(*scenes), RECIPE).train
    whole = list(training_batches(train, RECIPE).take(6).as_numpy_iterator())
    assert [len(labels) for _, labels in whole] == 2 * [8, 8, 4]
    threads = tf.data.Options()
    threads.threading.private_threadpool_size = 1
    again = training_batches(train, RECIPE, 1, 1).with_options(threads).take(2)
    np.testing.assert_equal(list(again.as_numpy_iterator()), whole[4:])


def test_a_shuffled_data_set_is_read_once(shapes):
    """Otherwise, held-out images of one pass would be training images of the next."""
    images, labels = shapes[0]
    data = load_data(pairs(images, labels).shuffle(120), validation_fraction=0.5)
    seen = [image.tobytes() for split in data.splits.values() for image in split.images]
    assert len(set(seen)) == 120


def test_class_names_of_keras_are_kept(tmp_path, shapes):
    dataset = pairs(*shapes[0])
    dataset.class_names = ["a", "b", "c", "d"]  # as keras.utils.image_dataset_from_directory does
    assert load_data(dataset).class_names == ("a", "b", "c", "d")
    assert load_data(dataset, class_names="wxyz").class_names == ("w", "x", "y", "z")


IMAGES, LABELS = np.zeros((4, 8, 8, 3), "uint8"), np.arange(4)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: pairs(IMAGES, LABELS).repeat(), "is infinite; leave out repeat"),
        (lambda: pairs(IMAGES, LABELS).take(0), "The train split is empty"),
        (lambda: of_several_sizes([], LABELS[:0]), "The train split is empty"),
        (lambda: tf.data.Dataset.from_tensor_slices(IMAGES), r"must have pairs \(image, label\)"),
        (lambda: tf.data.Dataset.zip(pairs(IMAGES, LABELS), pairs(IMAGES, LABELS)), "must have pairs"),
        (lambda: pairs(IMAGES[..., 0], LABELS), r"images of shape \(8, 8\)"),
        (lambda: pairs(IMAGES[..., :2], LABELS), "have 2 channels"),
        (lambda: pairs(IMAGES / 255 + 0.5, LABELS), "Multiply them by 255"),
        (lambda: of_several_sizes(list(IMAGES + 0.5), LABELS, "float32"), "Multiply them by 255"),
        (lambda: of_several_sizes(list(IMAGES + np.nan), LABELS, "float32"), "contain NaN"),
        (lambda: of_several_sizes(list(IMAGES), LABELS - 1), "labels span -1 to 2"),
        (lambda: of_several_sizes(list(IMAGES), np.full((4, 4), 0.25)), "are not one-hot"),
        (lambda: (pairs(IMAGES, LABELS), pairs(IMAGES, LABELS)), "Give several data sets as a dict"),
        (lambda: {"training": pairs(IMAGES, LABELS)}, "must be 'train' and"),
    ],
)
def test_other_data_sets_are_one_clear_sentence(source, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_data(source())
    assert "\n" not in str(caught.value)


def test_a_data_set_that_does_not_fit_into_the_containers_memory_is_refused(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("4096\n")
    monkeypatch.setattr("keras_resnet.runtimes.memory.CONTAINER_LIMIT", tmp_path / "memory.max")

    def endless():
        while True:
            yield IMAGES[0], 0

    signature = tf.TensorSpec((8, 8, 3), tf.uint8), tf.TensorSpec((), tf.int64)
    with pytest.raises(ValueError, match=r"is infinite, or its images take more than .* GiB of memory"):
        load_data(tf.data.Dataset.from_generator(endless, output_signature=signature))
