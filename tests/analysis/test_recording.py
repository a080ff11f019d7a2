"""Gradients recorded along training."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.gradients import gradient_flow
from keras_resnet.analysis.recording import RecordGradients
from keras_resnet.distributed.strategies import mirrored


def small_net():
    keras.utils.set_random_seed(0)
    return keras_resnet.ResNet(
        "basic", (1, 1), widths=(4, 8), stem="cifar", input_shape=(8, 8, 3), classes=4, name="small"
    )


def rows_of(flow, epoch):
    return [{"epoch": epoch, **block._asdict()} for block in flow.blocks]


@pytest.fixture
def examples(shapes):
    (images, labels), _ = shapes
    return images[:16].astype("float32"), labels[:16]


def test_each_epoch_is_recorded_as_the_model_is_at_its_end(examples):
    model, record = small_net(), RecordGradients(*examples)
    before = gradient_flow(model, *examples)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(*examples, epochs=2, callbacks=[record], verbose=0)
    after = gradient_flow(model, *examples)
    assert [row["epoch"] for row in record.blocks] == [0, 0, 1, 1, 2, 2]
    assert record.blocks[:2] == rows_of(before, 0)
    assert record.blocks[4:] == rows_of(after, 2)
    assert record.weights[-1] == {"epoch": 2, **after.weights[-1]._asdict()}


def test_recording_does_not_change_training(examples):
    weights = []
    for callbacks in ([], [RecordGradients(*examples)]):
        model = small_net()
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(*examples, epochs=2, callbacks=callbacks, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_resumed_run_continues_the_record(examples, tmp_path):
    model = small_net()
    model.compile("sgd", "sparse_categorical_crossentropy")
    first = RecordGradients(*examples, tmp_path)
    model.fit(*examples, epochs=2, callbacks=[first], verbose=0)
    second = RecordGradients(*examples, tmp_path)
    assert second.blocks == first.blocks
    assert second.weights == first.weights
    model.fit(*examples, initial_epoch=1, epochs=3, callbacks=[second], verbose=0)  # from a checkpoint after epoch 1
    assert [row["epoch"] for row in second.blocks] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert second.blocks[:4] == first.blocks[:4]
    assert RecordGradients(*examples, tmp_path).blocks == second.blocks


def test_a_new_run_drops_the_rows_of_one_that_ended_in_its_first_epoch(examples, tmp_path):
    images, labels = examples
    model = small_net()
    model.compile("sgd", "sparse_categorical_crossentropy")
    record = RecordGradients(*examples, tmp_path)
    record.set_model(model)
    record.on_epoch_begin(0)
    other = RecordGradients(255 - images, labels, tmp_path)
    model.fit(*examples, epochs=1, callbacks=[other], verbose=0)
    assert other.blocks[:2] == rows_of(gradient_flow(small_net(), 255 - images, labels), 0)
    assert [row["epoch"] for row in other.blocks] == [0, 0, 1, 1]


@pytest.mark.exhaustive
def test_training_on_several_devices_is_recorded(examples, shapes, tmp_path):
    data = keras_resnet.load_data(shapes)
    strategy = mirrored()
    with strategy.scope():
        model = small_net()
    before = rows_of(gradient_flow(small_net(), *examples), 0)
    record = RecordGradients(*examples, tmp_path / "run")
    recipe = keras_resnet.Recipe(epochs=1, batch_size=24)
    keras_resnet.train(model, data, recipe, tmp_path / "run", callbacks=[record], strategy=strategy, verbose=0)
    assert record.blocks[:2] == before
    loaded = keras_resnet.load_model(tmp_path / "run" / "final.keras")
    assert record.blocks[2:] == rows_of(gradient_flow(loaded, *examples), 1)
