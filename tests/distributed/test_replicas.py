"""keras_resnet.Model on two devices and on one: the same batches give the same weights."""

import ast
import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, create_model
from keras_resnet.distributed import keras_internals
from keras_resnet.distributed.keras_internals import HOOKS
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.training.optimizers import recipe_optimizer
from tests.marks import exhaustive, few

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (56, 8, 8, 3)).astype("float32")
LABELS = RANDOM.integers(0, 4, 56)
WEIGHTS = RANDOM.uniform(0.2, 2, 56).astype("float32")


def net(optimizer, layer=None, reduction="sum_over_batch_size", **compiling):
    """A small net. By default without batch normalization, whose moments differ between devices."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(4, 3, strides=2, kernel_regularizer=keras.regularizers.L2(1e-2))(x)
    x = layer()(x) if layer else x
    x = keras.layers.Flatten()(keras.layers.ReLU()(x))
    outputs = keras.layers.Dense(4, dtype="float32")(x)
    model = keras_resnet.Model(inputs, outputs)
    model.compile(
        optimizer(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction),
        metrics=["accuracy"],
        weighted_metrics=["accuracy"],
        **compiling,
    )
    return model


def sgd(rate=0.1, **options):
    return lambda: keras.optimizers.SGD(rate, momentum=0.9, **options)


def batches(sizes, weighted=False):
    """Batches of these sizes, repeated endlessly."""
    ends = np.cumsum(sizes)

    def examples():
        for start, end in zip(ends - sizes, ends, strict=True):
            batch = slice(start, end)
            # Copies: TensorFlow uses the arrays' memory and may overwrite it.
            yield tuple(array[batch].copy() for array in (IMAGES, LABELS, WEIGHTS)[: 3 if weighted else 2])

    specs = [tf.TensorSpec((None, 8, 8, 3)), tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None,))]
    return tf.data.Dataset.from_generator(examples, output_signature=tuple(specs[: 3 if weighted else 2])).repeat()


def both(optimizer, sizes=(8,) * 7, weighted=False, class_weight=None, strategy=None, jit_compile=False, **building):
    """(model, history) after two epochs on one device and on two; XLA compiles only the steps on two."""
    results = []
    for place, compiled in ((tf.distribute.get_strategy(), False), (strategy or mirrored(), jit_compile)):
        with place.scope():
            model = net(optimizer, jit_compile=compiled, **building)
        history = model.fit(
            batches(sizes, weighted),
            epochs=2,
            steps_per_epoch=len(sizes),
            class_weight=class_weight,
            shuffle=False,
            verbose=0,
        )
        results.append((model, history.history))
    return results


def assert_equal(one, two):
    for ours, theirs in zip(one[0].get_weights(), two[0].get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        assert np.isfinite(ours).all()
    for name in one[1]:
        np.testing.assert_allclose(one[1][name], two[1][name], rtol=1e-4, err_msg=name)


def assert_same_scores(one, two):
    """`evaluate` and `predict` agree, on batches of 8 and a last one of 1."""
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES[:25], LABELS[:25])).batch(8)
    scores, predictions = zip(
        *((model.evaluate(dataset, verbose=0), model.predict(dataset, verbose=0)) for model, _ in (one, two)),
        strict=True,
    )
    np.testing.assert_allclose(*scores, rtol=1e-4)
    np.testing.assert_allclose(*predictions, rtol=1e-3, atol=1e-4)
    assert len(predictions[1]) == 25


def scaled(**options):
    """Loss scaling as in mixed_float16; the scale grows during the run."""
    return lambda: keras.optimizers.LossScaleOptimizer(sgd(**options)(), dynamic_growth_steps=3)


OPTIMIZERS = {
    "sgd": sgd(),
    "clipnorm": sgd(clipnorm=0.1),
    "global_clipnorm": sgd(global_clipnorm=0.1),
    "clipvalue": sgd(clipvalue=0.01),
    "accumulation": sgd(gradient_accumulation_steps=3, clipnorm=0.1),
    "accumulation_ema": sgd(gradient_accumulation_steps=3, use_ema=True, ema_momentum=0.8),
    "ema": sgd(use_ema=True, ema_momentum=0.8),
    "ema_overwrite": sgd(use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3),
    "adamw": lambda: keras.optimizers.AdamW(
        0.01, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=4
    ),
    "loss_scale": scaled(),
    "all": scaled(gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=2),
}


@pytest.mark.parametrize(
    "name", few(OPTIMIZERS, "sgd", "accumulation", "accumulation_ema", "ema_overwrite", "loss_scale", "all")
)
def test_two_devices_end_with_the_weights_of_one(name):
    assert_equal(*both(OPTIMIZERS[name]))


def of_recipe(**settings):
    """The recipe's optimizer, which needs the model only for the names of its stages."""
    return lambda: recipe_optimizer(Recipe(learning_rate=0.01, clip_norm=0.1, **settings), None)


RECIPES_OPTIMIZERS = {
    "pytorch": of_recipe(momentum_form="pytorch", accumulation_steps=3),
    "adamw": of_recipe(optimizer="adamw", weight_decay=0.1, decayed_weights="kernels"),
    "lamb": of_recipe(optimizer="lamb", weight_decay=0.1, accumulation_steps=2),
    "muon": of_recipe(optimizer="muon", weight_decay=0.1, nesterov=True),
    "muon_adamw": of_recipe(optimizer="muon", weight_decay=0.1, other_optimizer="adamw", accumulation_steps=2),
}


@pytest.mark.parametrize("name", few(RECIPES_OPTIMIZERS, "muon_adamw"))
def test_recipes_optimizers(name):
    """Clipped, and some accumulated, with uneven batches."""
    assert_equal(*both(RECIPES_OPTIMIZERS[name], sizes=(8, 8, 5, 8, 8, 3, 8)))


WAYS = {
    "executions": dict(steps_per_execution=3),
    "class_weight": dict(class_weight={0: 0.1, 1: 2.0, 2: 1.0, 3: 0.5}),
    "eager": dict(run_eagerly=True, sizes=(5, 1)),
    "synchronized": dict(layer=lambda: keras.layers.BatchNormalization(synchronized=True), sizes=(8, 5, 1)),
    "sum": dict(reduction="sum", sizes=(8, 5)),
    "mean_with_sample_weight": dict(reduction="mean_with_sample_weight", sizes=(8, 5), weighted=True),
    "mean_without_sample_weight": dict(reduction="mean_with_sample_weight", sizes=(8, 5)),
}


@pytest.mark.parametrize("name", WAYS)
def test_ways_of_training(name):
    assert_equal(*both(sgd(0.01), **WAYS[name]))


def test_losses_of_several_reductions_are_refused():
    with mirrored().scope():
        images = keras.Input((8, 8, 3))
        model = keras_resnet.Model(images, [keras.layers.Dense(4)(keras.layers.Flatten()(images)) for _ in range(2)])
        model.compile(
            "sgd", [keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=r) for r in ("sum", "mean")]
        )
    doubled = batches((8,)).map(lambda images, labels: (images, (labels, labels)))
    with pytest.raises(
        ValueError, match=r"reductions \['mean', 'sum'\] cannot be split over 2 replicas; use sum_over_"
    ):
        model.fit(doubled, steps_per_epoch=1, shuffle=False, verbose=0)


def on_one_and_two(data, make=net, **fitting):
    """(model, history) after `fit` on one device and on two, of batches that a function gives."""
    results = []
    for place in (tf.distribute.get_strategy(), mirrored()):
        with place.scope():
            model = make(sgd(0.01), steps_per_execution=2)
        results.append((model, model.fit(data(), shuffle=False, verbose=0, **fitting).history))
    return results


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_an_epoch_ends_with_data_of_unknown_length():
    """Three batches, two at a time: the last but one call gets one, and the last none."""
    unknown = batches((8, 5, 8)).take(3).filter(lambda *_: True)
    assert unknown.cardinality() == tf.data.UNKNOWN_CARDINALITY
    assert_equal(*on_one_and_two(lambda: unknown))


def test_what_a_step_returns_is_averaged_over_replicas():
    class Brightness(keras_resnet.Model):
        def train_step(self, data):
            return {"brightness": tf.reduce_mean(data[0])}

    def brightness(optimizer, **compiling):
        model = Brightness(inputs := keras.Input((8, 8, 3)), keras.layers.Flatten()(inputs))
        model.compile(optimizer(), **compiling)
        return model

    for _, history in on_one_and_two(lambda: batches((8,)), brightness, steps_per_epoch=1):
        assert history == {"brightness": [pytest.approx(IMAGES[:8].mean(), rel=1e-5)]}


def big_transfer_net():
    """A BiT net: group normalization and standardized weights."""
    keras.utils.set_random_seed(0)
    model = create_model(
        "resnetv2_50x1_bit",
        depths=(1, 1),
        widths=(32, 32),
        stem="cifar",
        stem_width=32,
        input_shape=(8, 8, 3),
        classes=4,
        classifier_activation=None,
    )
    model.compile(sgd(0.01)(), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


@pytest.mark.exhaustive
def test_group_normalization_needs_no_synchronization():
    results = []
    for place in (tf.distribute.get_strategy(), mirrored()):
        with place.scope():
            model = big_transfer_net()
        history = model.fit(batches((8,) * 5), epochs=1, steps_per_epoch=5, shuffle=False, verbose=0)
        results.append((model, history.history))
    assert_equal(*results)


def test_reduction_that_tensorflow_chooses():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])  # the only one in these tests: see `mirrored`
    assert_equal(*both(sgd(), strategy=strategy, steps_per_execution=2))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_moving_statistics_are_those_of_all_devices(jit_compile):
    """Each device normalizes by its own moments; moving statistics are their mean, weighted by shard, on both."""
    with mirrored().scope():
        layer = functools.partial(keras_resnet.layers.BatchNormalization, momentum=0.0)
        model = net(sgd(0.0), layer=layer, jit_compile=jit_compile)
    model.fit(batches((6, 5)), steps_per_epoch=2, shuffle=False, verbose=0)
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(model.input, layer.input)
    last = IMAGES[6:11]
    shards = [np.asarray(before(shard)).reshape(-1, 4).astype("float64") for shard in (last[:3], last[3:])]
    for values, name in ((layer.moving_mean, "mean"), (layer.moving_variance, "var")):
        options = dict(ddof=1) if name == "var" else {}
        expected = sum(
            fraction * getattr(np, name)(shard, axis=0, **options)
            for fraction, shard in zip((3 / 5, 2 / 5), shards, strict=True)
        )
        for replica in values.value.values:
            np.testing.assert_allclose(replica.numpy(), expected, rtol=1e-4, atol=1e-6)


SIZES = [(8, 8, 5), (3, 8), (8, 1, 8), (1, 1)]


@pytest.mark.parametrize("sizes", few(SIZES, (8, 1, 8)), ids=str)
def test_uneven_and_empty_shards(sizes):
    assert_equal(*both(sgd(), sizes))


@pytest.mark.parametrize("sizes", few([(8, 8, 8), (8, 5)], (8, 5)), ids=str)
def test_sample_weights(sizes):
    assert_equal(*both(sgd(), sizes, weighted=True))


@pytest.mark.parametrize("jit_compile", few([False, True], False))
def test_empty_shard_keeps_statistics_finite(jit_compile):
    with mirrored().scope():
        model = create_model("resnet20_cifar", depths=(1, 1), widths=(4, 8), input_shape=(8, 8, 3), classes=4)
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=jit_compile)
        model.fit(batches((8, 1)), steps_per_epoch=2, shuffle=False, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


class PlantedInfinity(keras.layers.Layer):
    """Makes the loss infinite for images whose top left red value is 255."""

    def call(self, scores, images):
        return scores + tf.where(images[:, 0, 0, 0] == 255, np.inf, 0.0)[:, None]


@pytest.mark.parametrize(("place", "jit_compile"), [(0, False), (6, False), exhaustive(0, True), exhaustive(6, True)])
def test_overflow_on_any_replica_is_skipped_everywhere(place, jit_compile):
    images = np.minimum(IMAGES[:8], 200)
    images[place, 0, 0, 0] = 255
    with mirrored().scope():
        inputs = keras.Input((8, 8, 3))
        scores = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
        model = keras_resnet.Model(inputs, PlantedInfinity()(scores, inputs))
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3), initial_scale=1024.0)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, jit_compile=jit_compile)
        before = model.get_weights()
        dataset = tf.data.Dataset.from_tensors((images, LABELS[:8]))
        model.fit(dataset, shuffle=False, verbose=0)
        for weight, old in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, old)
        assert float(optimizer.dynamic_scale.numpy()) == 512
        images[place, 0, 0, 0] = 0
        model.fit(tf.data.Dataset.from_tensors((images, LABELS[:8])), shuffle=False, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])


def test_one_device_is_plain_keras():
    """Bit by bit, compared with a plain keras.Model."""
    ours = net(sgd())
    theirs = keras.Model(ours.inputs, ours.outputs)
    start = ours.get_weights()
    histories = []
    for model in (ours, theirs):
        model.compile(sgd()(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.set_weights(start)
        model.fit(batches((8,) * 7), steps_per_epoch=7, shuffle=False, verbose=0)
        histories.append(model.get_weights())
    for one, other in zip(*histories, strict=True):
        np.testing.assert_array_equal(one, other)


def test_evaluate_and_predict_on_two_devices():
    assert_same_scores(*both(sgd(), (8, 5)))


ASSIGNED = {"_all_reduce_sum_gradients"}  # by name


@pytest.fixture(scope="module")
def hooked():
    """An object of each class of `HOOKS`, compiled or built."""
    model = net(sgd(gradient_accumulation_steps=2))
    model.optimizer.build(model.trainable_variables)
    return [model, model.optimizer, keras.layers.BatchNormalization()]


@pytest.mark.parametrize(
    ("owner", "hook"), [(owner, hook) for owner, hooks in HOOKS.items() for hook in hooks], ids=lambda value: str(value)
)
def test_keras_still_has_the_hooks(owner, hook, hooked):
    """If this fails, keras_resnet/distributed/keras_internals.py must be adapted to this version of Keras."""
    expected = HOOKS[owner][hook]
    if isinstance(expected, list):
        assert list(inspect.signature(getattr(owner, hook)).parameters) == expected
    else:
        (example,) = [each for each in hooked if isinstance(each, owner)]
        assert isinstance(getattr(example, hook), expected)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_keras_still_keeps_the_logits(activation):
    logits = tf.constant(RANDOM.normal(size=(3, 4)))
    outputs = keras.activations.get(activation)(logits)
    np.testing.assert_array_equal(keras_internals.kept_logits(outputs), logits)
    np.testing.assert_array_equal(keras_internals.kept_logits(keras_internals.first_samples(outputs, 2)), logits[:2])
    assert keras_internals.kept_logits(logits) is None


def test_every_private_part_in_use_is_a_hook():
    """All attributes and methods with an underscore are Keras's but one."""
    nodes = list(ast.walk(ast.parse(inspect.getsource(keras_internals))))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    model = next(node for node in nodes if isinstance(node, ast.ClassDef))
    overridden = {node.name for node in model.body if isinstance(node, ast.FunctionDef)}
    private = {name for name in used | overridden if name.startswith("_")}
    assert private - {"_global_logs"} == {hook for hooks in HOOKS.values() for hook in hooks} - ASSIGNED
