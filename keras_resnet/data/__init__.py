"""Data sets: files, arrays, TFDS data sets or records -> batches."""

from keras_resnet.data.loading import Data, load_data

__all__ = ["Data", "load_data"]
