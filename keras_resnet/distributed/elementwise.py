"""Compiling only the elementwise operations of a training step with XLA, which fuses those that follow one another."""

import contextlib

import tensorflow as tf

ELEMENTWISE = "elementwise"  # the value of `jit_compile`
OPERATIONS = frozenset(
    (
        "AddN", "AddV2", "Bitcast", "Cast", "Maximum", "Minimum", "Mul", "Neg", "Pad", "RealDiv", "Relu", "ReluGrad",
        "Rsqrt", "Slice", "Sqrt", "Square", "Sub",
    )
)  # fmt: skip


def elementwise_compiled() -> contextlib.AbstractContextManager:
    """A context whose elementwise operations are compiled with XLA, together with their gradients, and no others.

    Open it while a `tf.function` is traced; run eagerly, nothing is compiled.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.distributed.elementwise import elementwise_compiled
        >>> @tf.function
        ... def f(x):
        ...     with elementwise_compiled():
        ...         return tf.nn.relu(2 * x - 1)
        >>> f(tf.constant(2.0)).numpy()
        np.float32(3.0)
    """
    if tf.executing_eagerly():
        return contextlib.nullcontext()
    return tf.xla.experimental.jit_scope(compile_ops=lambda node: node.op in OPERATIONS)
