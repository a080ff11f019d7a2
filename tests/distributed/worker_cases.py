"""One of two workers that run the cases of test_replicas.py, and a short training: `python worker_cases.py WORKDIR`.

test_workers.py starts them.
"""

import os
import pathlib
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet.distributed import strategies, workers
from tests.distributed.test_replicas import assert_equal, assert_same_scores, both, scaled, sgd
from tests.training.nets import linear_net

STRATEGY = strategies.multi_worker()
WORKER = workers.Worker(STRATEGY)
WORKDIR = pathlib.Path(sys.argv[1])

CASES = {
    "uneven": dict(optimizer=sgd(), sizes=(8, 8, 5)),
    "none": dict(optimizer=sgd(global_clipnorm=0.1), sizes=(1, 8)),
    "weighted": dict(optimizer=sgd(clipnorm=0.1), sizes=(8, 5), weighted=True, steps_per_execution=2),
    "all": dict(optimizer=scaled(gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=2)),
    "compiled": dict(optimizer=sgd(global_clipnorm=0.1), sizes=(8, 5, 1), jit_compile=True),
    "synchronized": dict(
        optimizer=sgd(0.01), sizes=(8, 5), layer=lambda: keras.layers.BatchNormalization(synchronized=True)
    ),
}


def sums():
    """Arrays are summed, in pieces, and each worker's content is gathered."""
    workers.PIECE = 3
    np.testing.assert_array_equal(WORKER.sum(np.arange(10).reshape(2, 5)), 2 * np.arange(10).reshape(2, 5))
    assert WORKER.sum(np.array([1 / 3]))[0] == 2 / 3
    assert WORKER.gather({"é" * WORKER.index: WORKER.index}) == [{"": 0}, {"é": 1}]
    assert WORKER.any(False, WORKER.index == 1) == [False, True]
    WORKER.check_agreement((7, 2**40), "they do not")
    name = f"Worker {WORKER.index} ({WORKER.addresses[WORKER.index]})"
    with pytest.raises(ValueError, match=re.escape(f"{name} and the others disagree: they differ.")):
        WORKER.check_agreement((7, WORKER.index), "they differ.")


def training():
    """Each worker trains alone, then both together, with the same outcome; the chief alone writes."""
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (43, 8, 8, 3)).astype("uint8"), np.arange(43) % 4
    recipe = keras_resnet.Recipe(epochs=1, batch_size=8, learning_rate=0.01, validation_fraction=0.25, ema_decay=0.9)
    data, outcomes = keras_resnet.load_data((images, labels), recipe), []
    alone, together = WORKDIR / f"alone{WORKER.index}", WORKDIR / "together"
    for strategy, workdir in ((strategies.one_device(), alone), (STRATEGY, together)):
        with strategy.scope():
            model = linear_net()
        result = keras_resnet.train(model, data, recipe, workdir, strategy=strategy, verbose=0)
        outcomes.append((result, model.get_weights()))
    assert outcomes[0][0] == outcomes[1][0]
    for ours, theirs in zip(outcomes[0][1], outcomes[1][1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert {path.name for path in alone.iterdir()} == {path.name for path in together.iterdir()}


for name, case in CASES.items():
    one, two = both(**case, strategy=STRATEGY)
    assert_equal(one, two)
    if name == "uneven":
        assert_same_scores(one, two)
    print("equal:", name, flush=True)
sums()
training()
print("equal: training", flush=True)
