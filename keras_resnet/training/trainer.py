"""`train`: from a model, data and a recipe to a run directory."""

import dataclasses
import json
import os
import zlib
from typing import Any

import keras
import tensorflow as tf

from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages, default_limit
from keras_resnet.distributed.strategies import auto
from keras_resnet.distributed.workers import Worker
from keras_resnet.errors import unknown_name
from keras_resnet.evaluation.classification import Result, check_fits, evaluate
from keras_resnet.files import write_atomically
from keras_resnet.models.complexity import trainable_parameters
from keras_resnet.models.constructors import create_model
from keras_resnet.models.model import ends_in_softmax
from keras_resnet.recipes import Recipe, get_recipe, settings
from keras_resnet.reporting.report import write_report
from keras_resnet.run_directory import Run
from keras_resnet.training.checkpoints import CheckpointInterval, latest_checkpoint, restore_variables
from keras_resnet.training.loop import fit
from keras_resnet.training.losses import cross_entropy
from keras_resnet.training.memory import check_memory
from keras_resnet.training.optimizers import set_weight_decay, sgd
from keras_resnet.training.training_input import TrainingInput

ON_BAD_IMAGE = ("skip", "error")
HOW_WORKERS_AGREE = (
    "give all workers the same flags, the same data, and the same workdir in a shared folder, so that they find the "
    "same checkpoints."
)


def train(
    model: str | keras.Model,
    data: Data,
    recipe: str | Recipe,
    workdir: str | os.PathLike,
    *,
    augmentation: keras.layers.Layer | None = None,
    strategy: tf.distribute.Strategy | None = None,
    max_bad_images: int | None = None,
    on_bad_image: str = "skip",
    checkpoint_every: str | int = "auto",
    verbose: str | int = "auto",
) -> Result:
    """Trains a model on `data` and writes a run directory.

    If a run is interrupted, call `train` again with the same arguments: it resumes at the step of the last checkpoint
    and ends with the same weights as an uninterrupted run, to the bit on the same kind of machine. On preemption
    (SIGTERM), it saves a checkpoint after the current step and exits.

    Args:
        model: the name of a variant, which is built for the data, in the recipe's precision and under the strategy;
            or a Keras model, which is trained as it is.
        data: from `keras_resnet.load_data`, with the same recipe.
        recipe: a `Recipe` or the name of one.
        workdir: the run directory: new, empty, or of the same run.
        augmentation: a Keras layer, of keras.layers or of keras-cv, applied to batches of training images, 0 to 255,
            besides the recipe's augmentation. Layers of keras.layers draw from the recipe's seed, others from their
            own.
        strategy: a `tf.distribute.Strategy`. Default: the strategy under which the model was built; for the name of a
            variant, MirroredStrategy over all GPUs (or over all logical CPUs, if there are several), and none for one
            device.
        max_bad_images: maximum number of unreadable images before stopping. Default: 1 in 1,000 training images, and
            at least 10. Skipped images are listed in the run's bad_images.tsv.
        on_bad_image: how to handle unreadable images: "skip", or "error" to stop at the first.
        checkpoint_every: "auto" (as often as takes 1 % of the time), a number of steps, or of minutes as "10min".
        verbose: as in `keras.Model.fit`; "auto" is a progress bar on a terminal and a line per epoch elsewhere.

    Returns:
        The `Result` of the last step's weights on the test images; without test images on the validation images, and
        without those on the training images.

    Raises:
        FileExistsError: `workdir` contains another run, or other files.
        OSError: `workdir` is not writable.
        ValueError: model, data and recipe do not fit together, or too many images are unreadable.
        FloatingPointError: the loss is NaN or infinite, or 100 times the loss of random guessing.
        MemoryError: a batch does not fit into memory.
        ConnectionError: another worker has ended.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.random.randint(0, 256, (64, 32, 32, 3), "uint8"), np.arange(64) % 10))
        >>> recipe = keras_resnet.Recipe(epochs=1, batch_size=32)
        >>> result = keras_resnet.train("resnet20_cifar", data, recipe, "run_of_noise", verbose=0)
        >>> result.images
        64
    """
    recipe = get_recipe(recipe)
    limit = _limit_of_bad_images(on_bad_image, max_bad_images, len(data.train))
    interval = CheckpointInterval.parse(checkpoint_every)
    run = Run(workdir)
    description = describe_run(model, data, recipe, augmentation)
    started = run.check(description)
    strategy = strategy or _default_strategy(model)
    checkpoint = latest_checkpoint(run) if started else None
    requested = zlib.crc32(json.dumps(description, sort_keys=True).encode())
    position = (checkpoint.epoch, checkpoint.step) if checkpoint else (0, 0)
    # Before the model is built: variables of different shapes would end all workers in an error of TensorFlow's.
    Worker(strategy).check_agreement((requested, started, *position), HOW_WORKERS_AGREE)
    model, worker = compiled_model(model, data, recipe, strategy)
    if checkpoint:
        restore_variables(model, checkpoint)
    if worker.is_chief:
        run.remove_scratch()
        if not started:
            run.create(description, data.class_names)
    unreadable = UnreadableImages(run.file(f"bad_images{worker.suffix}.tsv"), limit)
    training_input = TrainingInput(data, recipe, augmentation, unreadable, worker)
    fit(model, training_input, run, checkpoint, interval, verbose)
    return finish(model, data, run, worker)


def _limit_of_bad_images(on_bad_image, max_bad_images, images):
    """How many images may be unreadable; at least one must be readable."""
    if on_bad_image not in ON_BAD_IMAGE:
        raise unknown_name("on_bad_image", on_bad_image, ON_BAD_IMAGE)
    if on_bad_image == "error":
        return 0
    return min(default_limit(images) if max_bad_images is None else max_bad_images, images - 1)


def compiled_model(
    model: str | keras.Model, data: Data, recipe: Recipe, strategy: tf.distribute.Strategy | None = None
) -> tuple[keras.Model, Worker]:
    """Builds (if `model` is a name) and compiles a model for the data and the recipe.

    Returns:
        The model, and this process as a worker of the strategy.

    Raises:
        ValueError: model, data and recipe do not fit together, or the precision needs another device.
        MemoryError: a batch does not fit into memory.
    """
    if recipe.precision == "mixed_float16" and not tf.config.list_logical_devices("GPU"):
        raise ValueError("mixed_float16 needs a GPU; on a CPU use mixed_bfloat16 or float32.")
    strategy = strategy or _default_strategy(model)
    worker = Worker(strategy)
    with strategy.scope():
        built = build_model(model, data, recipe) if isinstance(model, str) else model
        check_fits(built, data)
        check_memory(built, recipe.batch_size // max(1, len(worker.addresses)), data.image_shape)
        compile_for(built, recipe)
    return built, worker


def _default_strategy(model):
    """The strategy under which a model was built; for the name of a variant, `strategies.auto`."""
    return auto() if isinstance(model, str) else getattr(model, "distribute_strategy", None) or auto()


def build_model(name: str, data: Data, recipe: Recipe) -> keras.Model:
    """Builds the variant of that name for the data, with the recipe's seed, precision and normalization."""
    keras.utils.set_random_seed(recipe.seed)
    options: dict[str, Any] = dict(input_shape=data.image_shape, classes=len(data.class_names))
    if recipe.per_pixel_mean:
        options.update(mean=data.mean_image(), std=1)
    if recipe.sync_batch_norm:
        options.update(norm="sync_batch_norm")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        return create_model(name, **options)
    finally:
        keras.config.set_dtype_policy(policy)


def compile_for(model: keras.Model, recipe: Recipe) -> None:
    """Compiles with the recipe's SGD, cross-entropy, and weight decay on every trainable weight."""
    set_weight_decay(model, recipe.weight_decay)
    model.compile(
        optimizer=sgd(recipe),
        loss=cross_entropy(recipe.soft_labels, from_logits=not ends_in_softmax(model)),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)


def finish(model: keras.Model, data: Data, run: Run, worker: Worker) -> Result:
    """Evaluates the final weights. The chief writes the result, the model and the report."""
    result = evaluate(model, data, note="final weights", verbose="auto" if worker.is_chief else 0)
    if worker.is_chief:
        write_atomically(run.file("final.keras"), model.save)
        run.write_json("result.json", dataclasses.asdict(result))
        write_report(run, str(result))
    # All workers stay until the chief has written everything: it fails when another worker ends.
    worker.check_agreement((0,), "they ended at different times.")
    return result


def describe_run(
    model: str | keras.Model, data: Data, recipe: Recipe, augmentation: keras.layers.Layer | None = None
) -> dict[str, dict]:
    """Everything that determines the result of a run, for recipe.json."""
    described: dict[str, Any] = {"name": model}
    if not isinstance(model, str):
        described = {
            "name": model.name,
            "parameters": model.count_params(),
            "trainable": trainable_parameters(model),
        }
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
