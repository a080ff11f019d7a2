"""Trains a small model, alone or as a worker of TF_CONFIG: `python worker_run.py WORKDIR`. Prints its process ID.

Images are augmented and the net normalizes over all workers, so one worker and two workers end with the same weights.
The learning rate is low: at 0.05, training itself turns the rounding of other sums (1e-7) into differences of 1e-2.
"""

import logging
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import keras_resnet
from keras_resnet.commands.app import show_log_messages
from keras_resnet.distributed import strategies

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
STRATEGY = strategies.auto()
show_log_messages()
print("process", os.getpid(), flush=True)
random = np.random.default_rng(0)
labels = np.arange(82) % 4
images = random.integers(0, 150, (82, 8, 8, 3)) + 30 * labels[:, None, None, None]
recipe = keras_resnet.Recipe(
    epochs=5, batch_size=8, learning_rate=0.005, schedule="plateau", plateau_patience=1, validation_fraction=1 / 9,
    pad=1, flip=True, weight_decay=1e-4, sync_batch_norm=True, ema_decay=0.9, seed=5,
)  # fmt: skip
data = keras_resnet.load_data((images.astype("uint8"), labels), recipe)
with STRATEGY.scope():
    keras.utils.set_random_seed(0)
    model = keras_resnet.create_model(
        "resnet20_cifar", depths=(1, 1), widths=(8, 16), input_shape=(8, 8, 3), classes=4, norm="sync_batch_norm"
    )
try:
    keras_resnet.train(model, data, recipe, sys.argv[1], strategy=STRATEGY, checkpoint_every=5, verbose=0)
except ConnectionError as error:
    sys.exit(f"error: {error}")
