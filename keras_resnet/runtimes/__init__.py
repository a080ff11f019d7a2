"""Exported models, and the runtimes that run them. Nothing here imports Keras, and only SavedModels need TensorFlow."""

from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.metadata import Metadata

__all__ = ["Artifact", "Metadata"]
