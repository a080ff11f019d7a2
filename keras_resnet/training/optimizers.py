"""The optimizer of a recipe, and the paper's weight decay."""

import keras

from keras_resnet.recipes import Recipe


def sgd(recipe: Recipe) -> keras.optimizers.SGD:
    """Stochastic gradient descent at the recipe's base learning rate and momentum.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.optimizers import sgd
        >>> sgd(keras_resnet.Recipe(momentum=0.8)).momentum
        0.8
    """
    return keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov)


def set_weight_decay(model: keras.Model, weight_decay: float) -> None:
    """Adds `weight_decay / 2` times the squared L2 norm of every trainable weight to the model's loss.

    The penalties are regularizers of the variables, not of the layers: they are part of the loss, but a saved model
    does not contain them. 0 removes them.
    """
    for variable in model.trainable_variables:
        # Keras's L2 lacks the factor 1/2.
        variable.regularizer = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
