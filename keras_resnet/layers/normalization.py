"""Batch normalization with TensorFlow's fused kernel."""

import keras
from keras import ops

from keras_resnet.layers.registration import Tensor, replaces


@replaces(keras.layers.BatchNormalization)
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with TensorFlow's fused kernel where possible.

    Keras 3 normalizes with elementwise operations in float32. The fused kernel does the same in
    one pass, and reads and writes bfloat16 or float16 with float32 statistics. It is used for images
    (rank 4, channels last) on the TensorFlow backend. All other cases (other axes, masks,
    synchronized or renormalized statistics, other backends, float64) are computed by Keras's layer.

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
        training = training and not self.frozen_statistics
        if not self._fused(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        return self._fused_call(inputs, training=bool(training and self.trainable))

    def _fused(self, inputs: Tensor, mask: Tensor | None) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
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
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)


# doctest skips classes whose `__module__` is another one.
__test__ = {"BatchNormalization": BatchNormalization}
