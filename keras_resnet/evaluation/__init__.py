"""Accuracy on a data set, predictions for images, and recalibrated batch normalization."""

from keras_resnet.evaluation.classification import Result, evaluate
from keras_resnet.evaluation.prediction import predict
from keras_resnet.evaluation.recalibration import recalibrate_batchnorm

__all__ = ["Result", "evaluate", "predict", "recalibrate_batchnorm"]
