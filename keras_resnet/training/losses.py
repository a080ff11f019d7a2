"""Training losses: cross-entropy over classes or of each class, and the weights of classes."""

from typing import Any

import keras
import numpy as np

from keras_resnet.layers import replaces
from keras_resnet.models.model import ends_in_sigmoid, ends_in_softmax
from keras_resnet.recipes import Recipe
from keras_resnet.training.distillation import Distillation, Teacher


def loss_for(
    model: keras.Model, recipe: Recipe, labels: np.ndarray | None = None, teacher: Teacher | None = None
) -> keras.losses.Loss:
    """The recipe's loss, averaged over the batch.

    Args:
        model: to train; its last layer tells whether it returns logits.
        recipe: the training setup.
        labels: class numbers of all training images, (N,); required if `recipe.balanced_classes`.
        teacher: the model to learn from; required if `recipe.distillation_weight`.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.losses import loss_for
        >>> loss_for(keras_resnet.ResNet20Cifar(), keras_resnet.Recipe(label_smoothing=0.1)).name
        'categorical_crossentropy'
    """
    has_softmax = ends_in_softmax(model)
    if recipe.loss == "binary_cross_entropy":
        loss = binary_cross_entropy(from_logits=not ends_in_sigmoid(model), threshold=recipe.bce_threshold)
    else:
        loss = cross_entropy(recipe.soft_labels, from_logits=not has_softmax)
    if recipe.balanced_classes:
        loss = ClassWeighted(loss, balanced_weights(labels, classes=model.output_shape[-1]))
    if recipe.distillation_weight:
        loss = Distillation(loss, recipe.distillation_weight, recipe.distillation_temperature, has_softmax, teacher)
    return loss


def cross_entropy(soft_labels: bool, from_logits: bool) -> keras.losses.Loss:
    """Cross-entropy, averaged over the batch.

    Args:
        soft_labels: whether labels are rows of probabilities (batch, classes), as mixup, CutMix and label smoothing
            make them, instead of class numbers (batch,).
        from_logits: whether the model returns logits instead of probabilities.

    Example:
        >>> from keras_resnet.training.losses import cross_entropy
        >>> cross_entropy(soft_labels=False, from_logits=True).name
        'sparse_categorical_crossentropy'
    """
    loss = keras.losses.CategoricalCrossentropy if soft_labels else keras.losses.SparseCategoricalCrossentropy
    return loss(from_logits=from_logits)


def binary_cross_entropy(from_logits: bool, threshold: float = 0.0) -> keras.losses.Loss:
    """Binary cross-entropy of each class, averaged over classes and batch, as PyTorch's `BCEWithLogitsLoss`.

    Labels are rows (batch, classes) in 0 to 1. Source: Wightman et al. 2021, "ResNet strikes back", section 2.

    Args:
        from_logits: whether the model returns logits instead of the sigmoid of each.
        threshold: labels above it count as 1, others as 0; 0 to leave labels as they are.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.training.losses import binary_cross_entropy
        >>> round(float(binary_cross_entropy(from_logits=True)(np.array([[0.0, 1.0]]), np.array([[0.0, 0.0]]))), 4)
        0.6931
    """
    return BinaryCrossentropy(from_logits=from_logits, threshold=threshold)


@replaces(keras.losses.BinaryCrossentropy)
class BinaryCrossentropy(keras.losses.BinaryCrossentropy):
    """`keras.losses.BinaryCrossentropy` with a threshold for labels.

    A saved model names Keras's own loss, without the threshold, which `train` sets anew.

    Args:
        args: of `keras.losses.BinaryCrossentropy`.
        threshold: labels above it count as 1, others as 0; 0 to leave labels as they are.
        options: of `keras.losses.BinaryCrossentropy`.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.training.losses import BinaryCrossentropy
        >>> loss = BinaryCrossentropy(threshold=0.2)
        >>> round(float(loss(np.array([[0.3, 0.7]]), np.array([[0.5, 0.5]]))), 4)  # as of [[1, 1]]
        0.6931
    """

    def __init__(self, *args, threshold: float = 0.0, **options) -> None:
        super().__init__(*args, **options)
        self.threshold = threshold

    def call(self, y_true, y_pred):
        if self.threshold:
            y_true = keras.ops.cast(keras.ops.greater(y_true, self.threshold), y_pred.dtype)
        return super().call(y_true, y_pred)


def balanced_weights(labels: Any, classes: int) -> np.ndarray:
    """For each class the weight N / (classes x its number of examples), float64 (classes,); 0 for an empty class.

    All classes then count the same in an epoch, and a class of average size has the weight 1.

    Args:
        labels: class numbers of all examples, (N,).
        classes: number of classes.

    Example:
        >>> from keras_resnet.training.losses import balanced_weights
        >>> balanced_weights([0, 0, 0, 1], classes=2).round(2).tolist()
        [0.67, 2.0]
    """
    counts = np.bincount(labels, minlength=classes)
    return np.divide(len(labels), classes * counts, out=np.zeros(classes), where=counts > 0)


def class_weights(loss: Any) -> list[float]:
    """The weights of the classes in a model's loss; [] if all count the same.

    Example:
        >>> import keras
        >>> from keras_resnet.training.losses import ClassWeighted, class_weights
        >>> class_weights(ClassWeighted(keras.losses.SparseCategoricalCrossentropy(), [1, 3]))
        [1.0, 3.0]
    """
    loss = loss.loss if isinstance(loss, Distillation) else loss
    return loss.class_weights if isinstance(loss, ClassWeighted) else []


@keras.saving.register_keras_serializable(package="keras_resnet")
class ClassWeighted(keras.losses.Loss):
    """A loss in which each example counts as much as its class; with mixed labels, as the mixture of its classes.

    The weighted losses are averaged over the batch, and not divided by the sum of the weights.

    Args:
        loss: a Keras loss with a value for each example.
        class_weights: a number for each class.
        name: of the loss.
        reduction: as in `keras.Loss`.

    Example:
        >>> import keras, numpy as np
        >>> from keras_resnet.training.losses import ClassWeighted
        >>> loss = ClassWeighted(keras.losses.SparseCategoricalCrossentropy(), [1, 3])
        >>> round(float(loss(np.array([1]), np.array([[0.5, 0.5]]))), 4)  # 3 log 2
        2.0794
    """

    def __init__(
        self,
        loss: keras.losses.Loss,
        class_weights: Any,
        name: str = "class_weighted",
        reduction: str = "sum_over_batch_size",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self.loss, self.class_weights = loss, [float(weight) for weight in class_weights]

    def call(self, y_true, y_pred):
        weights = keras.ops.convert_to_tensor(self.class_weights, self.dtype)
        if len(y_true.shape) == len(y_pred.shape):
            of_examples = keras.ops.matmul(y_true, weights)
        else:
            of_examples = keras.ops.take(weights, keras.ops.cast(y_true, "int32"))
        return of_examples * self.loss.call(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        loss = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "loss": loss, "class_weights": self.class_weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ClassWeighted":
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})


# doctest skips classes whose `__module__` is another one.
__test__ = {"BinaryCrossentropy": BinaryCrossentropy}
