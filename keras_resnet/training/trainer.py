"""TODO training.trainer."""

import dataclasses
import json
import zlib

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
from keras_resnet.recipes import Recipe, get_recipe, settings
from keras_resnet.reporting.report import write_report
from keras_resnet.run_directory import Run
from keras_resnet.training.checkpoints import Every, latest_checkpoint, restore
from keras_resnet.training.compilation import compile_for
from keras_resnet.training.loop import TrainingInput, fit
from keras_resnet.training.memory import check_memory

ON_BAD_IMAGE = ("skip", "error")
WORKERS_ALIKE = (
    "give all of them the same flags and the same data, and a workdir in a folder that they share, where they find the "
    "same checkpoints."
)


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
        FloatingPointError: the loss is no number any more, or has grown beyond measure.
        MemoryError: a batch does not fit into the memory.
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
    if on_bad_image not in ON_BAD_IMAGE:
        raise unknown_name("on_bad_image", on_bad_image, ON_BAD_IMAGE)
    every = Every.parse(checkpoint_every)
    run = Run(workdir)
    description = describe(model, data, recipe, augmentation)
    begun = run.check(description)
    model, worker = compiled(model, data, recipe, strategy)
    checkpoint = latest_checkpoint(run) if begun else None
    if checkpoint:
        restore(model, checkpoint)
    asked = zlib.crc32(json.dumps(description, sort_keys=True).encode())
    worker.check_agreement((asked, begun, *(checkpoint[:2] if checkpoint else (0, 0))), WORKERS_ALIKE)
    if worker.is_chief:
        run.sweep()
    if worker.is_chief and not begun:
        run.create(description, data.class_names)
    limit = 0 if on_bad_image == "error" else max_bad_images
    limit = min(default_limit(len(data.train)) if limit is None else limit, len(data.train) - 1)
    bad = UnreadableImages(run.file(f"bad_images{worker.suffix}.tsv"), limit)
    fit(model, TrainingInput(data, recipe, augmentation, bad, worker), run, checkpoint, every, verbose)
    return finish(model, data, run, worker)


def compiled(model, data, recipe, strategy):
    """(the model, built if it is a name, and compiled as the recipe says; this process as a worker of the strategy)."""
    if recipe.precision == "mixed_float16" and not tf.config.list_logical_devices("GPU"):
        raise ValueError("mixed_float16 needs a GPU; on a CPU take mixed_bfloat16 or float32.")
    strategy = strategy or default_strategy(model)
    worker = Worker(strategy)
    with strategy.scope():
        model = build(model, data, recipe)
        check_fits(model, data)
        check_memory(model, recipe.batch_size // max(1, len(worker.addresses)), data.image_shape)
        compile_for(model, recipe)
    return model, worker


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
    if recipe.sync_batch_norm:
        options.update(norm="sync_batch_norm")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        return create_model(model, **options)
    finally:
        keras.config.set_dtype_policy(policy)


def finish(model, data, run, worker) -> Result:
    """Tests the final weights; the chief writes what only the end of a run can: result, model, pictures."""
    result = evaluate(model, data, note="final weights", verbose="auto" if worker.is_chief else 0)
    if worker.is_chief:
        write_results(model, run, result)
    worker.check_agreement((0,), "they ended at different times.")  # or the chief would miss the others while it writes
    return result


def write_results(model, run, result):
    """The final model, its accuracy and the pictures."""
    write_atomically(run.file("final.keras"), model.save)
    run.write_json("result.json", dataclasses.asdict(result))
    write_report(run, str(result))


def describe(model, data, recipe, augmentation=None) -> dict:
    """All that determines the result of a run, for recipe.json."""
    described = {"name": model}
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
