"""Trains a small model on photos: `python ended_run.py PHOTOS WORKDIR MAX_BAD_IMAGES`; test_process_end.py ends it."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras_resnet

recipe = keras_resnet.Recipe(epochs=200, batch_size=8, image_size=16, crop="random_resized", flip=True)
data = keras_resnet.load_data(sys.argv[1], recipe)
model = keras_resnet.create_model("resnet20_cifar", depths=(1,), widths=(4,), input_shape=(16, 16, 3), classes=2)
print("ready", flush=True)
keras_resnet.train(model, data, recipe, sys.argv[2], max_bad_images=int(sys.argv[3]), verbose=2)
