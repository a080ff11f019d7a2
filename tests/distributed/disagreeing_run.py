"""One of two workers that train different models: `python disagreeing_run.py WORKDIR`. It prints the error."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import keras_resnet
from keras_resnet.distributed import strategies
from keras_resnet.distributed.workers import configured_cluster

STRATEGY = strategies.auto()
data = keras_resnet.load_data((np.zeros((16, 32, 32, 3), "uint8"), np.arange(16) % 4))
name = ("resnet20_cifar", "resnet32_cifar")[configured_cluster().index]
try:
    keras_resnet.train(name, data, keras_resnet.Recipe(epochs=1, batch_size=8), sys.argv[1], strategy=STRATEGY)
except ValueError as error:
    print(f"error: {error}", flush=True)
