"""The graph of a model: calls in order, nested models, and values of intermediate tensors."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.graph import calls, flattened, values_of


def own_head(base):
    """A user's model around a network of this package."""
    return keras.Sequential([base, keras.layers.Dropout(0.5), keras.layers.Dense(3, name="own")])


def test_calls_come_after_those_they_depend_on():
    model = keras_resnet.create_model("resnet50", input_shape=(32, 32, 3), classes=3)
    known = {id(tensor) for tensor in model.inputs}
    for call in calls(model):
        assert known.issuperset(map(id, call.inputs))
        known.update(map(id, call.outputs))
    assert known.issuperset(map(id, model.outputs))
    assert len(calls(model)) == len(model.layers) - 1  # but the input layer


def test_flattened_model_has_the_same_layers_and_outputs():
    base = keras_resnet.ResNet20Cifar(include_top=False, pooling="avg")
    model = own_head(base)
    flat = flattened(model)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    assert flat.get_layer("own") is model.get_layer("own")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(flat(images), model(images))
    assert flattened(base) is base


def test_model_that_is_not_functional_is_refused():
    class Subclassed(keras.Model):
        def call(self, images):
            return images

    with pytest.raises(ValueError, match="is not a functional model, so its graph cannot be read"):
        flattened(Subclassed())


def test_values_of_intermediate_tensors():
    model = keras_resnet.ResNet20Cifar()
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    logits = next(call for call in calls(model) if call.operation.name == "logits")
    features, scores = values_of(model, [*logits.inputs, *logits.outputs])(images)
    kernel, bias = logits.operation.get_weights()
    np.testing.assert_allclose(scores, np.asarray(features, "float64") @ kernel + bias, rtol=1e-4)
