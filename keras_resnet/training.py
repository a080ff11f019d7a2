"""train(): strategy, model, optimizer, callbacks in a stated order, `fit`, test, run directory."""

import dataclasses
import math
import sys

import keras
import tensorflow as tf
from keras.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy

from keras_resnet import reports
from keras_resnet.bad_images import BadImages, default_limit
from keras_resnet.batches import evaluation_batches, training_batches
from keras_resnet.callbacks import LearningRate, Log, Throughput, Waits, timed
from keras_resnet.checkpoints import Checkpoint, Every, Preempted, RunningMeans, latest_checkpoint, place, restore
from keras_resnet.data import Data
from keras_resnet.evaluation import Result, check_fits, ends_in_softmax, evaluate
from keras_resnet.models import create_model
from keras_resnet.names import unknown_name
from keras_resnet.recipes import Recipe, get_recipe, settings
from keras_resnet.runs import Run, write_atomically
from keras_resnet.strategies import auto
from keras_resnet.views import center_view

ON_BAD_IMAGE = ("skip", "error")


def train(
    model,
    data: Data,
    recipe: str | Recipe,
    workdir,
    *,
    augmentation=None,
    strategy=None,
    max_bad_images: int | None = None,
    on_bad_image: str = "skip",
    checkpoint_every="auto",
    verbose="auto",
) -> Result:
    """Trains a model on `data` and leaves a run directory.

    Interrupted at any moment and started again with the same arguments, it goes on at the step of its last checkpoint,
    and ends with the same weights, to the bit on the same kind of machine, as if nothing had happened. On SIGTERM it
    saves a checkpoint after the step that it is at, and ends.

    Args:
        model: the name of a variant, which is then built for the data, in the recipe's precision and
            under the strategy; or a Keras model, which is trained as it is.
        data: from `keras_resnet.load_data`, with the same recipe.
        recipe: a `Recipe` or the name of one.
        workdir: the run directory: new, empty, or of the same run.
        augmentation: a Keras layer, of keras.layers or of keras-cv, applied to batches of training images, 0 to 255,
            besides what the recipe asks for. Those of keras.layers draw from the recipe's seed, others from their own.
        strategy: a `tf.distribute.Strategy`; default: MirroredStrategy over all GPUs (or all logical
            CPUs, if there are several), none for one device.
        max_bad_images: more images than these that cannot be read stop the run; default: 1 in 1,000 training
            images, and at least 10. Those skipped are listed in the run's bad_images.tsv.
        on_bad_image: "skip", or "error" to stop at the first.
        checkpoint_every: "auto" (as often as costs 1 % of the time), a number of steps, or of minutes as "10min".
        verbose: as in `fit`; "auto" is a progress bar on a terminal and a line an epoch elsewhere.

    Returns:
        The `Result` on the test images (or the validation, or the training images if there are no
        others), with the weights of the last step.

    Raises:
        FileExistsError: `workdir` holds another run, or other files.
        OSError: `workdir` cannot be written to.
        ValueError: model, data and recipe do not fit, or too many images cannot be read.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.random.randint(0, 256, (64, 32, 32, 3), "uint8"), np.arange(64) % 10))
        >>> recipe = keras_resnet.Recipe(epochs=1, batch_size=32)
        >>> result = keras_resnet.train("resnet20_cifar", data, recipe, "run_of_noise", verbose=0)
        >>> result.images
        64
    """
    recipe = get_recipe(recipe)
    if on_bad_image not in ON_BAD_IMAGE:
        raise unknown_name("on_bad_image", on_bad_image, ON_BAD_IMAGE)
    every = Every.parse(checkpoint_every)
    run = Run(workdir)
    description = describe(model, data, recipe, augmentation)
    begun = run.check(description)
    strategy = strategy or default_strategy(model)
    _check_precision(recipe)
    checkpoint = latest_checkpoint(run) if begun else None
    with strategy.scope():
        model = build(model, data, recipe)
        check_fits(model, data)
        compile_for(model, recipe)
        if checkpoint:
            restore(model, checkpoint)
    run.sweep()
    if not begun:
        run.create(description, data.class_names)
    limit = 0 if on_bad_image == "error" else max_bad_images
    limit = min(default_limit(len(data.train)) if limit is None else limit, len(data.train) - 1)
    bad = BadImages(run.file("bad_images.tsv"), limit)
    fit(model, data, recipe, run, checkpoint, every, augmentation, bad, verbose)
    return finish(model, data, run)


def default_strategy(model):
    """The strategy that the model was built under; of a variant's name, `strategies.auto`."""
    return auto() if isinstance(model, str) else getattr(model, "distribute_strategy", None) or auto()


def build(model, data, recipe):
    """The variant of that name, built for the data and the recipe; a model is returned as it is."""
    if not isinstance(model, str):
        return model
    keras.utils.set_random_seed(recipe.seed)
    options = dict(input_shape=data.image_shape, classes=len(data.class_names))
    if recipe.per_pixel_mean:
        options.update(mean=data.mean_image(), std=1)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        return create_model(model, **options)
    finally:
        keras.config.set_dtype_policy(policy)


def compile_for(model, recipe):
    """Compiles with SGD, cross-entropy, and the paper's weight decay on every trainable weight."""
    for variable in model.trainable_variables:
        # Keras's L2 has no 1/2. As variables' regularizers they enter the loss, not the saved model.
        variable.regularizer = keras.regularizers.L2(recipe.weight_decay / 2) if recipe.weight_decay else None
    model.compile(
        optimizer=keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov),
        loss=(CategoricalCrossentropy if recipe.soft_labels else SparseCategoricalCrossentropy)(
            from_logits=not ends_in_softmax(model)
        ),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)


def fit(model, data, recipe, run, checkpoint, every, augmentation, bad, verbose):
    """Runs `model.fit` from the checkpoint to the end: once for the rest of a begun epoch, once for all others."""
    steps_per_epoch = math.ceil(len(data.train) / recipe.batch_size)
    total_steps = max(1, round(recipe.epochs * steps_per_epoch))
    epochs = math.ceil(total_steps / steps_per_epoch)
    monitor = "val_accuracy" if data.validation else "accuracy"

    epoch, step = (checkpoint.epoch, checkpoint.step) if checkpoint else (0, 0)
    if checkpoint:
        print(f"Resuming {run.directory} {place(epoch, step)} of {epochs}.")
    if epoch >= epochs:
        return

    waits = Waits()
    rate = LearningRate(recipe, steps_per_epoch, total_steps, warms_up=needs_warmup(model, recipe))
    plateau = keras.callbacks.ReduceLROnPlateau(monitor, factor=0.1, patience=recipe.plateau_patience, min_delta=0)
    keeper = Checkpoint(run, monitor, every, steps_per_epoch, checkpoint, (rate, plateau))
    callbacks = [
        RunningMeans(checkpoint),  # first: the others read them
        rate,  # sets the rate before each step
        Throughput(len(data.train), recipe.batch_size, waits),  # adds images/s, waiting and the rate to the logs
        *([plateau] if recipe.schedule == "plateau" else []),
        Log(run),
        keras.callbacks.TensorBoard(run.file("tensorboard"), write_graph=False),
        keeper,  # last: it keeps the state of the others
    ]
    options = dict(classes=len(data.class_names), layer=augmentation, bad=bad)
    try:
        for first, skipped, end in (
            ((epoch, step, epoch + 1), (epoch + 1, 0, epochs)) if step else ((epoch, 0, epochs),)
        ):
            rate.skipped = skipped
            model.fit(
                timed(training_batches(data.train, recipe, first, skipped, **options), waits),
                steps_per_epoch=steps_per_epoch - skipped,
                initial_epoch=first,
                epochs=end,
                validation_data=validation_batches(data, recipe, bad),
                validation_steps=math.ceil(len(data.validation) / recipe.batch_size) if data.validation else None,
                callbacks=callbacks,
                shuffle=False,  # the batches come shuffled
                verbose=(1 if sys.stdout.isatty() else 2) if verbose == "auto" else verbose,
            )
    except tf.errors.OpError:
        if bad.failure:
            raise ValueError(bad.failure) from None  # TensorFlow has wrapped it
        raise
    except Preempted as stop:
        print(f"Asked to stop: saved {stop.where}; the same command goes on from there.")
        raise
    finally:
        keeper.release()


def validation_batches(data, recipe, bad):
    """Batches (images, labels) of the validation images as a test shows them, or None."""
    if data.validation is None:
        return None
    classes = len(data.class_names) if recipe.soft_labels else None
    batches = evaluation_batches(
        data.validation, recipe.batch_size, lambda image: center_view(image, data.view)[0], bad
    )
    return batches.map(lambda images, labels, _: (images, tf.one_hot(labels, classes) if classes else labels))


def finish(model, data, run) -> Result:
    """Tests the final weights and writes what only the end of a run can: result, model, pictures."""
    result = evaluate(model, data, note="final weights")
    write_atomically(run.file("final.keras"), model.save)
    run.write_json("result.json", dataclasses.asdict(result))
    reports.write_report(run, str(result))
    return result


def describe(model, data, recipe, augmentation=None) -> dict:
    """All that determines the result of a run, for recipe.json."""
    described = {"name": model}
    if not isinstance(model, str):
        trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
        described = {"name": model.name, "parameters": model.count_params(), "trainable": trainable}
    return {
        "model": described,
        "recipe": settings(recipe),
        "augmentation": keras.saving.serialize_keras_object(augmentation) if augmentation else {},
        "data": {
            "name": data.name,
            "image_shape": list(data.image_shape),
            "classes": len(data.class_names),
            "view": dataclasses.asdict(data.view),
            **{split: len(examples) for split, examples in data.splits.items()},
            "fingerprints": {split: examples.fingerprint() for split, examples in data.splits.items()},
        },
    }


def needs_warmup(model, recipe) -> bool:
    """Whether the net is as deep as those that the recipe warms up at `warmup_rate`."""
    kinds = (keras.layers.Conv2D, keras.layers.Dense)
    depth = sum(isinstance(layer, kinds) and "shortcut" not in layer.name for layer in model.layers)
    return recipe.warmup_rate > 0 and depth >= recipe.warmup_depth


def _check_precision(recipe):
    if recipe.precision == "mixed_float16" and not tf.config.list_logical_devices("GPU"):
        raise ValueError("mixed_float16 needs a GPU; on a CPU take mixed_bfloat16 or float32.")
