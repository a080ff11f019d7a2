"""Runs a training in a forked child for each line `workdir [bytes]` on stdin, so that TensorFlow is imported once.

Prints "process" and the child's process number, and "exit" and its exit status once it has ended. `bytes` is the
largest file that the child may write: a disk that is full. The child leaves the SHA-256 of the final weights in
`workdir`.sha256.
"""

import hashlib
import logging
import os
import resource
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf  # noqa: F401 (before the fork)

import keras_resnet
from keras_resnet.training import trainer  # noqa: F401 (before the fork)


def run(workdir):
    """600 steps with all that has a state: momentum, plateau rule, dropout, augmentation, running means, averages."""
    random = np.random.default_rng(0)
    labels = np.arange(540) % 4
    images = random.integers(0, 150, (540, 8, 8, 3)) + 30 * labels[:, None, None, None]
    recipe = keras_resnet.Recipe(
        epochs=10, batch_size=8, learning_rate=0.05, schedule="plateau", plateau_patience=1, validation_fraction=1 / 9,
        pad=1, flip=True, weight_decay=1e-4, ema_decay=0.99, seed=5,
    )  # fmt: skip
    data = keras_resnet.load_data((images.astype("uint8"), labels), recipe)
    keras.utils.set_random_seed(0)
    model = keras_resnet.create_model(
        "resnet20_cifar", depths=(1, 1), widths=(8, 16), input_shape=(8, 8, 3), classes=4, dropout=0.2, drop_path=0.2
    )
    keras_resnet.train(model, data, recipe, workdir, checkpoint_every=7, verbose=0)
    averaged = keras_resnet.load_model(f"{workdir}/ema.keras")
    weights = b"".join(weight.tobytes() for weight in model.get_weights() + averaged.get_weights())
    with open(f"{workdir}.sha256", "w", encoding="utf-8") as file:
        file.write(hashlib.sha256(weights).hexdigest())


def child(workdir, limit):
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    with open(f"{workdir}.out", "a", encoding="utf-8") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        try:
            run(workdir)
        except SystemExit as stop:
            sys.stdout.flush()
            os._exit(stop.code)
        except Exception as error:
            print(f"error: {error}", flush=True)
            os._exit(1)
    os._exit(0)


logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
for line in sys.stdin:
    workdir, *limit = line.split()
    process = os.fork()
    if not process:
        child(workdir, int(limit[0]) if limit else None)
    print("process", process, flush=True)
    print("exit", os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
