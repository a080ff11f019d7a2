"""One of two workers that run the cases of test_replicas.py; started by test_workers.py."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from keras_resnet.distributed import strategies
from tests.distributed.test_replicas import assert_equal, assert_same_scores, both, scaled, sgd

STRATEGY = strategies.multi_worker()

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

for name, case in CASES.items():
    one, two = both(**case, strategy=STRATEGY)
    assert_equal(one, two)
    if name == "uneven":
        assert_same_scores(one, two)
    print("equal:", name, flush=True)
