"""Gradients of blocks and weights against finite differences in float64, for every kind of block and shortcut."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet.analysis.blocks import find_blocks
from keras_resnet.analysis.gradients import GradientProbe, gradient_flow, sum_rule
from keras_resnet.analysis.graph import flattened, values_of
from keras_resnet.analysis.normalization import without_normalization
from keras_resnet.analysis.stateless import cross_entropy
from tests.analysis.nets import KINDS, batch, differences, losses, own_classifier
from tests.marks import few


def of_batches(model, count):
    """A model as a function of several batches, (K, count, ...), of which it makes one."""

    def call(values):
        outputs = model(values.reshape(-1, *values.shape[2:]), training=False)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        outputs = [np.asarray(output).reshape(-1, count, *output.shape[1:]) for output in outputs]
        return outputs if len(outputs) > 1 else outputs[0]

    return call


class ByDifferences:
    """The gradients of a network's blocks by finite differences of the parts of its graph, in inference mode."""

    def __init__(self, model, images, labels):
        self.model = flattened(model)
        self.blocks, self.labels = find_blocks(self.model), labels
        tensors = [tensor for block in self.blocks for tensor in (block.entry, block.branch, block.sum)]
        values = [value.numpy() for value in values_of(self.model, tensors)(images)]
        self.entries, self.branches, self.sums = (values[part::3] for part in range(3))

    def part(self, start, end):
        if start is end:
            return lambda values: values
        return of_batches(keras.Model(start, end), len(self.labels))

    def loss(self, start):
        to_logits = self.part(start, self.model.outputs[0])
        return lambda values: losses(to_logits(values), self.labels)

    def mean_loss_gradient(self, start, value):
        return differences(self.loss(start), value) / len(self.labels)

    def through(self, place, end):
        """The gradient after a block, through one of its two ways."""
        block = self.blocks[place]
        after = self.mean_loss_gradient(block.sum, self.sums[place])
        way = self.part(block.entry, end)
        return differences(lambda values: way(values) * after, self.entries[place])

    def path(self, place):
        """The gradient of the loss at a block's x while all branches stay as they are."""
        ways = [
            (
                self.part(block.entry, block.shortcut),
                self.part(block.sum, following.entry if following else self.model.outputs[0]),
            )
            for block, following in zip(self.blocks[place:], [*self.blocks[place + 1 :], None], strict=True)
        ]

        def loss(x):
            for (shortcut, onward), branch in zip(ways, self.branches[place:], strict=True):
                x = onward(shortcut(x) + branch)
            return losses(x, self.labels)

        return differences(loss, self.entries[place]) / len(self.labels)


def assert_equal(measured, expected):
    np.testing.assert_allclose(measured, expected, rtol=0, atol=1e-7 * np.abs(expected).max() + 1e-12)


@pytest.mark.parametrize("kind", few(KINDS, "SE", "v2"))
def test_gradient_and_its_parts_are_finite_differences(kind, float64):
    model, (images, labels) = own_classifier(**{**KINDS[kind], "activation": "silu"}), batch()  # silu: no kinks
    expected = ByDifferences(model, images, labels)
    rules = sum_rule(model, images, labels, training=False)
    assert [rule.block for rule in rules] == [block.name for block in expected.blocks]
    for place, (rule, block) in enumerate(zip(rules, expected.blocks, strict=True)):
        assert_equal(rule.gradient, expected.mean_loss_gradient(block.entry, expected.entries[place]))
        assert_equal(rule.branch, expected.through(place, block.branch))
        if block.shortcut is None:
            assert not rule.shortcut.any()
            assert not rule.path.any()
        else:
            assert_equal(rule.shortcut, expected.through(place, block.shortcut))
            assert_equal(rule.path, expected.path(place))


@pytest.mark.parametrize("kind", few(KINDS, "A", "v2"))
def test_parts_sum_to_the_gradient_and_the_model_stays_as_it_is(kind, float64):
    model = own_classifier(**KINDS[kind])
    before, flags = [np.array(variable) for variable in model.variables], [layer.trainable for layer in model.layers]
    flow = gradient_flow(model, *batch(5))
    assert max(block.remainder for block in flow.blocks) < 1e-14
    assert (flow.blocks[0].shortcut_norm > 0) == ("plain" not in kind)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert [layer.trainable for layer in model.layers] == flags


def test_norms_and_shares_are_those_of_the_gradients(float64):
    probe, (images, labels) = GradientProbe(own_classifier(**KINDS["D"])), batch(5)
    for block, rule in zip(probe(images, labels).blocks, probe.split(images, labels), strict=True):
        np.testing.assert_allclose(rule.shortcut + rule.branch, rule.gradient, atol=1e-14 * abs(rule.gradient).max())
        squared = (rule.gradient**2).sum()
        expected = {
            "entry_norm": np.sqrt(squared),
            "shortcut_norm": np.linalg.norm(rule.shortcut),
            "branch_norm": np.linalg.norm(rule.branch),
            "shortcut_share": (rule.shortcut * rule.gradient).sum() / squared,
            "path_share": (rule.path * rule.gradient).sum() / squared,
        }
        measured = {name: getattr(block, name) for name in expected}
        assert measured == pytest.approx(expected, rel=1e-12, abs=1e-14)
        assert block.shortcut_share + (rule.branch * rule.gradient).sum() / squared == pytest.approx(1, abs=1e-13)


def test_last_blocks_shortcut_is_the_whole_path(float64):
    model, (images, labels) = own_classifier(**KINDS["v2"]), batch()
    *_, last = sum_rule(model, images, labels)
    np.testing.assert_allclose(last.path, last.shortcut, rtol=1e-12, atol=1e-15)


def test_gradients_in_training_mode_are_finite_differences(float64):
    """The statistics of the batch depend on all images."""
    model, (images, labels) = own_classifier(**KINDS["A"], activation="silu"), batch(3)
    flat = flattened(model)
    block = find_blocks(flat)[-1]
    probe = GradientProbe(model)
    flow, *_, rule = probe(images, labels), *probe.split(images, labels)
    [entry] = values_of(flat, [block.entry])(images, training=True)
    sub = keras.Model(block.entry, flat.outputs[0])
    onward = tf.function(lambda x: sub(x, training=True))
    expected = differences(
        lambda values: np.array([losses(onward(value), labels).mean() for value in values]), entry.numpy()
    )
    assert_equal(rule.gradient, expected)
    whole = tf.function(lambda x: flat(x, training=True))
    assert flow.loss == pytest.approx(losses(whole(images), labels).mean(), rel=1e-12)
    norms = {weight.weight: weight for weight in flow.weights}
    assert len(norms) == len(model.trainable_weights)
    for variable in model.trainable_weights:
        if np.prod(variable.shape) > 30:
            continue
        value = np.array(variable)

        def loss_at(values, variable=variable):
            results = []
            for changed in values:
                variable.assign(changed)
                results.append(losses(whole(images), labels).mean())
            return np.array(results)

        gradient = differences(loss_at, value)
        variable.assign(value)
        measured = norms[variable.path]
        assert measured.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-6, abs=1e-9)
        assert measured.weight_norm == pytest.approx(np.linalg.norm(value), rel=1e-12)


def test_gradient_at_a_blocks_output_is_that_at_the_next_blocks_entry(float64):
    flow = gradient_flow(own_classifier(**KINDS["B"]), *batch())
    for before, after in zip(flow.blocks, flow.blocks[1:], strict=False):
        assert before.output_norm == pytest.approx(after.entry_norm, rel=1e-14)


def test_zero_initialized_branches_leave_all_to_the_shortcuts():
    keras.utils.set_random_seed(0)
    model = keras_resnet.ResNet20Cifar(zero_init_residual=True)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3))
    for block in gradient_flow(model, images, np.arange(4)).blocks:
        assert block.branch_norm == 0
        assert block.shortcut_share == pytest.approx(1, abs=1e-12)
        assert block.path_share == pytest.approx(1, abs=1e-12)


def test_dropped_branches_are_split_too(float64):
    """Dropout draws the same in each measurement, and its state stays as it is."""
    model, (images, labels) = own_classifier(**KINDS["B"], drop_path=0.5, block_dropout=0.3), batch(8)
    before, probe = [np.array(variable) for variable in model.variables], GradientProbe(model)
    one, other = probe(images, labels), probe(images, labels)
    assert one == other
    assert max(block.remainder for block in one.blocks) < 1e-14
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("name", ["ResNet50", "ResNet50V2"])
@pytest.mark.exhaustive
def test_networks_of_keras_applications(name, float64):
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), classes=3)
    images = np.random.default_rng(0).normal(size=(4, 32, 32, 3))
    flow = gradient_flow(model, images, np.arange(4) % 3)
    assert len(flow.blocks) == 16
    assert max(block.remainder for block in flow.blocks) < 1e-12
    assert all(block.path_share != 0 for block in flow.blocks)


def test_frozen_network_still_has_gradients_at_its_blocks(float64):
    model, (images, labels) = own_classifier(**KINDS["B"]), batch()
    expected = sum_rule(model, images, labels, training=False)
    model.layers[0].trainable = False
    probe = GradientProbe(model)
    for rule, other in zip(probe.split(images, labels, training=False), expected, strict=True):
        np.testing.assert_array_equal(rule.gradient, other.gradient)
    assert [weight.weight for weight in probe(images, labels).weights] == [
        variable.path for variable in model.layers[-1].trainable_weights
    ]


HEADS = {
    "logits": lambda: [keras.layers.Dense(3)],
    "softmax in the last layer": lambda: [keras.layers.Dense(3, activation="softmax")],
    "activation": lambda: [keras.layers.Dense(3), keras.layers.Activation("softmax")],
    "softmax layer": lambda: [keras.layers.Dense(3), keras.layers.Softmax()],
}


@pytest.mark.parametrize("head", HEADS)
def test_loss_does_not_saturate(head):
    model = keras.Sequential([keras.Input((2,)), *HEADS[head]()])
    next(layer for layer in model.layers if layer.weights).set_weights([np.eye(2, 3) * 1000, np.zeros(3)])
    inputs, labels = np.array([[1.0, 0.0], [0.0, 1.0]], "float32"), np.array([1, 1])

    def loss(inputs):
        return cross_entropy(model, model(inputs), labels)

    np.testing.assert_array_equal(loss(inputs), [1000, 0])
    np.testing.assert_array_equal(tf.function(loss)(inputs), [1000, 0])


def test_loss_of_sigmoids_is_binary_cross_entropy():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Activation("sigmoid")])
    logits = np.array([[200.0, -3.0]], "float32")
    expected = (np.log1p(np.exp(-200.0)) + np.log1p(np.exp(-3.0))) / 2
    np.testing.assert_allclose(cross_entropy(model, model(logits), [0]), [expected], rtol=1e-6)


def test_network_without_normalization(float64):
    model, (images, _) = own_classifier(**KINDS["B"]), batch()
    bare = without_normalization(model)
    for layer in flattened(model).layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # make each the identity
            size = layer.gamma.shape
            layer.set_weights([np.ones(size), np.zeros(size), np.zeros(size), np.full(size, 1 - layer.epsilon)])
    np.testing.assert_allclose(bare(images), model(images), rtol=1e-12)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in bare.layers)
    with pytest.raises(ValueError, match="has no normalization to leave out"):
        without_normalization(bare)


def test_unsuitable_models_are_refused():
    with pytest.raises(ValueError, match="has no classifier"):
        GradientProbe(keras_resnet.ResNet20Cifar(include_top=False))
    with pytest.raises(ValueError, match="net has no blocks"):
        GradientProbe(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="net"))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = own_classifier(block="basic")
    finally:
        keras.config.set_dtype_policy("float32")
    with pytest.raises(ValueError, match="computes in float16, in which small gradients become zero"):
        GradientProbe(half)
