"""The real training function on a small set, on one device and on two."""

import dataclasses
import json
import os
import pathlib
import stat
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, create_model, load_data, train
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.training.building import build_model, compile_for
from keras_resnet.training.schedules import LearningRate, needs_warmup
from keras_resnet.training.throughput import DataTime, Throughput, measure_data_time
from tests.marks import exhaustive
from tests.photos import write_scenes

RECIPE = Recipe(epochs=4, batch_size=16, learning_rate=0.05, weight_decay=1e-4, schedule="cosine", pad=1, seed=3)
RUN_FILES = {
    ".lock",
    "best.keras",
    "checkpoints",
    "curves.png",
    "final.keras",
    "labels.txt",
    "log.csv",
    "recipe.json",
    "report.html",
    "result.json",
    "tensorboard",
}


@pytest.fixture
def data(shapes):
    return load_data(shapes, class_names=["top left", "top right", "bottom left", "bottom right"])


def small_net(data, **options):
    keras.utils.set_random_seed(0)
    return create_model(
        "resnet20_cifar",
        depths=(1, 1),
        widths=(8, 16),
        input_shape=data.image_shape,
        classes=len(data.class_names),
        **options,
    )


ONE = tf.distribute.get_strategy()


@pytest.mark.parametrize("devices", [exhaustive(1), 2])
def test_a_run_learns_and_leaves_a_whole_run_directory(devices, data, tmp_path):
    strategy = ONE if devices == 1 else mirrored()
    recipe = dataclasses.replace(RECIPE, epochs=8, learning_rate=0.1, per_pixel_mean=True)
    result = train("resnet8", data, recipe, tmp_path / "run", strategy=strategy, verbose=0)
    assert (result.split, result.images) == ("test", 40)
    assert {path.name for path in (tmp_path / "run").iterdir()} == RUN_FILES
    assert (tmp_path / "run" / "labels.txt").read_text().splitlines() == list(data.class_names)

    log = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(log["epoch"], range(8))
    assert log["loss"][-1] < np.log(4) / 2  # half the loss of guessing; six seeds end near 0.06
    assert {"loss", "accuracy", "images_per_second", "learning_rate"} <= set(log.dtype.names)
    assert (log["images_per_second"] > 0).all()

    record = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert record["model"] == {"name": "resnet8"}
    assert record["recipe"]["learning_rate"] == 0.1
    assert record["data"]["train"] == 120
    assert record["environment"]["packages"]["keras"] == keras.__version__

    loaded = keras.saving.load_model(tmp_path / "run" / "final.keras")
    correct = np.argmax(loaded.predict(data.test.images, verbose=0), 1) == data.test.labels
    assert correct.mean() == pytest.approx(result.accuracy)
    assert str(result) == (
        f"test accuracy {result.accuracy:.4f} (error {100 - 100 * result.accuracy:.2f} %, 40 images, "
        "whole 8x8 image, single view, final weights)"
    )
    assert (tmp_path / "run" / "curves.png").read_bytes()[:4] == b"\x89PNG"
    assert str(result) in (tmp_path / "run" / "report.html").read_text()


def test_two_devices_make_the_same_step_as_one(data):
    """Without batch statistics in the way (frozen), one epoch of SGD with L2 is the same on both."""
    weights = []
    for strategy in (ONE, mirrored()):
        with strategy.scope():
            model = small_net(data)
            for layer in model.layers:
                layer.trainable = "_bn" not in layer.name
            compile_for(model, RECIPE)
        batches = tf.data.Dataset.from_tensor_slices((data.train.images, data.train.labels)).batch(16)
        model.fit(batches, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.exhaustive
def test_weight_decay_is_the_papers(data):
    """v <- 0.9 v - 0.05 (gradient + 1e-2 w) on every trainable weight, by NumPy; loss with lambda / 2 |w|^2."""
    recipe = dataclasses.replace(RECIPE, weight_decay=1e-2)
    model = small_net(data)
    compile_for(model, recipe)
    x, y = tf.constant(data.train.images[:16]), data.train.labels[:16]
    velocity = [0.0] * len(model.trainable_variables)
    for _ in range(3):
        twin = keras.models.clone_model(model)
        twin.set_weights(model.get_weights())
        with tf.GradientTape() as tape:
            cross_entropy = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(y, twin(x, training=True), from_logits=False)
            )
        gradients = tape.gradient(cross_entropy, [v.value for v in twin.trainable_variables])
        before = [v.numpy() for v in model.trainable_variables]
        velocity = [
            0.9 * v - 0.05 * (g.numpy() + 1e-2 * w) for v, g, w in zip(velocity, gradients, before, strict=True)
        ]
        model.reset_metrics()
        loss = model.train_on_batch(x, y, return_dict=True)["loss"]
        penalty = 1e-2 / 2 * sum((w**2).sum() for w in before)
        assert loss == pytest.approx(float(cross_entropy) + penalty, rel=1e-4)
        for variable, w, v in zip(model.trainable_variables, before, velocity, strict=True):
            np.testing.assert_allclose(variable, w + v, rtol=1e-3, atol=1e-5)


def test_loss_is_taken_from_the_logits(data):
    """A confident mistake costs what it should: the loss is not clipped at log(1e-7), about 16."""
    model = small_net(data)
    model.get_layer("logits").bias.assign([0, 0, 0, 100])
    compile_for(model, dataclasses.replace(RECIPE, weight_decay=0))
    loss = model.train_on_batch(data.train.images[:4], np.zeros(4, int), return_dict=True)["loss"]
    assert loss > 50


@pytest.mark.exhaustive
def test_model_of_logits_has_the_loss_of_its_softmax(data):
    losses = []
    for activation in ("softmax", None):
        model = small_net(data, classifier_activation=activation)
        compile_for(model, RECIPE)
        losses.append(model.train_on_batch(data.train.images[:16], data.train.labels[:16], return_dict=True)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_resumed_run_equals_the_uninterrupted_one(data, tmp_path):
    """Bit by bit, with the plateau rule and its state in the middle."""
    recipe = dataclasses.replace(RECIPE, schedule="plateau", plateau_patience=1, validation_fraction=0.2)
    data = load_data((data.train.images, data.train.labels), recipe)

    class CrashError(Exception):
        pass

    class CrashAfter(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (2, 4):  # three steps after a checkpoint within the epoch
                raise CrashError

    model = small_net(data)
    train(model, data, recipe, tmp_path / "whole", verbose=0, strategy=ONE)

    crashing = small_net(data)
    fit = crashing.fit
    crashing.fit = lambda *args, callbacks, **kwargs: fit(*args, callbacks=[*callbacks, CrashAfter()], **kwargs)
    with pytest.raises(CrashError):
        train(crashing, data, recipe, tmp_path / "parts", checkpoint_every=4, verbose=0, strategy=ONE)
    assert not (tmp_path / "parts" / "final.keras").exists()
    resumed = small_net(data)
    train(resumed, data, recipe, tmp_path / "parts", verbose=0, strategy=ONE)

    for one, other in zip(model.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    whole, parts = (np.genfromtxt(tmp_path / run / "log.csv", delimiter=",", names=True) for run in ("whole", "parts"))
    for column in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        np.testing.assert_array_equal(whole[column], parts[column])


def test_finished_run_is_not_trained_again(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    recipe = dataclasses.replace(RECIPE, epochs=1)
    first = train(small_net(data), data, recipe, tmp_path / "run", verbose=0)
    log = (tmp_path / "run" / "log.csv").read_text()
    again = train(small_net(data), data, recipe, tmp_path / "run", verbose=0)
    assert again == first
    assert (tmp_path / "run" / "log.csv").read_text() == log
    assert "after epoch 1 of 1" in caplog.text


def test_damaged_checkpoint_falls_back_to_the_one_before(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    recipe = dataclasses.replace(RECIPE, epochs=3)
    train(small_net(data), data, recipe, tmp_path / "run", checkpoint_every=8, verbose=0)  # each epoch
    newest = tmp_path / "run" / "checkpoints" / "epoch-00003-step-0000000.npz"
    newest.write_bytes(newest.read_bytes()[:1000])
    train(small_net(data), data, recipe, tmp_path / "run", verbose=0)
    assert "epoch-00003-step-0000000.json is damaged" in caplog.text
    assert "after epoch 2 of 3" in caplog.text
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 4


def test_another_run_is_refused_and_left_as_it_was(data, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=1)
    train(small_net(data), data, recipe, tmp_path / "run", verbose=0)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    other = dataclasses.replace(recipe, epochs=2)
    with pytest.raises(FileExistsError, match=r"another run \(recipe.epochs: saved 1, requested 2\)"):
        train(small_net(data), data, other, tmp_path / "run", verbose=0)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_workdirs_that_cannot_be_used(data, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("precious")
    with pytest.raises(FileExistsError, match="contains other files but no run"):
        train(small_net(data), data, RECIPE, tmp_path / "photos")
    with pytest.raises(FileExistsError, match="is a file"):
        train(small_net(data), data, RECIPE, tmp_path / "photos" / "cat.jpg")
    with pytest.raises(OSError, match="is not writable"):
        train(small_net(data), data, RECIPE, "/proc/run")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


@pytest.mark.exhaustive
def test_run_killed_before_its_recipe_was_written_starts_anew(data, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "labels.txt").write_text("a")
    (run / ".writing-abc").mkdir()
    recipe = dataclasses.replace(RECIPE, epochs=1)
    train(small_net(data), data, recipe, run, verbose=0)
    assert (run / "final.keras").is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only folders")
def test_read_only_workdir(data, tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(PermissionError, match="is not writable"):
        train(small_net(data), data, RECIPE, tmp_path / "locked" / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(input_shape=(16, 16, 3)), r"images of shape \(16, 16, 3\), but those of arrays have shape \(8, 8, 3\)"),
        (dict(classes=5), "has 4 classes"),
    ],
)
def test_model_that_does_not_fit_the_data(options, message, data, tmp_path):
    model = create_model("resnet20_cifar", **{"input_shape": (8, 8, 3), "classes": 4, **options})
    with pytest.raises(ValueError, match=message):
        train(model, data, RECIPE, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_names_and_precisions_that_do_not_exist(data, tmp_path):
    with pytest.raises(ValueError, match="did you mean 'resnet20_cifar'"):
        train("resnet20_cifr", data, RECIPE, tmp_path / "run")
    with pytest.raises(ValueError, match="did you mean 'cifar_quick'"):
        train("resnet20_cifar", data, "cifar_quik", tmp_path / "run")
    half = dataclasses.replace(RECIPE, precision="mixed_float16")
    with pytest.raises(ValueError, match="mixed_float16 needs a GPU"):
        train("resnet20_cifar", data, half, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.exhaustive
def test_mixed_bfloat16_computes_in_bfloat16_and_keeps_float32(data, tmp_path):
    """Its first loss is float32's up to rounding (8 bits: 2^-8 for each operation); later ones depend on luck."""
    images, labels = data.train.images[:64], data.train.labels[:64]
    losses = {}
    for precision in ("float32", "mixed_bfloat16"):
        recipe = dataclasses.replace(RECIPE, precision=precision)
        model = build_model("resnet20_cifar", data, recipe)
        compile_for(model, recipe)
        losses[precision] = model.train_on_batch(images, labels, return_dict=True)["loss"]
    assert losses["mixed_bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
    assert losses["mixed_bfloat16"] != losses["float32"]

    recipe = dataclasses.replace(RECIPE, epochs=1, precision="mixed_bfloat16")
    result = train("resnet20_cifar", data, recipe, tmp_path / "run", strategy=ONE, verbose=0)
    assert result.images == 40
    model = keras.saving.load_model(tmp_path / "run" / "final.keras")
    assert model.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert {variable.dtype for variable in model.weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


class Steps:
    """What LearningRate needs of a model."""

    def __init__(self):
        self.optimizer = keras.optimizers.SGD(1.0)

    def rates(self, callback, batches, accuracy=0.0):
        seen = []
        for batch in batches:
            callback.on_train_batch_begin(batch)
            seen.append(float(self.optimizer.learning_rate))
            callback.on_train_batch_end(batch, {"accuracy": accuracy(batch) if callable(accuracy) else accuracy})
        return seen


def test_learning_rate_follows_the_paper_to_its_64000th_step():
    callback, model = LearningRate(keras_resnet.RECIPES["cifar_he2015"], 352, 64_000, warms_up=False), Steps()
    callback.set_model(model)
    seen = []
    for epoch in range(182):
        callback.on_epoch_begin(epoch)
        seen += model.rates(callback, range(min(352, 64_000 - 352 * epoch)))
    expected = np.repeat([0.1, 0.01, 0.001], [32_000, 16_000, 16_000])
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


def test_warmup_lasts_until_the_training_error_is_below_80_percent():
    callback, model = LearningRate(keras_resnet.RECIPES["cifar_he2015"], 352, 64_000, warms_up=True), Steps()
    callback.set_model(model)
    callback.on_epoch_begin(0)
    seen = model.rates(callback, range(10), accuracy=lambda batch: 0.05 * batch)  # 0.25 at batch 5
    np.testing.assert_allclose(seen, [0.01] * 6 + [0.1] * 4, rtol=1e-6)


def test_the_rate_that_the_plateau_rule_set_is_left_alone():
    recipe = dataclasses.replace(RECIPE, schedule="plateau", learning_rate=0.1)
    callback, model = LearningRate(recipe, 8, 80, warms_up=False), Steps()
    callback.set_model(model)
    callback.on_epoch_begin(0)
    model.rates(callback, range(8))
    model.optimizer.learning_rate = 0.01
    callback.on_epoch_begin(1)
    assert model.rates(callback, range(8)) == pytest.approx([0.01] * 8)


def test_nets_of_110_layers_warm_up():
    paper = keras_resnet.RECIPES["cifar_he2015"]
    assert needs_warmup(create_model("resnet110_cifar"), paper)
    assert not needs_warmup(create_model("resnet56_cifar"), paper)
    assert not needs_warmup(create_model("resnet110_cifar"), RECIPE)


# ---------------------------------------------------------------------------------------------
# Photos, some of them bad

PHOTOS = dataclasses.replace(RECIPE, epochs=2, pad=0, image_size=16, crop="random_resized", validation_fraction=0.2)


@pytest.fixture
def photos(tmp_path):
    """30 photos of two classes, two of them bad."""
    folder = write_scenes(tmp_path / "photos", ["cat", "dog"], 15)
    (folder / "cat" / "003.jpg").write_bytes(b"")
    (folder / "dog" / "007.jpg").write_bytes(b"no photo")
    return folder


def photo_net(data):
    keras.utils.set_random_seed(0)
    return create_model("resnet20_cifar", depths=(1, 1), widths=(8, 16), input_shape=data.image_shape, classes=2)


@pytest.mark.parametrize("devices", [1, exhaustive(2)])
def test_bad_photos_are_skipped_and_listed_once(devices, photos, tmp_path):
    data = load_data(photos, PHOTOS)
    strategy = ONE if devices == 1 else mirrored()
    with strategy.scope():
        net = photo_net(data)
    result = train(net, data, PHOTOS, tmp_path / "run", strategy=strategy, verbose=0)
    lines = (tmp_path / "run" / "bad_images.tsv").read_text().splitlines()
    listed = sorted(line.split("\t")[0] for line in lines[1:])
    assert listed == [str(photos / "cat" / "003.jpg"), str(photos / "dog" / "007.jpg")]
    assert result.images + len(result.errors) == 6
    rows = keras_resnet.run_directory.Run(tmp_path / "run").log()
    assert len(rows) == 2
    assert all(0 <= row["data_time"] <= 1 for row in rows)

    labels = keras_resnet.predict(tmp_path / "run", sorted(photos.glob("*/*.jpg")), top=1, on_error="return")
    assert sum(label.error is not None for label in labels) == 2


class CountValidated(keras.callbacks.Callback):
    def on_test_end(self, logs=None):
        self.images = float(self.model.metrics[0].count)


@pytest.mark.slow
def test_validation_counts_readable_photos_only(tmp_path):
    """A batch has one photo, so that an unreadable one leaves nothing of it."""
    write_scenes(tmp_path / "photos" / "train", ["cat", "dog"], 4)
    write_scenes(tmp_path / "photos" / "val", ["cat", "dog"], 3)
    validation = sorted((tmp_path / "photos" / "val").glob("*/*"))
    recipe = dataclasses.replace(PHOTOS, epochs=1, batch_size=1, validation_fraction=0.0)
    data, count = load_data(tmp_path / "photos", recipe), CountValidated()
    for photo in validation[1:3]:
        photo.write_bytes(b"no photo")
    train(photo_net(data), data, recipe, tmp_path / "run", callbacks=[count], strategy=ONE, verbose=0)
    assert count.images == 4
    for photo in validation:
        photo.write_bytes(b"no photo")
    with pytest.raises(ValueError, match=r"^None of the 6 validation images of .*photos is readable\.$"):
        train(photo_net(data), data, recipe, tmp_path / "blind", strategy=ONE, verbose=0)


@pytest.mark.exhaustive
def test_too_many_bad_photos_stop_the_run(photos, tmp_path):
    data = load_data(photos, PHOTOS)
    with pytest.raises(ValueError, match=r"2 images cannot be read, more than the 1 .* listed in .*bad_images\.tsv"):
        train(photo_net(data), data, PHOTOS, tmp_path / "run", max_bad_images=1, verbose=0)
    with pytest.raises(ValueError, match=r"0[03][37]\.jpg is "):
        train(photo_net(data), data, PHOTOS, tmp_path / "strict", on_bad_image="error", verbose=0)
    with pytest.raises(ValueError, match="Unknown on_bad_image 'stop'"):
        train(photo_net(data), data, PHOTOS, tmp_path / "other", on_bad_image="stop", verbose=0)
    assert not (tmp_path / "other").exists()


def test_waiting_for_images_is_measured_and_logged(caplog):
    """A data set that gives a batch only every 20 ms to a consumer that takes 5."""
    data_time = DataTime()

    def late(index):
        return tf.numpy_function(lambda index: (time.sleep(0.02), index)[1], [index], tf.int64)

    dataset = measure_data_time(tf.data.Dataset.range(20).map(late), data_time)
    values = []
    for value in dataset:
        values.append(int(value))
        time.sleep(0.005)
    assert values == list(range(20))
    assert 0.4 <= data_time.seconds < 2  # another process may be in the way

    throughput = Throughput(examples=20, batch_size=1, data_time=data_time)
    throughput.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    throughput.model.compile("sgd", "mse")
    throughput.on_epoch_begin(0)
    logs = {}
    throughput.on_train_batch_end(0, logs)
    time.sleep(0.1)
    data_time.add(0.05)
    throughput.on_train_batch_end(1, logs)
    throughput.on_epoch_end(0, logs)
    assert 0.3 < logs["data_time"] <= 0.5
    assert "Input-bound" in caplog.text
    assert "smaller images (`keras-resnet prepare`)" in caplog.text


@pytest.mark.exhaustive
def test_every_odd_image_is_accounted_for(local_data, tmp_path):
    """In training, evaluation and prediction: what Pillow reads is used, the rest is listed, each once."""
    manifest = (local_data / "odd_images" / "MANIFEST.tsv").read_text().splitlines()[1:]
    fails = {line.split("\t")[0] for line in manifest if "FAIL" in line}
    for split in ("train", "val"):
        for kind, source in (("odd", "odd_images"), ("turned", "exif")):
            (tmp_path / "photos" / split / kind).mkdir(parents=True)
            for path in (local_data / source).glob("*.*"):
                if path.suffix != ".tsv":
                    (tmp_path / "photos" / split / kind / path.name).symlink_to(path.resolve())
    recipe = dataclasses.replace(PHOTOS, epochs=1, batch_size=8, flip=True)
    data = load_data(tmp_path / "photos", recipe)
    assert (len(data.train), len(data.validation)) == (39, 39)
    result = train(photo_net(data), data, recipe, tmp_path / "run", max_bad_images=30, verbose=0)

    rows = [line.split("\t") for line in (tmp_path / "run" / "bad_images.tsv").read_text().splitlines()[1:]]
    listed = [tuple(pathlib.PurePath(path).parts[-3::2]) for path, _ in rows]
    assert sorted(listed) == sorted((split, name) for split in ("train", "val") for name in fails)
    assert all(reason for _, reason in rows)
    assert {pathlib.PurePath(path).name for path, _ in result.errors} == fails
    assert result.images == 39 - len(fails)
    for protocol in ("ten_crop", "multi_scale"):
        other = keras_resnet.evaluate(keras_resnet.load_model(tmp_path / "run"), data, protocol=protocol)
        assert (other.images, len(other.errors)) == (39 - len(fails), len(fails))

    paths = sorted((tmp_path / "photos" / "val").glob("*/*"))
    predictions = keras_resnet.predict(tmp_path / "run", paths, top=1, on_error="return")
    failed = {path.name for path, answer in zip(paths, predictions, strict=True) if answer.error}
    assert failed == fails
