"""Image sizes that change during a run, and test images of another size."""

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_resnet
from keras_resnet import Recipe, create_model, load_data, train
from keras_resnet.data.batches import training_batches
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.distributed.workers import Worker
from keras_resnet.run_directory import Run
from keras_resnet.training.throughput import DataTime
from keras_resnet.training.training_input import TrainingInput
from tests.marks import exhaustive, few
from tests.photos import write_scenes
from tests.training.nets import assert_equal_weights, open_net

# 16 steps, 8 an epoch: the size changes after 5 steps, within the first epoch, and after 13.
SIZES = Recipe(
    epochs=2,
    batch_size=16,
    learning_rate=0.05,
    pad=1,
    flip=True,
    seed=3,
    early_sizes=(4, 6),
    size_milestones=(0.3, 0.8),
)
SIDES = [4] * 5 + [6] * 8 + [8] * 3


@pytest.fixture(scope="module")
def data(shapes):
    data = load_data(shapes)
    assert len(data.train) == 120
    return data


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """120 photos of two classes."""
    return write_scenes(tmp_path_factory.mktemp("photos"), ["cat", "dog"], 60)


def batches_of(data, recipe, steps=16, first=0):
    worker = Worker(tf.distribute.get_strategy())
    training_input = TrainingInput(data, recipe, None, UnreadableImages(), worker)
    batches = training_input.training(*divmod(first, training_input.steps_per_epoch), DataTime())
    return list(batches.take(steps - first).as_numpy_iterator())


def without_sizes(recipe):
    return dataclasses.replace(recipe, early_sizes=(), size_milestones=())


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_images_of_one_size_are_augmented_first_and_resized_last(mixup, data):
    """Pillow resizes with the same triangle filter, widened against aliasing."""
    recipe = dataclasses.replace(SIZES, mixup=mixup)
    batches = batches_of(data, recipe)
    assert [images.shape[1:3] for images, _ in batches] == [(side, side) for side in SIDES]
    for (images, labels), (full, same) in zip(batches, batches_of(data, without_sizes(recipe)), strict=True):
        np.testing.assert_array_equal(labels, same)
        assert images.dtype == full.dtype == ("float32" if mixup else "uint8")
        for ours, image in zip(images, full, strict=True):
            channels = [
                Image.fromarray(channel).resize(ours.shape[:2], Image.Resampling.BILINEAR)
                for channel in np.moveaxis(image.astype("float32"), -1, 0)
            ]
            np.testing.assert_allclose(ours, np.stack(channels, -1), atol=1e-3 if mixup else 0.51)


@pytest.mark.parametrize("crop", ["center", "random_resized", "scale_jitter"])
@pytest.mark.exhaustive
def test_crops_of_photos_are_made_at_the_current_size(crop, photos):
    recipe = dataclasses.replace(SIZES, crop=crop, image_size=32, early_sizes=(16, 24), pad=0)
    batches = batches_of(load_data(photos, recipe), recipe)
    for size, steps in ((16, range(5)), (24, range(5, 13)), (32, range(13, 16))):
        of_size = dataclasses.replace(without_sizes(recipe), image_size=size)
        same = batches_of(load_data(photos, of_size), of_size)
        np.testing.assert_equal([batches[step] for step in steps], [same[step] for step in steps])


@pytest.mark.parametrize("first", few([1, 5, 8, 12, 13], 5, 12))
def test_batches_are_the_same_from_any_step(first, data):
    np.testing.assert_equal(batches_of(data, SIZES, first=first), batches_of(data, SIZES)[first:])


def test_shards_have_the_size_of_their_batch(data):
    batches = training_batches(data.train, SIZES, early_sizes=[(4, 5)])
    shards = [training_batches(data.train, SIZES, early_sizes=[(4, 5)], shard=(index, 2)) for index in range(2)]
    for (whole, _), *parts in zip(batches.take(7), *(shard.take(7) for shard in shards), strict=True):
        np.testing.assert_array_equal(whole, np.concatenate([images for images, _ in parts]))


class Stop(keras.callbacks.Callback):
    """Raises an error after a step, counted from 1 over the epochs."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("stop", "devices"), [(4, 1), exhaustive(7, 2), exhaustive(14, 1)])
def test_run_resumes_to_the_bit_before_and_after_a_change_of_size(stop, devices, data, tmp_path):
    strategy = tf.distribute.get_strategy() if devices == 1 else mirrored()
    models = []
    for _ in range(3):
        with strategy.scope():
            models.append(open_net())
    whole, stopped, resumed = models
    train(whole, data, SIZES, tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, data, SIZES, tmp_path / "parts", callbacks=[Stop(stop)], checkpoint_every=3, verbose=0)
    train(resumed, data, SIZES, tmp_path / "parts", verbose=0)
    assert_equal_weights(whole, resumed)
    for name in ("epoch", "loss", "accuracy", "learning_rate"):
        rows = [[row[name] for row in Run(tmp_path / run).log()] for run in ("whole", "parts")]
        assert rows[0] == rows[1]
        assert len(rows[0]) == 2


@pytest.mark.exhaustive
def test_variant_is_built_for_any_size_and_learns_at_each(data, tmp_path):
    result = train("resnet20_cifar", data, SIZES, tmp_path / "run", strategy=tf.distribute.get_strategy(), verbose=0)
    assert result.protocol == "whole 8x8 image, single view, final weights"
    model = keras_resnet.load_model(tmp_path / "run" / "final.keras")
    assert (model.input_shape, model.view.size) == ((None, None, None, 3), (8, 8))
    assert len(keras_resnet.predict(tmp_path / "run", data.test.images[0], top=1)) == 1


def test_dry_run_measures_the_full_size(data):
    result = keras_resnet.dry_run("resnet20_cifar", data, SIZES, strategy=tf.distribute.get_strategy())
    full = create_model("resnet20_cifar", input_shape=(8, 8, 3), classes=4)
    assert result.multiply_adds == keras_resnet.multiply_adds(full)
    assert result.steps == 16


@pytest.mark.parametrize("source", [exhaustive("photos"), "arrays"])
def test_test_images_have_the_test_size_and_training_images_the_image_size(source, data, photos, tmp_path):
    recipe = dataclasses.replace(
        without_sizes(SIZES), epochs=1, image_size=8, test_size=12, validation_fraction=0.2, crop_fraction=0.75
    )
    data = load_data(photos if source == "photos" else (data.train.images, data.train.labels), recipe)
    assert (data.image_shape, data.test_shape, data.view.resized) == ((8, 8, 3), (12, 12, 3), (16, 16))
    net = functools.partial(create_model, "resnet20_cifar", depths=(1,), widths=(4,), classes=len(data.class_names))
    result = train(net(input_shape=(None, None, 3)), data, recipe, tmp_path / "run", verbose=0)
    assert result.protocol == "12x12 center crop of short side 16, bilinear, single view, final weights"
    model = keras_resnet.load_model(tmp_path / "run" / "final.keras")
    assert model.view == data.view
    assert Run(tmp_path / "run").log()[0]["val_accuracy"] == pytest.approx(keras_resnet.evaluate(model, data).accuracy)
    fixed = net(input_shape=data.test_shape)
    fixed.set_weights(model.get_weights())
    assert keras_resnet.evaluate(fixed, data).top1_correct == result.top1_correct


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(early_sizes=(4, 8)), r"early_sizes=\(4, 8\) must be below the size of the images of arrays, 8"),
        (dict(early_sizes=(), size_milestones=(), test_size=16), "test_size=16, but arrays has test views of 8 pixels"),
    ],
)
def test_sizes_that_the_data_do_not_have_are_refused_before_any_work(options, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        train("resnet20_cifar", data, dataclasses.replace(SIZES, **options), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_models_and_stems_that_do_not_take_the_sizes_are_refused_before_any_work(data, tmp_path):
    model = create_model("resnet20_cifar", depths=(1,), widths=(4,), input_shape=(8, 8, 3), classes=4)
    with pytest.raises(ValueError, match=r"takes images of 8x8 only.* build it with input_shape=\(None, None, 3\)"):
        train(model, data, SIZES, tmp_path / "run")
    large = load_data((np.zeros((8, 40, 40, 3), "uint8"), np.arange(8) % 4))
    with pytest.raises(ValueError, match="must be at least 32x32, not 4x4"):
        train("resnet18", large, SIZES, tmp_path / "run")
    assert not (tmp_path / "run").exists()
