"""Weights from files: published weights, downloads, formats, conversion and loading."""

from keras_resnet.weights.downloads import fetch_weights
from keras_resnet.weights.hub import fetch_from_hub, is_hub_address
from keras_resnet.weights.loading import is_published, load_weights
from keras_resnet.weights.pretrained import PretrainedWeights, find_weights, list_weights

__all__ = [
    "PretrainedWeights",
    "fetch_from_hub",
    "fetch_weights",
    "find_weights",
    "is_hub_address",
    "is_published",
    "list_weights",
    "load_weights",
]
