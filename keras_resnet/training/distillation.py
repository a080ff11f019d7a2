"""Distillation: a model learns from the labels and from the outputs of a teacher (Hinton et al. 2015)."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, TypeGuard

import keras
import tensorflow as tf

from keras_resnet.data.loading import Data
from keras_resnet.distributed.keras_internals import kept_logits
from keras_resnet.distributed.replicas import LossOfInputs
from keras_resnet.errors import shown
from keras_resnet.evaluation.checks import check_fits
from keras_resnet.evaluation.class_matching import are_same_classes
from keras_resnet.models.model import Model, ends_in_sigmoid, ends_in_softmax
from keras_resnet.recipes import Recipe
from keras_resnet.rules import PATH
from keras_resnet.run_directory import load_saved_model

SMALLEST = 1e-37  # probability of which float32 has the logarithm


@dataclasses.dataclass(frozen=True, eq=False)
class Teacher:
    """A trained model that another one learns from. It is not a Keras object, so Keras does not save it with the other.

    Attributes:
        model: its outputs are probabilities or logits, (batch, classes).
        source: the path that it was loaded from, or where `load_weights` got its weights; None if unknown.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.training.distillation import Teacher
        >>> Teacher(keras_resnet.ResNet20Cifar()).logits(np.zeros((2, 32, 32, 3))).shape.as_list()
        [2, 10]
    """

    model: keras.Model
    source: str | None = None

    def __str__(self):
        return self.model.name + (f" from {self.source}" if self.source else "")

    def placed(self, strategy: tf.distribute.Strategy) -> "Teacher":
        """The teacher with its variables on all devices of a strategy: itself, or a copy."""
        # Not `distribute_strategy`, which within a scope is that scope's for a model that was built outside.
        if all(strategy.extended.variable_created_in_scope(weight.value) for weight in self.model.weights):
            return self
        with strategy.scope():
            copy = keras.models.clone_model(self.model)
            copy.set_weights(self.model.get_weights())
        return dataclasses.replace(self, model=copy)

    def logits(self, images: Any) -> tf.Tensor:
        """Its logits (batch, classes) for images in 0 to 255, up to a constant for each image."""
        outputs = self.model(images, training=False)
        return tf.stop_gradient(_logits(outputs, ends_in_softmax(self.model)))


def _logits(outputs, are_probabilities):
    """Logits, of which those of a softmax are known up to a constant: the logarithms of its probabilities."""
    if not are_probabilities:
        return outputs
    logits = kept_logits(outputs)
    return tf.math.log(tf.maximum(outputs, SMALLEST)) if logits is None else logits


@keras.saving.register_keras_serializable(package="keras_resnet")
class Distillation(LossOfInputs):
    """The loss of a student: (1 - weight) x loss of the labels + weight x T^2 x KL(teacher || student).

    The Kullback-Leibler divergence is that of the softmax of both models' logits / T. Its gradient is that of the
    cross-entropy in the paper, and it is 0 for a student that equals the teacher. T^2 keeps the size of its gradient.
    In validation, it is the loss of the labels alone. Source: Hinton, Vinyals and Dean 2015, section 2.

    Args:
        loss: of the labels, a Keras loss with a value for each example.
        weight: of the teacher's part, 0 to 1.
        temperature: T, above 0.
        probabilities: whether the student returns probabilities instead of logits.
        teacher: the teacher, which is not saved; without it, the loss can only validate.
        name: of the loss.
        reduction: as in `keras.Loss`.

    Example:
        >>> import keras, keras_resnet
        >>> from keras_resnet.training.distillation import Distillation, Teacher
        >>> student, model = keras_resnet.ResNet20Cifar(), keras_resnet.ResNet56Cifar()
        >>> of_labels = keras.losses.CategoricalCrossentropy()
        >>> student.compile("sgd", Distillation(of_labels, 0.5, 4.0, probabilities=True, teacher=Teacher(model)))
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        weight: float,
        temperature: float,
        probabilities: bool,
        teacher: Teacher | None = None,
        name: str = "distillation",
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.loss, self.weight, self.temperature = loss, weight, temperature
        self.probabilities, self.teacher = probabilities, teacher

    def targets(self, x, y):
        """The labels and the teacher's logits, (batch, 2, classes)."""
        logits = self.teacher.logits(x)[: tf.shape(y)[0]]
        return tf.stack([tf.cast(y, self.dtype), tf.cast(logits, self.dtype)], axis=1)

    def call(self, y_true, y_pred):
        if len(y_true.shape) == 2:
            return self.loss.call(y_true, y_pred)
        labels, teacher = tf.unstack(y_true, axis=1)
        student = _logits(y_pred, self.probabilities)
        taught = self.temperature**2 * _divergence(teacher / self.temperature, student / self.temperature)
        return (1 - self.weight) * self.loss.call(labels, y_pred) + self.weight * taught

    def get_config(self):
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
            "weight": self.weight,
            "temperature": self.temperature,
            "probabilities": self.probabilities,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


def _divergence(teacher, student):
    """KL(softmax(teacher) || softmax(student)) of logits (batch, classes): (batch,)."""
    difference = tf.nn.log_softmax(teacher) - tf.nn.log_softmax(student)
    return tf.reduce_sum(tf.nn.softmax(teacher) * difference, axis=-1)


def load_teacher(
    teacher: keras.Model | str | os.PathLike | None, model: str | keras.Model, data: Data, recipe: Recipe
) -> Teacher | None:
    """The teacher of a training, checked against everything else; None without one.

    Args:
        teacher: a model, or the path of a run directory or model file.
        model: the student, as in `train`.
        data: the images.
        recipe: the training setup.

    Raises:
        FileNotFoundError: there is no such run or file.
        ValueError: a teacher without the recipe's `distillation_weight`, or the reverse; or the teacher does not fit
            the student, the data or the recipe.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.training.distillation import load_teacher
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> recipe = keras_resnet.Recipe(distillation_weight=0.5)
        >>> load_teacher(keras_resnet.ResNet20Cifar(), "resnet20_cifar", data, recipe).model.name
        'resnet20_cifar'
    """
    if teacher is None:
        if recipe.distillation_weight:
            raise ValueError(
                f"recipe: distillation_weight={recipe.distillation_weight} needs a teacher: give teacher, a model or "
                "the path of a run directory or model file."
            )
        return None
    if not (isinstance(teacher, keras.Model) or PATH.holds(teacher)):
        raise ValueError(f"teacher={shown(teacher)} must be a Keras model, or the path of a run or model file.")
    if not recipe.distillation_weight:
        raise ValueError("A teacher has no effect with distillation_weight=0; set it in the recipe, up to 1.")
    if not isinstance(model, str | Model):
        raise ValueError(
            f"The model {model.name} is a plain Keras model, which cannot learn from a teacher; build it with "
            "keras_resnet, or with the class keras_resnet.Model."
        )
    if teacher is model:
        raise ValueError("A model cannot be its own teacher; give a copy of it.")
    return _checked(_loaded(teacher), data, recipe)


def _loaded(teacher: keras.Model | str | os.PathLike) -> Teacher:
    if isinstance(teacher, keras.Model):
        return Teacher(teacher, getattr(teacher, "weights_source", None))
    saved = load_saved_model(teacher)
    if isinstance(saved.model.layers[-1], keras.layers.TFSMLayer):
        raise ValueError(f"teacher={shown(teacher)} is a SavedModel; give a run directory or a .keras file.")
    if isinstance(saved.model, Model) and saved.class_names:
        saved.model.class_names = saved.class_names
    return Teacher(saved.model, str(teacher))


def _checked(teacher: Teacher, data: Data, recipe: Recipe) -> Teacher:
    """Checks the teacher against data and recipe."""
    model, names = teacher.model, getattr(teacher.model, "class_names", None)
    try:
        check_fits(model, data)
    except ValueError as error:
        raise ValueError(f"As a teacher: {error}") from None
    if _are_known(names) and _are_known(data.class_names) and not are_same_classes(names, data.class_names):
        raise ValueError(
            f"The teacher {model.name} has other classes than {data.name}, or in another order; give one that was "
            "trained on the same classes."
        )
    if ends_in_sigmoid(model):
        raise ValueError(
            f"The teacher {model.name} ends in a sigmoid; distillation needs a softmax, or logits, of a model that was "
            "trained with cross_entropy."
        )
    fixed = [side for side in model.input_shape[1:3] if side]
    if fixed and recipe.early_sizes:
        raise ValueError(
            f"The teacher {model.name} takes images of {model.input_shape[1:]} alone, and early_sizes has others; "
            "leave out early_sizes, or build the teacher with input_shape=(None, None, 3)."
        )
    return teacher


def _are_known(names: Sequence[str] | None) -> TypeGuard[Sequence[str]]:
    """Whether class names are given; data without names have numbers instead."""
    return names is not None and list(names) != [str(number) for number in range(len(names))]
