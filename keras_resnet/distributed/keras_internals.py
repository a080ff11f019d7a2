"""The private parts of Keras that this package overrides or uses, all for `tf.distribute`.

They may change in any version of Keras; `tests/distributed/test_replicas.py` checks each one against `HOOKS`. A comment
on each override links to the upstream issue. Tested with Keras 3.12 and 3.15 on TensorFlow 2.20 and 2.21. Import this
module on the TensorFlow backend only.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

# For each class, what this module relies on: methods with their parameters, attributes with their type. Attributes
# exist once a model is compiled, or an optimizer with gradient accumulation is built.
HOOKS: dict[type, dict[str, list[str] | type]] = {
    keras.Model: {
        "_make_function": ["self", "step_function"],
        "_autoconvert_optionals": ["self", "step_func"],
        "_maybe_symbolic_build": ["self", "iterator", "data_batch"],
        "_get_metrics_result_or_logs": ["self", "logs"],
        "_flatten_layers": ["self", "include_self", "recursive"],
        "_loss_tracker": keras.metrics.Mean,
    },
    keras.layers.BatchNormalization: {"_moments": ["self", "inputs", "mask"]},
    keras.optimizers.Optimizer: {
        "_all_reduce_sum_gradients": ["self", "grads_and_vars"],
        "_backend_apply_gradients": ["self", "grads", "trainable_variables"],
        "_backend_update_step": ["self", "grads", "trainable_variables", "learning_rate"],
        "_clip_gradients": ["self", "grads"],
        "_apply_weight_decay": ["self", "variables"],
        "_get_variable_index": ["self", "variable"],
        "_update_model_variables_moving_average": ["self", "trainable_variables"],
        "_overwrite_model_variables_with_average_value": ["self", "trainable_variables"],
        "_trainable_variables": list,
        "_accumulated_gradients": list,
        "_iterations": keras.Variable,
    },
}


LOGITS = "_keras_logits"  # the attribute of a softmax's or sigmoid's output from which Keras computes losses


class HookedModel(keras.Model):
    """A `keras.Model` whose loops run under any `tf.distribute.Strategy` that mirrors its variables."""

    @property
    def replicas(self) -> int:
        """The number of replicas that train the model, over all workers."""
        return self.distribute_strategy.num_replicas_in_sync

    @property
    def loss_tracker(self) -> keras.metrics.Mean:
        """The metric behind `loss` in the logs."""
        return self._loss_tracker

    # https://github.com/keras-team/keras/issues/20585 (fit on several workers). To build the model, Keras takes a batch
    # from the data, which training then misses, and concatenates its shards, which fails if they differ in length or
    # are on other workers. The shapes of the data suffice.
    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and self.replicas > 1:
            data_batch = keras.tree.map_structure(_symbolic, iterator.data_adapter.get_tf_dataset().element_spec)
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)

    # https://github.com/keras-team/keras/issues/20585 (fit on several workers): Keras cannot reduce logs over workers.
    # https://github.com/keras-team/keras/issues/19246 (steps_per_execution): it puts collectives into a loop.
    # https://github.com/keras-team/keras/issues/19891 (metrics): it averages over replicas even if shards are uneven.
    # Not reported: with jit_compile it compiles the whole step, but XLA cannot compile a program for several devices.
    def _make_function(self, step_function):
        if self.replicas == 1:
            return super()._make_function(step_function)

        def one_step(batch):
            return self._global_logs(self.distribute_strategy.run(step_function, args=(batch,)))

        def next_step(iterator):
            return one_step(iterator.get_next())

        if not self.run_eagerly:
            compiled = functools.partial(tf.function, autograph=False, reduce_retracing=True)
            # Unless inlined, the step waits for the batch, so that it updates no counter at the end of the data.
            one_step = compiled(one_step, experimental_attributes={"_noinline": True})
            next_step = compiled(next_step)
        one_step = self._autoconvert_optionals(one_step)

        def steps(iterator):
            distributed = isinstance(iterator, tf.distribute.DistributedIterator)
            logs = None
            for _ in range(self.steps_per_execution):
                try:
                    logs = next_step(iterator) if distributed else one_step(next(iterator))
                except (StopIteration, tf.errors.OutOfRangeError):
                    if logs is None:
                        raise StopIteration from None
                    break
            return logs

        return steps

    def _global_logs(self, logs):
        """The metrics over all replicas. Other values, returned by a custom step, are averaged over replicas."""
        metrics = self._get_metrics_result_or_logs(logs)
        if metrics is not logs:
            return metrics
        return keras.tree.map_structure(lambda log: self.distribute_strategy.reduce("MEAN", log, axis=None), logs)


def call_compiled(function: Callable[[], Any]) -> Any:
    """Calls a function as one XLA program; its outputs, a structure of tensors, keep the logits behind them.

    The function must not communicate with other replicas. Call this while a step is traced: each call compiles anew.
    """

    def with_logits():
        outputs = function()
        return outputs, keras.tree.map_structure(kept_logits, outputs)

    outputs, logits = tf.function(with_logits, autograph=False, jit_compile=True)()
    return keras.tree.map_structure(_keep_logits, outputs, logits)


def normalizations(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """All batch normalization layers of a model, including those of nested models."""
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]


def _symbolic(spec: tf.TypeSpec) -> keras.KerasTensor:
    """A symbolic tensor with the shape of one component of the data."""
    spec = getattr(spec, "_value_specs", (spec,))[0]  # a distributed dataset has one spec per replica
    return keras.KerasTensor((1, *spec.shape[1:]), spec.dtype.name)


def kept_logits(outputs: tf.Tensor) -> tf.Tensor | None:
    """The logits behind the outputs of a softmax or sigmoid, if Keras still knows them."""
    return getattr(outputs, LOGITS, None)


# Not reported: Keras's losses are inexact, and their gradients vanish, for probabilities without their logits.
def _keep_logits(outputs, logits):
    """The outputs, with the logits behind them unless these are None."""
    if logits is not None:
        setattr(outputs, LOGITS, logits)
    return outputs


def first_samples(outputs: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """The outputs for the first `size` samples, with the logits behind them."""
    logits = kept_logits(outputs)
    return _keep_logits(outputs[:size], None if logits is None else logits[:size])


_replica = threading.local()  # tf.distribute traces each replica in a thread of its own


# Not reported: Keras's synchronized batch normalization cannot exclude padding from its moments.
@contextlib.contextmanager
def moments_without_padding(
    normalizations: Iterable[keras.layers.BatchNormalization], size: tf.Tensor
) -> Iterator[None]:
    """Computes the moments of synchronized batch normalizations over the first `size` samples. Use it in a replica."""
    _replica.size = size
    with contextlib.ExitStack() as stack:
        for layer in normalizations:
            if layer.synchronized:
                stack.enter_context(_overridden(layer, {"_moments": functools.partial(_moments_of_samples, layer)}))
        yield


def _moments_of_samples(layer, inputs, mask):
    return type(layer)._moments(layer, inputs[: _replica.size], mask)


@contextlib.contextmanager
def _overridden(owner: Any, methods: dict[str, Callable]) -> Iterator[None]:
    """Overrides methods of one object while a step is traced.

    Replicas are traced in turns, and the first to finish restores the methods. This is safe: replicas wait for each
    other at the collective that follows the last use of an overridden method.
    """
    attributes = vars(owner)  # Keras would track attributes set with setattr
    attributes.update(methods)
    try:
        yield
    finally:
        for name in methods:
            attributes.pop(name, None)


# https://github.com/tensorflow/tensorflow/issues/33929 (clipping before gradients are aggregated). Keras also
# accumulates gradients and checks them for overflow before it sums them.
@contextlib.contextmanager
def gradients_summed(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Makes the optimizer expect gradients that are already summed over replicas. Use it in a replica.

    The overrides last only while a step is traced, so that Keras still sums the gradients of custom training loops.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    methods: dict[str, Callable] = {
        "_all_reduce_sum_gradients": lambda gradients_and_variables: gradients_and_variables,
        "_backend_apply_gradients": functools.partial(_apply_gradients, inner),
    }
    with _overridden(inner, methods):
        yield


# https://github.com/keras-team/keras/issues/20582 (gradient accumulation and ema_overwrite_frequency under a strategy).
def _apply_gradients(optimizer, gradients, variables):
    """Keras's `_backend_apply_gradients`, its conditions evaluated once for all replicas, as tf.distribute wants."""
    if not (optimizer.gradient_accumulation_steps or optimizer.ema_overwrite_frequency):
        type(optimizer)._backend_apply_gradients(optimizer, gradients, variables)
        return

    def across_replicas(strategy, gradients):
        _update_or_accumulate(strategy, optimizer, gradients, variables)
        if optimizer.use_ema:
            trainable = optimizer._trainable_variables
            strategy.run(lambda: optimizer._update_model_variables_moving_average(trainable))
            _overwrite_with_average(optimizer, trainable)

    tf.distribute.get_replica_context().merge_call(across_replicas, args=(gradients,))


def _update_or_accumulate(strategy, optimizer, gradients, variables):
    """Updates the variables; with `gradient_accumulation_steps`, only every so many steps, with the mean gradient."""

    def update(gradients):
        gradients = optimizer._clip_gradients(gradients)
        optimizer._apply_weight_decay(variables)
        optimizer._backend_update_step(gradients, variables, optimizer.learning_rate)

    steps = optimizer.gradient_accumulation_steps
    if not steps:
        strategy.run(update, args=(gradients,))
        return
    sums = [optimizer._accumulated_gradients[optimizer._get_variable_index(variable)] for variable in variables]

    def accumulate(gradients):
        for total, gradient in zip(sums, gradients, strict=True):
            total.assign_add(gradient)

    def update_with_mean(gradients):
        update([(total + gradient) / steps for total, gradient in zip(sums, gradients, strict=True)])
        for total in sums:
            total.assign(tf.zeros_like(total))

    tf.cond(
        (tf.convert_to_tensor(optimizer._iterations) + 1) % steps == 0,
        lambda: strategy.run(update_with_mean, args=(gradients,)),
        lambda: strategy.run(accumulate, args=(gradients,)),
    )


def _overwrite_with_average(optimizer, variables):
    if not optimizer.ema_overwrite_frequency:
        return
    tf.cond(
        (tf.convert_to_tensor(optimizer.iterations) + 1) % optimizer.ema_overwrite_frequency == 0,
        lambda: optimizer._overwrite_model_variables_with_average_value(variables),
        lambda: None,
    )
