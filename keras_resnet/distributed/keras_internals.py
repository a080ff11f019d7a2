"""Every private part of Keras that this package overrides or calls, all of it for tf.distribute.

Keras promises nothing about these; `tests/test_distribution.py` compares each with `HOOKS`. Tried with Keras 3.12 and
3.15 on TensorFlow 2.20 and 2.21. Imported on the TensorFlow backend only.
"""

import contextlib
import functools
import threading

import keras
import tensorflow as tf

# What must be there, with these parameters: a class, its methods and attributes that this module relies on.
HOOKS = {
    keras.Model: {
        "_make_function": ["self", "step_function"],
        "_autoconvert_optionals": ["self", "step_func"],
        "_maybe_symbolic_build": ["self", "iterator", "data_batch"],
        "_get_metrics_result_or_logs": ["self", "logs"],
        "_flatten_layers": ["self", "include_self", "recursive"],
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
    },
}


class HookedModel(keras.Model):
    """A `keras.Model` whose loops run under any `tf.distribute.Strategy` that mirrors its variables."""

    @property
    def replicas(self) -> int:
        """The number of replicas that train one model, on all workers together."""
        return self.distribute_strategy.num_replicas_in_sync

    @property
    def loss_tracker(self) -> keras.metrics.Mean:
        """The metric behind `loss` in the logs."""
        return self._loss_tracker

    def normalizations(self):
        """All batch normalizations of the model, those of models within it too."""
        layers = self._flatten_layers(include_self=False)
        return [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras takes a batch to build with: one that is missing from the data then, and whose replicas' parts it adds
        # up, which fails where these differ in length, or lie on other workers. The shapes of the data will do.
        if iterator is not None and self.replicas > 1:
            data_batch = keras.tree.map_structure(_described, iterator.data_adapter.get_tf_dataset().element_spec)
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)

    def _make_function(self, step_function):
        # Keras's own cannot reduce the logs over several workers, puts collectives into a loop for
        # `steps_per_execution`, and averages the replicas' metrics where their parts of the batch may differ.
        if self.replicas == 1:
            return super()._make_function(step_function)

        def one_step(batch):
            return self._global_logs(self.distribute_strategy.run(step_function, args=(batch,)))

        def next_step(iterator):
            return one_step(iterator.get_next())

        if not self.run_eagerly:
            compiled = functools.partial(tf.function, autograph=False, reduce_retracing=True)
            # Not inlined, it waits for the batch: at the end of the data no counter is moved.
            one_step = compiled(one_step, jit_compile=self.jit_compile, experimental_attributes={"_noinline": True})
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
        """The metrics over all replicas; what else a step of the user's own returned is averaged."""
        metrics = self._get_metrics_result_or_logs(logs)
        if metrics is not logs:
            return metrics
        return keras.tree.map_structure(lambda log: self.distribute_strategy.reduce("MEAN", log, axis=None), logs)


def _described(spec):
    """What Keras builds with, from the specification of a part of the data; None for one that is missing."""
    spec = getattr(spec, "_value_specs", (spec,))[0]  # of a distributed data set: one for each replica
    if isinstance(spec, tf.OptionalSpec):
        return None
    return keras.KerasTensor((1, *spec.shape[1:]), spec.dtype.name)


_replica = threading.local()  # tf.distribute traces each replica in a thread of its own


@contextlib.contextmanager
def samples_counted(normalizations, size):
    """Within it, in a replica, synchronized batch normalizations take the moments of the first `size` samples only."""
    _replica.size = size
    with contextlib.ExitStack() as stack:
        for layer in normalizations:
            if layer.synchronized:
                stack.enter_context(_hooked(layer, {"_moments": functools.partial(_moments_of_samples, layer)}))
        yield


def _moments_of_samples(layer, inputs, mask):
    return type(layer)._moments(layer, inputs[: _replica.size], mask)


@contextlib.contextmanager
def _hooked(owner, hooks):
    """Methods of one object replaced while a step is traced.

    The replicas are traced in turns, and the first to end puts everything back: no other is left before its last hook
    then, since they meet at the collective after it.
    """
    attributes = vars(owner)  # not setattr, by which Keras would track them
    attributes.update(hooks)
    try:
        yield
    finally:
        for name in hooks:
            attributes.pop(name, None)


@contextlib.contextmanager
def gradients_summed(optimizer):
    """Within it, in a replica, the optimizer takes gradients that are summed over the replicas already.

    Keras clips, accumulates, and looks for overflows before it sums. The hooks are there only while a step is traced,
    so that gradients of a loop of the user's own are summed by Keras as ever.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    hooks = {
        "_all_reduce_sum_gradients": lambda gradients_and_variables: gradients_and_variables,
        "_backend_apply_gradients": functools.partial(_apply, inner),
    }
    with _hooked(inner, hooks):
        yield


def _apply(optimizer, gradients, variables):
    """Keras's `_backend_apply_gradients`, its conditions taken for all replicas at once, as tf.distribute wants it."""
    if not (optimizer.gradient_accumulation_steps or optimizer.ema_overwrite_frequency):
        return type(optimizer)._backend_apply_gradients(optimizer, gradients, variables)

    def across_replicas(strategy, gradients):
        _update_or_accumulate(strategy, optimizer, gradients, variables)
        if optimizer.use_ema:
            every = optimizer._trainable_variables
            strategy.run(lambda: optimizer._update_model_variables_moving_average(every))
            _overwrite_by_average(optimizer, every)

    tf.distribute.get_replica_context().merge_call(across_replicas, args=(gradients,))


def _update_or_accumulate(strategy, optimizer, gradients, variables):
    """A step of the optimizer, or with `gradient_accumulation_steps` the one step of many, by the mean gradient."""

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

    def update_by_mean(gradients):
        update([(total + gradient) / steps for total, gradient in zip(sums, gradients, strict=True)])
        for total in sums:
            total.assign(tf.zeros_like(total))

    tf.cond(
        (tf.convert_to_tensor(optimizer._iterations) + 1) % steps == 0,
        lambda: strategy.run(update_by_mean, args=(gradients,)),
        lambda: strategy.run(accumulate, args=(gradients,)),
    )


def _overwrite_by_average(optimizer, variables):
    if not optimizer.ema_overwrite_frequency:
        return
    tf.cond(
        (tf.convert_to_tensor(optimizer.iterations) + 1) % optimizer.ema_overwrite_frequency == 0,
        lambda: optimizer._overwrite_model_variables_with_average_value(variables),
        lambda: None,
    )
