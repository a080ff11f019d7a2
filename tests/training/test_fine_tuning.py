"""Layers that join the training later, and batch statistics that stay as they are."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, create_model, freeze, load_data, train
from keras_resnet.data.batches import training_batches
from keras_resnet.distributed.keras_internals import normalizations
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.models.surgery import part_of
from keras_resnet.recipes import override
from keras_resnet.run_directory import Run
from tests.marks import exhaustive
from tests.training.nets import assert_equal_weights, linear_net
from tests.training.test_image_sizes import Stop

# 16 steps, 8 an epoch: stage2 joins after 4 steps, stage1 after 8, the stem after 13.
UNFREEZING = Recipe(
    epochs=2, batch_size=16, learning_rate=0.01, weight_decay=1e-3, seed=3, unfreeze_milestones=(0.25, 0.5, 0.8)
)
JOINS = {None: 0, "stage2": 4, "stage1": 8, "stem": 13}  # None: the classifier
FROZEN = Recipe(epochs=1, batch_size=16, learning_rate=0.01, seed=3, frozen_statistics=True)


@pytest.fixture(scope="module")
def data(shapes):
    data = load_data(shapes)
    assert len(data.train) == 120
    return data


def strategy_of(devices):
    if devices == 1:
        return tf.distribute.get_strategy()
    return mirrored()


def small_net(**options):
    keras.utils.set_random_seed(0)
    return create_model(
        "resnet20_cifar", depths=(1, 1), widths=(4, 8), input_shape=(8, 8, 3), classes=4, name="small", **options
    )


class Changes(keras.callbacks.Callback):
    """For each step, the parts in which any weight has changed, and those in which all layers' have."""

    def on_train_begin(self, logs=None):
        self.before, self.changed = self.weights(), []

    def weights(self):
        return {layer: layer.get_weights() for layer in self.model.layers if layer.weights}

    def on_train_batch_end(self, batch, logs=None):
        now, changed = self.weights(), {}
        for layer, weights in now.items():
            same = all(map(np.array_equal, weights, self.before[layer]))
            changed.setdefault(part_of(layer), set()).add(not same)
        self.before = now
        self.changed.append(changed)


@pytest.mark.parametrize(
    ("optimizer", "devices"),
    [
        (None, 1),
        exhaustive(None, 2),
        exhaustive(keras.optimizers.AdamW(0.01), 1),
        exhaustive(keras.optimizers.Lamb(0.01), 2),
    ],
    ids=["sgd", "sgd_two_devices", "adamw", "lamb_two_devices"],
)
def test_parts_join_at_their_milestones_and_frozen_ones_keep_all_weights(optimizer, devices, data, tmp_path):
    """Also the moving statistics of their batch normalizations, and the weights that would decay."""
    with strategy_of(devices).scope():
        model = small_net()
    changes = Changes()
    train(model, data, UNFREEZING, tmp_path / "run", optimizer=optimizer, callbacks=[changes], verbose=0)
    assert_joined_at_milestones(changes)


@pytest.mark.exhaustive
@pytest.mark.parametrize("optimizer", ["adamw", "lamb", "muon"])
def test_parts_join_with_the_optimizers_and_the_rates_by_stage_of_a_recipe(optimizer, data, tmp_path):
    recipe = override(UNFREEZING, optimizer=optimizer, stage_rate_decay=0.5, decayed_weights="kernels")
    changes = Changes()
    train(small_net(), data, recipe, tmp_path / "run", callbacks=[changes], verbose=0)
    assert_joined_at_milestones(changes)


def assert_joined_at_milestones(changes):
    assert len(changes.changed) == 16
    for step, changed in enumerate(changes.changed):
        assert changed == {part: {step >= join} for part, join in JOINS.items()}
    assert all(layer.trainable for layer in changes.model.layers)


@pytest.mark.exhaustive
def test_updates_of_accumulated_gradients_reach_only_what_trains(data, tmp_path):
    optimizer, changes = keras.optimizers.SGD(0.01, gradient_accumulation_steps=2), Changes()
    train(small_net(), data, UNFREEZING, tmp_path / "run", optimizer=optimizer, callbacks=[changes], verbose=0)
    for step, changed in enumerate(changes.changed):
        kernels = {part for part, join in JOINS.items() if step >= join and step % 2}
        assert {part for part, values in changed.items() if values == {True}} == kernels


def test_classifier_alone_is_a_softmax_regression_on_fixed_features(data, tmp_path):
    """W <- W - rate x^T (p - y) / n, by NumPy."""
    recipe = dataclasses.replace(
        UNFREEZING, epochs=1, momentum=0.0, learning_rate=0.1, weight_decay=0, unfreeze_milestones=(0.99,)
    )
    model = small_net()
    pooled = keras.Model(model.input, model.get_layer("avg_pool").output)
    start = small_net().get_weights()
    weights, bias = (value.astype("float64") for value in model.get_layer("logits").get_weights())
    for images, labels in training_batches(data.train, recipe).take(8).as_numpy_iterator():
        features = np.asarray(pooled(images, training=False), "float64")
        scores = np.exp(features @ weights + bias)
        error = scores / scores.sum(1, keepdims=True) - np.eye(4)[labels]
        weights -= 0.1 * features.T @ error / len(labels)
        bias -= 0.1 * error.mean(0)
    train(model, data, recipe, tmp_path / "run", strategy=tf.distribute.get_strategy(), verbose=0)
    *body, trained_weights, trained_bias = model.get_weights()
    np.testing.assert_allclose(trained_weights, weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trained_bias, bias, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(body, start, strict=False):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("stop", "devices"), [(3, 1), (6, 2), (14, 1)])
@pytest.mark.exhaustive
def test_run_resumes_to_the_bit_in_each_phase(stop, devices, data, tmp_path):
    """With frozen statistics in it too; a run that was interrupted leaves the layers as they were."""
    recipe = dataclasses.replace(UNFREEZING, frozen_statistics=True)
    models = []
    for _ in range(3):
        with strategy_of(devices).scope():
            models.append(small_net())
    whole, stopped, resumed = models
    train(whole, data, recipe, tmp_path / "whole", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, data, recipe, tmp_path / "parts", callbacks=[Stop(stop)], checkpoint_every=2, verbose=0)
    assert all(layer.trainable and not getattr(layer, "frozen_statistics", False) for layer in stopped.layers)
    train(resumed, data, recipe, tmp_path / "parts", verbose=0)
    assert_equal_weights(whole, resumed)
    for name in ("loss", "accuracy"):
        rows = [[row[name] for row in Run(tmp_path / run).log()] for run in ("whole", "parts")]
        assert rows[0] == rows[1]


def test_layers_that_the_user_froze_stay_frozen_and_saved_models_have_only_these(data, tmp_path):
    model = freeze(small_net(), through="stage1")
    changes = Changes()
    recipe = dataclasses.replace(UNFREEZING, unfreeze_milestones=(0.75,))  # best.keras of the first epoch is before
    train(model, data, recipe, tmp_path / "run", callbacks=[changes], verbose=0)
    assert {part for changed in changes.changed for part, values in changed.items() if True in values} == {
        "stage2",
        None,
    }
    for saved in (model, *(keras.saving.load_model(tmp_path / "run" / f"{name}.keras") for name in ("best", "final"))):
        frozen = {part_of(layer) for layer in saved.layers if not layer.trainable}
        assert frozen == {"stem", "stage1"}


@pytest.mark.exhaustive
def test_one_milestone_trains_the_classifier_and_then_all(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    changes = Changes()
    recipe = dataclasses.replace(UNFREEZING, unfreeze_milestones=(0.5,))
    train(small_net(), data, recipe, tmp_path / "run", callbacks=[changes], verbose=0)
    for step, changed in enumerate(changes.changed):
        assert {part for part, values in changed.items() if True in values} == ({None} if step < 8 else {*JOINS})
    assert "From step 0 on, only the classifier trains." in caplog.text
    assert "From step 8 on, all layers train." in caplog.text


def test_model_trains_completely_after_the_run(data, tmp_path):
    """Keras's own fit makes its step anew, without the phase that the run ended in."""
    model = small_net()
    with pytest.raises(KeyboardInterrupt):
        train(model, data, UNFREEZING, tmp_path / "run", callbacks=[Stop(2)], verbose=0)
    before = model.get_layer("stem_conv").get_weights()
    model.fit(data.train.images, data.train.labels, verbose=0)
    assert not np.array_equal(model.get_layer("stem_conv").get_weights(), before)


def statistics(model):
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return [np.asarray(value) for layer in layers for value in layer.non_trainable_variables]


@pytest.mark.parametrize(
    ("norm", "devices"), [("batch_norm", 1), exhaustive("batch_norm", 2), exhaustive("sync_batch_norm", 2)]
)
def test_frozen_statistics_stay_to_the_bit_while_gamma_and_beta_train(norm, devices, data, tmp_path):
    with strategy_of(devices).scope():
        model = small_net(norm=norm)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([*layer.get_weights()[:2], *random.uniform(0.5, 1.5, (2, layer.gamma.shape[0]))])
    before, gammas = statistics(model), model.get_layer("stem_bn").get_weights()[:2]
    train(model, data, FROZEN, tmp_path / "run", verbose=0)
    for ours, theirs in zip(statistics(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(model.get_layer("stem_bn").get_weights(), gammas, strict=False):
        assert (ours != theirs).all()
    model.fit(data.train.images, data.train.labels, verbose=0)  # after the run, statistics move again
    assert not any(map(np.array_equal, statistics(model), before))


@pytest.mark.exhaustive
@pytest.mark.parametrize("recipe", [FROZEN, dataclasses.replace(UNFREEZING, frozen_statistics=True)])
def test_two_devices_end_with_the_weights_of_one(recipe, data, tmp_path):
    """Up to rounding, which stays small without batch statistics; with batches of which the last has 8 images."""
    weights = []
    for devices in (1, 2):
        with strategy_of(devices).scope():
            model = small_net()
        train(model, data, recipe, tmp_path / str(devices), verbose=0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "recipe", "message"),
    [
        (linear_net, FROZEN, "frozen_statistics has no effect, because linear has no BatchNormalization"),
        (linear_net, UNFREEZING, "unfreeze_milestones needs a model of this package.* linear is another one"),
        (
            small_net,
            dataclasses.replace(UNFREEZING, unfreeze_milestones=(0.1, 0.2, 0.3, 0.4)),
            "unfreeze_milestones has 4 fractions, but small has only 3 parts to unfreeze: stem, stage1, stage2",
        ),
        (
            lambda: keras.Sequential([small_net(), keras.layers.BatchNormalization(name="own")], name="both"),
            FROZEN,
            "needs keras_resnet.layers.BatchNormalization, but own of both is keras.layers.BatchNormalization",
        ),
    ],
    ids=["no_normalization", "no_parts", "too_many", "stock"],
)
def test_models_without_such_layers_are_refused_before_any_work(model, recipe, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        train(model(), data, recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_statistics_that_the_user_froze_stay_frozen(data, tmp_path):
    model = small_net()
    layers = normalizations(model)
    for layer in layers:
        layer.frozen_statistics = True
    before = [np.asarray(layer.moving_mean) for layer in layers]
    train(model, data, UNFREEZING, tmp_path / "run", verbose=0)
    assert all(layer.frozen_statistics for layer in layers)
    for layer, mean in zip(layers, before, strict=True):
        np.testing.assert_array_equal(layer.moving_mean, mean)
