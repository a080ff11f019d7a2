"""Failing runs stop with an error that says what to do; a dry run tells what a run would take."""

import dataclasses
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, create_model, load_data, train
from keras_resnet.data.examples import Arrays
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.run_directory import Run
from keras_resnet.training.building import compiled_model
from keras_resnet.training.checkpoints import latest_checkpoint
from keras_resnet.training.guards import DivergenceGuard
from keras_resnet.training.losses import ClassWeighted, balanced_weights
from keras_resnet.training.memory import check_memory, peak_memory
from tests.marks import exhaustive
from tests.photos import write_scenes
from tests.training.nets import linear_net, open_net

RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.05, seed=3)


@keras.saving.register_keras_serializable(package="tests")
class Planted(keras.layers.Layer):
    """A factor that turns into `value` at a step of the training; the weights themselves stay as they are."""

    def __init__(self, value, at_step, **kwargs):
        super().__init__(**kwargs)
        self.value, self.at_step = value, at_step

    def build(self, input_shape):
        self.steps = self.add_weight(shape=(), dtype="int32", trainable=False, initializer="zeros")

    def call(self, inputs, training=None):
        if training:
            self.steps.assign(self.steps + 1)
        return inputs * tf.where(self.steps == self.at_step, self.value, 1.0)

    def get_config(self):
        return {**super().get_config(), "value": self.value, "at_step": self.at_step}


def net_with(layer):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layer(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
    return keras_resnet.Model(inputs, keras.layers.Dense(4, dtype="float32")(x))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e5])
def test_diverged_loss_stops_with_the_step_and_the_last_good_checkpoint(value, shapes, tmp_path):
    data = load_data(shapes)
    assert len(data.train) == 120  # 8 steps an epoch
    model = net_with(Planted(value, at_step=11))
    with pytest.raises(FloatingPointError, match=r"The loss is .* after 3 steps of epoch 2") as error:
        train(model, data, RECIPE, tmp_path / "run", checkpoint_every=2, verbose=0)
    saved = latest_checkpoint(Run(tmp_path / "run"))
    assert (saved.epoch, saved.step) == (1, 2)
    assert str(saved.variables) in str(error.value)
    assert "lower learning_rate" in str(error.value)
    with np.load(saved.variables) as values:
        assert all(np.isfinite(values[name]).all() for name in values)


def test_weights_that_are_not_finite_are_not_saved(shapes, tmp_path):
    """Their loss would be seen a step later."""
    data = load_data(shapes)
    model = net_with(keras.layers.Identity())

    class SpoilWeights(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                self.model.layers[-1].bias.assign([np.inf, 0, 0, 0])

    fit = model.fit
    model.fit = lambda *args, callbacks, **kwargs: fit(*args, callbacks=[SpoilWeights(), *callbacks], **kwargs)
    with pytest.raises(FloatingPointError, match=r"bias is not finite after 4 steps of epoch 1"):
        train(model, data, RECIPE, tmp_path / "run", checkpoint_every=2, verbose=0)
    saved = latest_checkpoint(Run(tmp_path / "run"))
    assert (saved.epoch, saved.step) == (0, 2)


def test_batch_larger_than_the_memory_is_refused_before_anything_is_written(shapes, tmp_path):
    images = np.broadcast_to(np.zeros((), "uint8"), (10**9, 8, 8, 3))  # a byte of memory
    labels = np.broadcast_to(np.zeros((), "int32"), (10**9,))
    data = dataclasses.replace(load_data(shapes), train=Arrays(images, labels))
    recipe = dataclasses.replace(RECIPE, batch_size=10**9)
    with pytest.raises(MemoryError, match=r"1000000000 images of 8x8 .* at least .* GiB.*lower batch_size"):
        compiled_model("resnet20_cifar", data, recipe)
    # A step has no more images than the data.
    compiled_model("resnet20_cifar", load_data(shapes), recipe)


def test_the_memory_of_a_container_is_less_than_the_machines(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    monkeypatch.setattr("keras_resnet.runtimes.memory.CONTAINER_LIMIT", tmp_path / "memory.max")
    net = create_model("resnet8")
    check_memory(net, 100, (32, 32, 3))
    with pytest.raises(MemoryError, match="GiB of 1 GiB"):
        check_memory(net, 10_000, (32, 32, 3))


def test_one_image_of_a_rare_class_is_no_divergence():
    """With the weight 500, it alone may cost more than 100 times the loss of guessing."""
    labels = np.r_[np.zeros(9990, int), np.ones(10, int)]
    model = linear_net()
    model.compile(loss=ClassWeighted(keras.losses.SparseCategoricalCrossentropy(), balanced_weights(labels, 2)))
    guard = DivergenceGuard(2, Run("nowhere"))
    guard.set_model(model)
    guard.on_epoch_begin(0)
    guard.on_train_begin()
    guard.on_train_batch_end(0, {"loss": 500 * 6.9 / 32})
    with pytest.raises(FloatingPointError, match="training has diverged"):
        guard.on_train_batch_end(1, {"loss": 100_000.0})


def test_memory_that_is_counted_is_what_the_outputs_take():
    """ResNet-50 puts out 11.11 million values for an image of 224 x 224 from its convolutions (published)."""
    model = create_model("resnet50")
    check_memory(model, 32, (224, 224, 3))  # a step that took 5.2 GiB
    outputs = 2 * 11.11e6 * 4  # float32, of the convolutions and their normalizations
    with pytest.raises(MemoryError) as error:
        check_memory(model, 10**6, (224, 224, 3))
    counted = float(re.search(r"at least (\d+) GiB", str(error.value))[1])
    assert counted == pytest.approx(10**6 * outputs / 2**30, rel=0.01)


def test_error_of_the_allocator_is_explained(shapes, tmp_path, monkeypatch):
    data = load_data(shapes)

    class NoMemory(keras.layers.Layer):
        def call(self, inputs):
            def fail(inputs):
                raise MemoryError("no memory")  # NumPy's functions raise it; TensorFlow makes ResourceExhausted of it

            outputs = tf.numpy_function(fail, [inputs], inputs.dtype)
            return tf.ensure_shape(outputs, inputs.shape)

    model = net_with(NoMemory())
    with pytest.raises(MemoryError, match=r"16 images of 8x8 does not fit into memory .*no memory.*lower batch_size"):
        train(model, data, RECIPE, tmp_path / "run", verbose=0)


def test_errors_of_the_users_own_callbacks_stay_as_they_are(shapes, tmp_path):
    class Check(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            tf.debugging.assert_less(batch, 2, "an own check")

    with pytest.raises(tf.errors.InvalidArgumentError, match="an own check"):
        train(linear_net(), load_data(shapes), RECIPE, tmp_path / "run", callbacks=[Check()], verbose=0)


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        (0, r"001\.jpg is empty\. Repair or remove it, or skip unreadable images \(on_bad_image\)\.$"),
        (1, r"^2 images cannot be read, more than the 1 that may be skipped .*\. The last is .* All are listed in "),
    ],
)
def test_unreadable_images_stop_the_run(allowed, message, tmp_path):
    photos = write_scenes(tmp_path / "photos", ["ant", "bee", "cat", "dog"], 3)
    for name in ("ant", "bee"):
        (photos / name / "001.jpg").write_bytes(b"")
    recipe = Recipe(epochs=1, batch_size=4, image_size=16, validation_fraction=0)
    with pytest.raises(ValueError, match=message):
        train(open_net(), load_data(photos, recipe), recipe, tmp_path / "run", max_bad_images=allowed, verbose=0)


@pytest.mark.parametrize("devices", [1, exhaustive(2)])
def test_dry_run_counts_measures_and_writes_nothing(devices, shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = load_data(shapes)
    strategy = tf.distribute.get_strategy() if devices == 1 else mirrored()
    result = keras_resnet.dry_run("resnet20_cifar", data, RECIPE, strategy=strategy)
    model = create_model("resnet20_cifar", input_shape=data.image_shape, classes=4)
    assert result.parameters == 269_722 - 6 * 65  # the published count, but for 4 classes in the place of 10
    assert result.other_weights == 2 * 688  # mean and variance of 16 + 6 * (16 + 32 + 64) channels
    assert result.multiply_adds == keras_resnet.multiply_adds(model)
    assert (result.steps, result.batch_size, result.replicas) == (16, 16, devices)
    assert 0 < result.seconds_per_step < 60
    assert result.memory > 50 * 2**20
    assert not list(tmp_path.iterdir())
    for word in ("parameters", "GFLOPs", "memory", "images/s", "to the end", f"{devices} device"):
        assert word in str(result)


def test_dry_run_leaves_the_weights_of_a_model_alone(shapes):
    model = net_with(keras.layers.Identity())
    before = model.get_weights()
    keras_resnet.dry_run(model, load_data(shapes), RECIPE)
    for value, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_a_large_penalty_is_no_divergence(shapes, tmp_path):
    model = net_with(keras.layers.Identity())
    for variable in model.trainable_variables:
        variable.assign(variable + 100.0)
    recipe = dataclasses.replace(RECIPE, epochs=0.25, weight_decay=0.1, learning_rate=1e-6)
    assert train(model, load_data(shapes), recipe, tmp_path / "run", verbose=0).images == 40


def test_memory_of_frozen_layers_and_of_recomputed_blocks_is_not_counted():
    shape, batch = (32, 32, 3), 10**9
    check_memory(keras_resnet.freeze(create_model("resnet20_cifar"), "stage3"), batch, shape)
    model = create_model("resnet20_cifar")
    with pytest.raises(MemoryError):
        check_memory(model, batch, shape)
    model.recompute_blocks = True
    check_memory(model, batch, shape)


def test_on_a_gpu_memory_is_that_of_its_allocator(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [tf.config.LogicalDevice("/GPU:0", kind)])
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda _: {"current": 10, "peak": 20})
    check_memory(create_model("resnet20_cifar"), 10**9, (32, 32, 3))  # too large; the allocator's error says so
    assert peak_memory() == 20
