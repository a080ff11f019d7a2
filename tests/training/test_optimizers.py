"""Own optimizers and own callbacks."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from keras_resnet import Recipe, ResNet20Cifar, create_model, load_data, train
from keras_resnet.run_directory import Run
from keras_resnet.training.optimizers import copy_of, recipe_optimizer
from tests.marks import exhaustive
from tests.training.nets import assert_equal_weights, linear_net

RECIPE = Recipe(epochs=1, batch_size=16, learning_rate=0.01, schedule="cosine", seed=3)


@pytest.fixture(scope="module")
def data(shapes):
    return load_data(shapes)


def compiled(optimizer):
    model = linear_net()
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def rates(workdir):
    return [row["learning_rate"] for row in Run(workdir).log()]


def test_compiled_optimizer_is_kept_and_the_argument_comes_first(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    recipe = dataclasses.replace(RECIPE, schedule="constant")
    model = compiled(keras.optimizers.AdamW(0.003))
    train(model, data, recipe, tmp_path / "run", verbose=0)
    assert isinstance(model.optimizer, keras.optimizers.AdamW)
    assert rates(tmp_path / "run") == pytest.approx([0.003])
    assert "Optimizer: AdamW instead of the recipe's SGD, learning rate 0.003, constant schedule" in caplog.text
    record = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (record["recipe"]["learning_rate"], record["optimizer"]["class_name"]) == (0.003, "AdamW")

    model = compiled(keras.optimizers.AdamW(0.003))
    train(model, data, recipe, tmp_path / "other", optimizer=keras.optimizers.Lion(0.002), verbose=0)
    assert isinstance(model.optimizer, keras.optimizers.Lion)
    assert rates(tmp_path / "other") == pytest.approx([0.002])


def test_steps_are_the_optimizers(data, tmp_path):
    """A step of Adam, by Keras alone on the same batch: all images, whose order matters to rounding only."""
    recipe = dataclasses.replace(RECIPE, batch_size=120, schedule="constant")
    ours, theirs = linear_net(), linear_net()
    train(ours, data, recipe, tmp_path / "run", optimizer="adam", verbose=0)
    theirs.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    theirs.fit(data.train.images, data.train.labels, batch_size=120, verbose=0)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_own_optimizer_replaces_a_recipes_with_its_decay_and_rate(data, tmp_path, caplog):
    """A decoupled decay of 0.05 would be a much stronger L2 penalty, and the given rate is not for 256 images."""
    caplog.set_level("INFO", "keras_resnet")
    recipe = Recipe(epochs=1, batch_size=64, optimizer="lamb", weight_decay=0.05, learning_rate_per_256=True)
    model = compiled(keras.optimizers.Lion(0.003))
    train(model, data, recipe, tmp_path / "run", verbose=0)
    assert rates(tmp_path / "run") == pytest.approx([0.003])
    assert not any(variable.regularizer for variable in model.trainable_variables)
    assert "Lion instead of the recipe's LAMB, learning rate 0.003, constant schedule, weight decay 0" in caplog.text


def test_learning_rate_for_256_images(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    recipe = Recipe(epochs=1, batch_size=64, learning_rate=0.02, learning_rate_per_256=True, optimizer="adamw")
    model = linear_net()
    train(model, data, recipe, tmp_path / "run", verbose=0)
    assert rates(tmp_path / "run") == pytest.approx([0.005])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.005)
    assert "Optimizer: the recipe's AdamW, learning rate 0.005, constant schedule, weight decay 0." in caplog.text


def test_recipes_optimizer_of_an_earlier_training_is_replaced_by_the_next_recipes(data, tmp_path):
    model = linear_net()
    train(model, data, RECIPE, tmp_path / "first", verbose=0)
    train(model, data, dataclasses.replace(RECIPE, learning_rate=0.02, momentum=0.5), tmp_path / "next", verbose=0)
    assert model.optimizer.momentum == 0.5
    assert json.loads((tmp_path / "next" / "recipe.json").read_text())["optimizer"] == {}


class Stop(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 5:
            raise KeyboardInterrupt


ACCUMULATED = dict(accumulation_steps=3, clip_norm=1.0, stage_rate_decay=0.7, weight_decay=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        exhaustive(dict(momentum_form="pytorch", **ACCUMULATED)),
        exhaustive(dict(optimizer="lamb", **ACCUMULATED)),
        exhaustive(dict(optimizer="muon", other_optimizer="adamw", **ACCUMULATED)),
        dict(jit_compile="elementwise"),
    ],
    ids=["sgd", "lamb", "muon", "compiled"],
)
def test_run_resumes_to_the_bit_between_two_updates(settings, data, tmp_path):
    """From the checkpoint after 4 steps, of which the last is not yet in the weights."""
    recipe = dataclasses.replace(RECIPE, **settings)
    keras.utils.set_random_seed(0)
    whole = create_model("resnet20_cifar", depths=(1, 1), widths=(3, 4), input_shape=(8, 8, 3), classes=4)
    resumed = keras.models.clone_model(whole)
    resumed.set_weights(whole.get_weights())
    train(whole, data, recipe, tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(resumed, data, recipe, tmp_path / "run", callbacks=[Stop()], checkpoint_every=4, verbose=0)
    train(resumed, data, recipe, tmp_path / "run", verbose=0)
    assert_equal_weights(resumed, whole)


@pytest.mark.exhaustive
def test_run_with_an_own_optimizer_resumes_to_the_bit(data, tmp_path):
    """Also with the same model, whose optimizer was left in the middle of its schedule."""
    whole, resumed = (compiled(keras.optimizers.AdamW(0.01)) for _ in range(2))
    train(whole, data, RECIPE, tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(resumed, data, RECIPE, tmp_path / "run", callbacks=[Stop()], checkpoint_every=2, verbose=0)
    train(resumed, data, RECIPE, tmp_path / "run", verbose=0)
    assert_equal_weights(resumed, whole)
    with pytest.raises(FileExistsError, match=r"optimizer\.config: saved .*, requested"):
        train(
            linear_net(), data, RECIPE, tmp_path / "run", optimizer=keras.optimizers.AdamW(0.01, beta_1=0.8), verbose=0
        )
    with pytest.raises(FileExistsError, match="another run"):
        train(linear_net(), data, RECIPE, tmp_path / "run", verbose=0)


def test_schedule_of_the_optimizer_is_left_alone(data, tmp_path):
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)
    optimizer = keras.optimizers.SGD(decay)
    with pytest.raises(ValueError, match="has its own learning rate schedule, so the recipe needs schedule='constant'"):
        train(linear_net(), data, RECIPE, tmp_path / "run", optimizer=optimizer, verbose=0)
    assert not (tmp_path / "run").exists()
    constant = dataclasses.replace(RECIPE, schedule="constant")
    train(linear_net(), data, constant, tmp_path / "run", optimizer=optimizer, verbose=0)
    assert rates(tmp_path / "run") == pytest.approx([0.1 * 0.5**8])


def test_optimizer_of_several_rates_is_refused(data, tmp_path):
    several = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1)))
    with pytest.raises(ValueError, match=r"has no single learning_rate for the recipe's schedule to change"):
        train(linear_net(), data, RECIPE, tmp_path / "run", optimizer=several, verbose=0)
    assert not (tmp_path / "run").exists()


def test_own_callbacks_are_called_and_may_stop_the_run(data, tmp_path):
    class Note(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1

        def on_epoch_end(self, epoch, logs=None):
            self.logs = dict(logs)
            self.saved = [path.name for path in self.workdir.glob("checkpoints/*.json")]
            if epoch == 1:
                self.model.stop_training = True

    note = Note()
    note.workdir = tmp_path / "run"
    recipe = dataclasses.replace(RECIPE, epochs=4)
    first = train(linear_net(), data, recipe, note.workdir, callbacks=[note], checkpoint_every=8, verbose=0)
    assert note.steps == 16
    assert note.saved == ["epoch-00001-step-0000000.json"]  # that of this epoch follows
    assert {"loss", "accuracy", "images_per_second", "data_time", "learning_rate"} <= note.logs.keys()
    assert len(Run(note.workdir).log()) == 2
    again = train(linear_net(), data, recipe, note.workdir, callbacks=[note], verbose=0)  # complete
    assert (note.steps, again) == (16, first)


@pytest.mark.exhaustive
def test_run_stopped_within_an_epoch_can_be_extended(data, tmp_path):
    class StopAt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    constant = dataclasses.replace(RECIPE, schedule="constant")
    longer = dataclasses.replace(constant, epochs=2)
    whole, extended = linear_net(), linear_net()
    train(whole, data, longer, tmp_path / "whole", verbose=0)
    train(linear_net(), data, constant, tmp_path / "run", callbacks=[StopAt()], verbose=0)
    train(extended, data, longer, tmp_path / "run", extend=True, verbose=0)
    assert_equal_weights(extended, whole)


def test_whole_numbers_are_learning_rates_and_momenta():
    optimizer = recipe_optimizer(Recipe(learning_rate=1, momentum=0), ResNet20Cifar())
    assert (float(optimizer.learning_rate), optimizer.momentum) == (1.0, 0.0)


def test_more_accumulated_steps_than_the_run_has_are_refused(data, tmp_path):
    recipe = Recipe(epochs=1, batch_size=60, accumulation_steps=3)  # 120 images
    with pytest.raises(ValueError, match="accumulation_steps=3 would update no weight, since the run has only 2 steps"):
        train(linear_net(), data, recipe, tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_weights_that_the_user_excluded_do_not_decay(data, tmp_path):
    """Without a gradient, only the decay changes a weight: 1 - 0.01 * 0.5 in each step."""
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    copy = copy_of(optimizer)
    kernel, bias = (keras.Variable(np.ones(2), name=name) for name in ("kernel", "bias"))
    copy.apply([np.zeros(2, "float32")] * 2, [kernel, bias])
    np.testing.assert_allclose(kernel, 1 - 0.01 * 0.5, rtol=1e-6)
    np.testing.assert_array_equal(bias, 1)
    train(linear_net(), data, RECIPE, tmp_path / "run", optimizer=optimizer, verbose=0)
    with pytest.raises(FileExistsError, match="excluded_from_decay"):
        train(linear_net(), data, RECIPE, tmp_path / "run", optimizer=keras.optimizers.AdamW(0.01), verbose=0)


def test_accumulated_images_count_for_the_rate_of_256():
    recipe = Recipe(batch_size=256, accumulation_steps=32, learning_rate_per_256=True)
    assert recipe.base_rate == pytest.approx(3.2)
