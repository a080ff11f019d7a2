"""Layers that Keras lacks, or that are faster here."""

from keras_resnet.layers.activation import ReLU
from keras_resnet.layers.convolution import Conv2D, StandardizedConv2D
from keras_resnet.layers.normalization import BatchNormalization
from keras_resnet.layers.pooling import BlurPool, PaddedMaxPooling2D, ZeroPaddedShortcut
from keras_resnet.layers.registration import channel_axis, replaces

__all__ = [
    "BatchNormalization",
    "BlurPool",
    "Conv2D",
    "PaddedMaxPooling2D",
    "ReLU",
    "StandardizedConv2D",
    "ZeroPaddedShortcut",
    "channel_axis",
    "replaces",
]
