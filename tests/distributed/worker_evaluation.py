"""One of two workers that evaluate and train: `python worker_evaluation.py PHOTOS WORKDIR`; test_workers.py starts it.

Each worker has its own copy of the photos, in which only the photos of its part are left; the others are empty files.
So the scores are those of one device with all photos only if each worker evaluates its part, and nothing else.
"""

import dataclasses
import os
import pathlib
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_resnet
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.distributed import strategies, workers
from keras_resnet.distributed.sharding import shard_bounds
from keras_resnet.evaluation.split_predictions import predictions
from keras_resnet.training.building import compile_for
from keras_resnet.training.training_input import TrainingInput

workers.PIECE = 3  # so that arrays are summed in pieces
STRATEGY = strategies.multi_worker()
WORKER, ALONE = workers.Worker(STRATEGY), workers.Worker(strategies.one_device())
PHOTOS, WORKDIR = map(pathlib.Path, sys.argv[1:])
RECIPE = keras_resnet.Recipe(epochs=2, batch_size=4, image_size=16, learning_rate=0.01, weight_decay=1e-4)


def copy_with(parts, name):
    """Data with a copy of the photos, of whose validation photos only those in `parts` (start, end) are left."""
    folder = WORKDIR.with_name(f"{name}{WORKER.index}")
    shutil.copytree(PHOTOS, folder)
    for position, path in enumerate(sorted((folder / "val").glob("*/*"))):
        if not any(start <= position < end for start, end in parts):
            path.write_bytes(b"")
    return keras_resnet.load_data(folder, RECIPE)


def net(worker):
    """A small net under the worker's strategy, always with the same weights."""
    with worker.strategy.scope():
        keras.utils.set_random_seed(0)
        model = keras_resnet.create_model(
            "resnet20_cifar", depths=(1, 1), widths=(4, 8), input_shape=(16, 16, 3), classes=5
        )
        compile_for(model, RECIPE)
    return model


def scores(worker, data):
    """Validation as `fit` does it: (accuracy, loss, number of images)."""
    model = net(worker)
    data, steps = TrainingInput(data, RECIPE, None, UnreadableImages(), worker).validation().values()
    logs = model.evaluate(data, steps=steps, return_dict=True, verbose=0)
    return logs["accuracy"], logs["loss"], float(np.asarray(model.loss_tracker.count))


def validation(whole):
    """Each worker evaluates its shard of each batch."""
    count, size = len(whole.validation), RECIPE.batch_size
    starts = range(0, count, size)
    bounds = [(start, *shard_bounds(min(size, count - start), WORKER.index, 2)) for start in starts]
    own = copy_with([(start + first, start + end) for start, first, end in bounds], "validation")
    one, two = scores(ALONE, whole), scores(WORKER, own)
    assert (one[0], one[2]) == (two[0], two[2])
    assert abs(one[1] - two[1]) < 1e-6 * one[1]
    print("validation:", *(value.hex() for value in two), flush=True)


def test(whole):
    """Each worker predicts one part of the split, in unequally many batches, and gets the others' answers."""
    own = copy_with([WORKER.part(len(whole.validation))], "test")
    one, two = net(ALONE), net(WORKER)
    for protocol in ("center", "ten_crop"):
        alone = predictions(one, whole, protocol=protocol, verbose=0)
        shared = predictions(two, own, protocol=protocol, verbose=0, worker=WORKER)
        np.testing.assert_array_equal(shared.positions, alone.positions)
        np.testing.assert_array_equal(shared.labels, alone.labels)
        np.testing.assert_allclose(shared.probabilities, alone.probabilities, atol=1e-6)
        assert shared.protocol == alone.protocol
        unreadable = [sorted(pathlib.Path(name).parts[-2:] for name, _ in each.errors) for each in (alone, shared)]
        assert unreadable[0] == unreadable[1]
        print("test:", protocol, len(alone.labels), len(unreadable[0]), flush=True)


class Best(keras.callbacks.Callback):
    """Prints the validation accuracy, which decides on best.keras."""

    def on_epoch_end(self, epoch, logs=None):
        print("epoch:", epoch, logs["val_accuracy"].hex(), flush=True)


def training():
    """Two epochs, and one test image for two workers."""
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (43, 16, 16, 3)).astype("uint8"), np.arange(43) % 5
    recipe = dataclasses.replace(RECIPE, validation_fraction=0.25)
    data = keras_resnet.load_data((images, labels), recipe)
    data = dataclasses.replace(data, test=data.train.take(np.array([0])))
    result = keras_resnet.train(net(WORKER), data, recipe, WORKDIR, callbacks=[Best()], strategy=STRATEGY, verbose=0)
    print("result:", result, flush=True)


whole = keras_resnet.load_data(PHOTOS, RECIPE)
validation(whole)
test(whole)
training()
