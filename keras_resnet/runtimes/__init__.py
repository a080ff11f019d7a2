"""Exported models, and the runtimes that run them. Nothing here imports Keras or TensorFlow before it is needed."""

from keras_resnet.runtimes.artifact import Artifact
from keras_resnet.runtimes.metadata import Metadata
from keras_resnet.runtimes.opening import open_artifact, runtime_of
from keras_resnet.runtimes.prediction import Prediction, classify
from keras_resnet.runtimes.table import RUNTIMES

__all__ = ["RUNTIMES", "Artifact", "Metadata", "Prediction", "classify", "open_artifact", "runtime_of"]
