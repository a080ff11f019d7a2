"""Data sets: from files, arrays, TFDS or records to batches."""

from keras_resnet.data.loading import Data, load_data

__all__ = ["Data", "load_data"]
