"""`Model`: what every constructor of this package returns."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile

import keras

LAYERS_IN_A_ROW = 20_000  # ResNet-1202 has 4,205


@contextlib.contextmanager
def _recursion_limit(at_least):
    """Keras walks a functional graph by recursion, a frame for each layer in a row; Python stops at 1,000."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, at_least))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def replicated() -> int:
    """The number of replicas that `fit` trains in step, or 0 where there is one only."""
    if keras.backend.backend() != "tensorflow":
        return 0
    import tensorflow as tf

    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return replicas if replicas > 1 else 0


def at_least_one(part, count):
    """The part of a batch; of an empty one, an example of zeros, which layers can be called on."""
    import tensorflow as tf

    if part is None:
        return None
    return tf.cond(count > 0, lambda: part, lambda: tf.zeros((1, *part.shape[1:]), part.dtype))


def share_of_batch(count):
    """This replica's share of the examples of all, 0 to 1; in a replica."""
    import tensorflow as tf

    count = tf.cast(count, tf.float32)
    total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, count)
    return tf.math.divide_no_nan(count, total)


def sum_over_replicas(gradients):
    """The sum of each gradient over all replicas; None where there is none; in a replica."""
    import tensorflow as tf

    there = [gradient for gradient in gradients if gradient is not None]
    summed = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, there))
    return [None if gradient is None else next(summed) for gradient in gradients]


# ---------------------------------------------------------------------------------------------
# Keras's private hooks that are overridden, all of them; tests/test_distribution.py tells when Keras changes one.


def apply_summed(optimizer, gradients, variables):
    """Applies gradients that are summed over the replicas already, which Keras's optimizer would sum again.

    The optimizer of a model stays so: its replicas trace this in threads of their own, at the same time.
    """
    getattr(optimizer, "inner_optimizer", optimizer)._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


class _TrainerHooks:
    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Builds metrics and optimizer from the shapes of the data.

        Keras takes a batch for that, which is then missing, and adds up the replicas' parts of it, which fails where
        these differ in length, or lie on other hosts.
        """
        strategy = getattr(self, "distribute_strategy", None)
        if iterator is not None and strategy is not None and strategy.num_replicas_in_sync > 1:
            specs = iterator.data_adapter.get_tf_dataset().element_spec
            data_batch = keras.tree.map_structure(
                lambda spec: keras.KerasTensor((1, *spec.shape[1:]), spec.dtype.name), specs
            )
            iterator = None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)


@keras.saving.register_keras_serializable(package="keras_resnet")
class Model(_TrainerHooks, keras.Model):
    """A functional `keras.Model` that trains right under `tf.distribute`, and that `save` also writes as a SavedModel.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.ResNet20Cifar()
        >>> model.save("resnet20")  # a SavedModel folder
        >>> model.save("resnet20.keras")  # a Keras file
    """

    # The parameters are named so that Keras still recreates the model from a functional configuration.
    def __init__(self, *args, **kwargs):
        with _recursion_limit(LAYERS_IN_A_ROW):
            super().__init__(*args, **kwargs)

    def train_step(self, data):
        """A step whose gradient is that of the mean over the whole batch, however it is split over devices.

        Keras weights all replicas alike, and clips and checks each one's gradients by themselves. Here each replica
        counts by its share of the examples, a replica without any not at all, and the optimizer sees the sum.
        """
        if not replicated():
            return super().train_step(data)
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        count = tf.shape(keras.tree.flatten(x)[0])[0]
        x, y, sample_weight = keras.tree.map_structure(lambda part: at_least_one(part, count), (x, y, sample_weight))
        share = share_of_batch(count)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            # Keras has divided it by the number of replicas.
            self._loss_tracker.update_state(loss * replicated(), sample_weight=count)
            loss = self.optimizer.scale_loss(loss * tf.cast(share * replicated(), loss.dtype))
        gradients = tape.gradient(loss, self.trainable_weights)
        apply_summed(self.optimizer, sum_over_replicas(gradients), self.trainable_weights)
        x, y, y_pred, sample_weight = keras.tree.map_structure(
            lambda part: None if part is None else part[:count], (x, y, y_pred, sample_weight)
        )
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def save(self, filepath, overwrite=True, **kwargs):
        """Writes `filepath`: a SavedModel where the name has no suffix, else what Keras writes.

        The folder appears whole or not at all. Its signature `serving_default` and its
        function `serve` take a float32 batch of images as the model does.

        Raises:
            FileExistsError: `filepath` exists and is no SavedModel, or `overwrite` is false.
        """
        path = pathlib.Path(filepath)
        if path.suffix:
            return super().save(filepath, overwrite=overwrite, **kwargs)
        if path.exists() and not (overwrite and (path / "saved_model.pb").is_file()):
            raise FileExistsError(f"{path} exists and is not a SavedModel to overwrite; choose another name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            new, old = os.path.join(scratch, "new"), os.path.join(scratch, "old")
            self.export(new, format="tf_saved_model", verbose=False)
            if path.exists():
                shutil.move(path, old)
            os.rename(new, path)
