"""Parts of a graph, computed anew."""

import keras
import numpy as np
import pytest

from keras_resnet.analysis.blocks import find_blocks
from keras_resnet.analysis.graph import values_of
from keras_resnet.analysis.replay import replay
from tests.analysis.networks import network, noise


def test_replayed_part_gives_the_model_s_own_values():
    model, images = network("SE"), noise().images
    block = find_blocks(model)[3]
    entry, output, scores = values_of(model, [block.entry, block.output, *model.outputs])(images)
    again = replay([block.entry], [block.output, *model.outputs], [entry])
    np.testing.assert_allclose(again[0], output, atol=1e-5)
    np.testing.assert_allclose(again[1], scores, atol=1e-6)


def test_layer_called_in_training_runs_in_inference():
    x = keras.Input((3,))
    y = keras.layers.Dropout(0.5)(x, training=True)
    values = np.ones((4, 3), "float32")
    np.testing.assert_array_equal(replay([x], [y], [values])[0], values)


def test_path_that_passes_by_is_refused():
    x = keras.Input((3,))
    y = keras.layers.ReLU(name="act")(x)
    total = keras.layers.Add(name="sum")([x, y])
    with pytest.raises(ValueError, match=r"A path from .* to .* passes by"):
        replay([y], [total], [np.ones((1, 3))])
