"""Optimizers with settings for each weight: SGD, AdamW and LAMB.

A saved model names them as Keras's optimizers of the same names, with the settings that those have: the file opens
without this package as well. The settings for each weight are not saved; `train` sets them anew, from its recipe.
"""

from typing import Any

import keras
from keras import ops

from keras_resnet.layers import replaces

Tensor = Any  # of Keras's backend
Variable = Any  # Keras's, or TensorFlow's on one device


def is_decayed(variable: Variable, decayed_weights: str) -> bool:
    """Whether a weight is one of the `decayed_weights`: "all", or "kernels", whose rank is above 1."""
    return decayed_weights == "all" or len(variable.shape) > 1


class WeightwiseOptimizer(keras.optimizers.Optimizer):
    """The base of the optimizers here, beside one of Keras's: each weight has its own rate, and decays or not.

    Args:
        args: of Keras's optimizer.
        rate_factors: the factor on the learning rate of each part of the network, as in `{"stem": 0.5}`; 1 for weights
            of other parts. A weight's part is the beginning of its path, up to the first underscore.
        decayed_weights: "all" or "kernels".
        options: of Keras's optimizer.
    """

    def __init__(
        self, *args, rate_factors: dict[str, float] | None = None, decayed_weights: str = "all", **options
    ) -> None:
        super().__init__(*args, **options)
        self.rate_factors = rate_factors or {}
        self.decayed_weights = decayed_weights

    def build(self, variables):
        super().build(variables)
        self.factors = [self.rate_factors.get(variable.path.partition("_")[0], 1.0) for variable in variables]

    def rate_of(self, variable: Variable, learning_rate: Tensor) -> Tensor:
        """The learning rate of a weight."""
        return ops.cast(learning_rate, variable.dtype) * self.factors[self._get_variable_index(variable)]

    def decays(self, variable: Variable) -> bool:
        """Whether the weight decay applies to a weight."""
        return is_decayed(variable, self.decayed_weights)

    def decay(self, variable: Variable, rate: Tensor) -> None:
        """Decoupled weight decay: `w -= rate * weight_decay * w`, if it applies to the weight."""
        if self.weight_decay and self.decays(variable):
            self.assign_sub(variable, rate * self.weight_decay * variable)

    def _apply_weight_decay(self, variables):
        """Does nothing: weights decay in `update_step`, each at its own rate."""


@replaces(keras.optimizers.SGD)
class SGD(WeightwiseOptimizer, keras.optimizers.SGD):
    """SGD with momentum, in Keras's form or in PyTorch's (Sutskever et al. 2013; torch.optim.SGD).

    With the gradient g, the learning rate r and the momentum m, Keras's form is `v = m v - r g`, `w += v`, and
    PyTorch's is `v = m v + g`, `w -= r v`. With Nesterov momentum, the weights change by `m v - r g` and by
    `-r (g + m v)`. Both are the same while the learning rate is constant.

    `weight_decay` adds `weight_decay * w` to the gradient, after it was clipped.

    Args:
        args: of `keras.optimizers.SGD`.
        momentum_form: "keras" or "pytorch".
        options: of `keras.optimizers.SGD` and `WeightwiseOptimizer`.

    Example:
        >>> import keras
        >>> from keras_resnet.training.update_rules import SGD
        >>> weight = keras.Variable([1.0], name="weight")
        >>> optimizer = SGD(0.1, momentum=0.5, momentum_form="pytorch")
        >>> for optimizer.learning_rate in (0.1, 0.01):
        ...     optimizer.apply([keras.ops.ones(1)], [weight])
        >>> print(weight.numpy())  # 1 - 0.1 * 1 - 0.01 * 1.5
        [0.885]
    """

    def __init__(self, *args, momentum_form: str = "keras", **options) -> None:
        super().__init__(*args, **options)
        self.momentum_form = momentum_form

    def update_step(self, gradient, variable, learning_rate):
        rate = self.rate_of(variable, learning_rate)
        if self.weight_decay and self.decays(variable):
            gradient = gradient + self.weight_decay * variable
        if self.momentum_form == "keras" or not self.momentum:
            super().update_step(gradient, variable, rate)
            return
        self.assign_sub(variable, rate * self.direction(gradient, variable))

    def direction(self, gradient: Tensor, variable: Variable) -> Tensor:
        """PyTorch's `v`, or with Nesterov momentum `g + m v`, after the update of `v`."""
        velocity = self.momentums[self._get_variable_index(variable)]
        self.assign(velocity, self.momentum * velocity + gradient)
        return gradient + self.momentum * velocity if self.nesterov else velocity


@replaces(keras.optimizers.AdamW)
class AdamW(WeightwiseOptimizer, keras.optimizers.AdamW):
    """AdamW (Loshchilov and Hutter 2019): Keras's, with a learning rate and weight decay for each weight.

    Args:
        args: of `keras.optimizers.AdamW`.
        options: of `keras.optimizers.AdamW` and `WeightwiseOptimizer`.

    Example:
        >>> from keras_resnet.training.update_rules import AdamW
        >>> AdamW(0.001, weight_decay=0.05, decayed_weights="kernels").weight_decay
        0.05
    """

    def update_step(self, gradient, variable, learning_rate):
        rate = self.rate_of(variable, learning_rate)
        self.decay(variable, rate)
        super().update_step(gradient, variable, rate)


@replaces(keras.optimizers.Lamb)
class Lamb(WeightwiseOptimizer, keras.optimizers.Lamb):
    """LAMB (You et al. 2019, algorithm 2), with the weight decay inside the trust ratio, which Keras leaves outside.

    With Adam's direction a, the update is `u = a + weight_decay * w`, and `w -= rate * |w| / |u| * u`. Weights that
    `decayed_weights` excludes take Adam's step, without the trust ratio, as in timm.

    Args:
        args: of `keras.optimizers.Lamb`.
        epsilon: added to the root of the second moment.
        options: of `keras.optimizers.Lamb` and `WeightwiseOptimizer`.

    Example:
        >>> import keras
        >>> from keras_resnet.training.update_rules import Lamb
        >>> weight = keras.Variable([3.0, 4.0], name="weight")
        >>> Lamb(0.1).apply([keras.ops.ones(2)], [weight])
        >>> print(weight.numpy().round(3))  # a step of a tenth of its length 5
        [2.646 3.646]
    """

    def __init__(self, *args, epsilon: float = 1e-6, **options) -> None:
        super().__init__(*args, epsilon=epsilon, **options)

    def update_step(self, gradient, variable, learning_rate):
        index, rate = self._get_variable_index(variable), self.rate_of(variable, learning_rate)
        update = adam_direction(self, gradient, self._momentums[index], self._velocities[index])
        if self.decays(variable):
            update = update + (self.weight_decay or 0.0) * variable
            rate = rate * _trust_ratio(variable, update)
        self.assign_sub(variable, rate * update)


def _trust_ratio(variable: Variable, update: Tensor) -> Tensor:
    """|w| / |u|, and 1 if either is 0."""
    weight_norm, update_norm = (ops.sqrt(ops.sum(ops.square(tensor))) for tensor in (variable, update))
    positive = ops.logical_and(weight_norm > 0, update_norm > 0)
    return ops.where(positive, weight_norm / ops.where(positive, update_norm, 1.0), 1.0)


def adam_direction(
    optimizer: keras.optimizers.Optimizer, gradient: Tensor, moment: keras.Variable, square: keras.Variable
) -> Tensor:
    """Updates both moments, and returns Adam's step at rate 1 (Kingma and Ba 2015, algorithm 1).

    Args:
        optimizer: with `beta_1`, `beta_2` and `epsilon`.
        gradient: of a weight.
        moment: the running mean of the weight's gradients.
        square: the running mean of their squares.
    """
    optimizer.assign(moment, optimizer.beta_1 * moment + (1 - optimizer.beta_1) * gradient)
    optimizer.assign(square, optimizer.beta_2 * square + (1 - optimizer.beta_2) * ops.square(gradient))
    steps = ops.cast(optimizer.iterations + 1, moment.dtype)
    mean = moment / (1 - ops.power(ops.cast(optimizer.beta_1, moment.dtype), steps))
    mean_square = square / (1 - ops.power(ops.cast(optimizer.beta_2, moment.dtype), steps))
    return mean / (ops.sqrt(mean_square) + optimizer.epsilon)


# doctest skips classes whose `__module__` is another one.
__test__: dict[str, type] = {"SGD": SGD, "AdamW": AdamW, "Lamb": Lamb}
