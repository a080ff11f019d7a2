"""Muon: SGD whose updates of a convolution's kernel are orthogonal matrices."""

import keras
from keras import ops

from keras_resnet.layers import replaces
from keras_resnet.training.update_rules import SGD, Tensor, Variable, adam_direction

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # the coefficients of Jordan et al. 2024
NEWTON_SCHULZ_STEPS = 5
UPDATE_RMS = 0.2  # of Muon's updates, about that of AdamW's (Liu et al. 2025)


@replaces(keras.optimizers.Muon)
class Muon(SGD):
    """Muon for the kernels of convolutions, and SGD or AdamW for the other weights (Jordan et al. 2024).

    A kernel (height, width, in, out), also of grouped convolutions, is a matrix of height * width * in rows and out
    columns. The direction of SGD in PyTorch's form is replaced by its nearest orthogonal matrix times
    `0.2 sqrt(max(rows, columns))`, which has the root mean square of AdamW's updates (Liu et al. 2025,
    https://arxiv.org/abs/2502.16982).

    The other weights are the stem's convolutions, the kernels of dense layers, and all vectors. SGD has the same
    momentum in Keras's form, and adds the `weight_decay` to the gradient; AdamW has its usual settings.

    Without decay, the kernels' norms grow throughout a run, and their directions change less and less. `kernel_decay`
    bounds the norms.

    Args:
        args: of `keras.optimizers.SGD`.
        other_optimizer: of the other weights: "sgd" or "adamw".
        other_rate_factor: factor on the learning rate of the other weights.
        kernel_decay: decoupled weight decay of the kernels, at their learning rate.
        options: of `keras.optimizers.SGD` and `WeightwiseOptimizer`; the momentum must be above 0.

    Example:
        >>> import keras
        >>> from keras_resnet.training.muon import Muon
        >>> kernel = keras.Variable(keras.ops.zeros((1, 1, 2, 2)), name="kernel")
        >>> gradient = keras.ops.reshape(keras.ops.convert_to_tensor([[3.0, 0.0], [0.0, -2.0]]), (1, 1, 2, 2))
        >>> Muon(1.0, momentum=0.9).apply([gradient], [kernel])
        >>> print(kernel.numpy().reshape(2, 2).round(1))  # about 0.2 sqrt(2) times the signs
        [[-0.3  0. ]
         [ 0.   0.2]]
    """

    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-7  # of AdamW

    def __init__(
        self,
        *args,
        other_optimizer: str = "sgd",
        other_rate_factor: float = 1.0,
        kernel_decay: float = 0.0,
        **options,
    ) -> None:
        super().__init__(*args, **options)
        self.other_optimizer, self.other_rate_factor = other_optimizer, other_rate_factor
        self.kernel_decay = kernel_decay

    def build(self, variables):
        super().build(variables)
        self.orthogonalized = [_is_orthogonalized(variable) for variable in variables]
        self.factors = [
            factor if orthogonalized else factor * self.other_rate_factor
            for factor, orthogonalized in zip(self.factors, self.orthogonalized, strict=True)
        ]
        self.squares = [
            self.add_variable_from_reference(variable, "square")
            if self.other_optimizer == "adamw" and not orthogonalized
            else None
            for variable, orthogonalized in zip(variables, self.orthogonalized, strict=True)
        ]

    def decays(self, variable: Variable) -> bool:
        return not self.orthogonalized[self._get_variable_index(variable)] and super().decays(variable)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        rate, square = self.rate_of(variable, learning_rate), self.squares[index]
        if self.orthogonalized[index]:
            update = orthogonal_kernel(self.direction(gradient, variable)) + self.kernel_decay * variable
            self.assign_sub(variable, rate * update)
        elif square is None:
            super().update_step(gradient, variable, learning_rate)
        else:
            self.decay(variable, rate)
            self.assign_sub(variable, rate * adam_direction(self, gradient, self.momentums[index], square))


def _is_orthogonalized(variable: keras.Variable) -> bool:
    """Whether Muon updates a weight: the kernel of a convolution outside the stem."""
    return len(variable.shape) == 4 and not variable.path.startswith("stem")


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest orthogonal matrix: five Newton-Schulz iterations (Jordan et al. 2024).

    The singular vectors stay. The singular values become 0.7 to 1.2, if they are above 1/500 of the matrix's norm.

    Args:
        matrix: (rows, columns).

    Example:
        >>> import keras
        >>> from keras_resnet.training.muon import orthogonal
        >>> print(orthogonal(keras.ops.convert_to_tensor([[300.0, 0.0], [0.0, -200.0]])).numpy().round(1))
        [[ 1.1  0. ]
         [ 0.  -0.7]]
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if tall else matrix  # the smaller product of the two
    x = x / (ops.norm(x) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        product = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * product + c * ops.matmul(product, product), x)
    return ops.transpose(x) if tall else x


def orthogonal_kernel(kernel: Tensor) -> Tensor:
    """The update that replaces a kernel's (height, width, in, out): see `Muon`."""
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    return UPDATE_RMS * max(matrix.shape) ** 0.5 * ops.reshape(orthogonal(matrix), kernel.shape)


# doctest skips classes whose `__module__` is another one.
__test__ = {"Muon": Muon}
