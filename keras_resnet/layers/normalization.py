"""Batch normalization that reads its images once: with TensorFlow's fused kernel, and with XLA on JAX."""

import math

import keras
from keras import ops

from keras_resnet.layers.registration import Tensor, replaces


@replaces(keras.layers.BatchNormalization)
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` that trains faster, with TensorFlow's fused kernel where possible.

    Keras 3 normalizes with elementwise operations in float32. The fused kernel does the same in
    one pass, and reads and writes bfloat16 or float16 with float32 statistics. On the JAX backend, training computes
    mean and variance together, so that XLA reads the images once for both. This is for images (rank 4, channels last).
    All other cases (other axes, masks, synchronized or renormalized statistics, other backends, float64) are computed
    by Keras's layer.

    Arguments, weights and configuration are those of Keras's layer. One difference: the moving variance
    averages the *unbiased* variance of each batch, n / (n - 1) times Keras's, as in Caffe and PyTorch
    (n = batch x height x width values per channel).

    Attributes:
        frozen_statistics: whether training normalizes with the moving statistics and leaves them as they are, while
            gamma and beta train. False at first; not part of the configuration. With `trainable=False`, neither trains.

    Example:
        >>> import keras, keras_resnet
        >>> layer = keras_resnet.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        >>> tuple(layer(keras.ops.ones((2, 4, 4, 8)), training=True).shape)
        (2, 4, 4, 8)
    """

    frozen_statistics: bool = False

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        training = bool(training and self.trainable and not self.frozen_statistics)
        backend = keras.backend.backend()
        if self._plain(inputs, mask) and backend == "tensorflow":
            return self._fused_call(inputs, training)
        if self._plain(inputs, mask) and backend == "jax" and training:
            return self._one_pass_call(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _plain(self, inputs: Tensor, mask: Tensor | None) -> bool:
        """Whether the faster ways compute what Keras's layer would."""
        return (
            len(inputs.shape) == 4
            and self.axis in (3, -1)
            and self.center
            and self.scale
            and mask is None
            and not self.synchronized
            and not getattr(self, "renorm", False)  # Keras 3.13 and later
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "bfloat16", "float16")
            and keras.backend.standardize_dtype(self.gamma.dtype) == "float32"
        )

    def _fused_call(self, inputs: Tensor, training: bool) -> Tensor:
        import tensorflow as tf

        # The raw operation, because tf.compat.v1.nn.fused_batch_norm raises epsilon to 1.001e-5.
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=tf.zeros([0]) if training else tf.convert_to_tensor(self.moving_mean),
            variance=tf.zeros([0]) if training else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            self._update_statistics(mean, variance)
        return ops.cast(outputs, self.compute_dtype)

    def _one_pass_call(self, inputs: Tensor) -> Tensor:
        images, pixels = ops.cast(inputs, "float32"), (0, 1, 2)
        # Moments about the moving mean: those about zero lose the digits of a variance that is small beside the mean.
        centered = images - self.moving_mean
        shift = ops.mean(centered, pixels)
        mean, variance = shift + self.moving_mean, ops.mean(ops.square(centered), pixels) - ops.square(shift)
        variance = ops.maximum(variance, 0.0)
        normalized = ops.batch_normalization(images, mean, variance, -1, self.beta, self.gamma, self.epsilon)
        count = math.prod(inputs.shape[:3])
        self._update_statistics(mean, variance * (count / max(count - 1, 1)))
        return ops.cast(normalized, self.compute_dtype)

    def _update_statistics(self, mean: Tensor, variance: Tensor) -> None:
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))


# doctest skips classes whose `__module__` is another one.
__test__ = {"BatchNormalization": BatchNormalization}
