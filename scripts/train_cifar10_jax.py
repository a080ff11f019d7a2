"""Trains a CIFAR net by a recipe on one GPU or TPU, in minutes, with Keras's JAX backend and without TensorFlow.

    KERAS_BACKEND=jax python scripts/train_cifar10_jax.py --data=cifar10.npz --workdir=runs/resnet20 \
        [--model=resnet20_cifar] [--recipe=cifar_he2015] [--seed=0]

The whole data set and its augmentation are on the device, and an epoch is one compiled program. --data is a file of
arrays x_train, y_train, x_test and y_test (images uint8), as `numpy.savez` writes it. The run directory has
recipe.json, log.csv, result.json and final.keras, as that of `keras_resnet.train`. There are no checkpoints: to start
an interrupted run again, remove its directory.
"""

import functools
import sys
import time
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

import keras_resnet
from keras_resnet.commands import app
from keras_resnet.commands.flags import default_to_recipe, define_recipe_flags, recipe_from_flags, refuse
from keras_resnet.commands.table import Command
from keras_resnet.errors import first_line
from keras_resnet.files import write_atomically
from keras_resnet.recipes import Recipe, rate_factor, setting_fields, settings

if TYPE_CHECKING:
    import keras

FLAGS = flags.FLAGS
# The settings that this program knows; all others must have their defaults.
SUPPORTED = (
    *("epochs", "batch_size", "learning_rate", "learning_rate_per_256", "momentum", "nesterov", "weight_decay"),
    *("schedule", "milestones", "warmup_learning_rate", "warmup_fraction", "warmup_start", "validation_fraction"),
    *("per_pixel_mean", "pad", "flip", "seed"),
)
TEST_BATCH = 1000


class Arrays(NamedTuple):
    """Images, uint8 (N, 32, 32, 3), and class numbers, int32 (N,)."""

    images: Any
    labels: Any


def define_flags() -> None:
    """Defines the flags of this program."""
    define_recipe_flags("cifar_he2015")
    flags.DEFINE_string("data", None, "File of the arrays x_train, y_train, x_test and y_test.")
    flags.DEFINE_string("model", "resnet20_cifar", "Variant to train; `keras-resnet list` shows all.")
    flags.DEFINE_string("workdir", None, "Run directory: new or empty.")


def complete_flags() -> None:
    """Makes the values of the selected recipe the defaults of its flags."""
    default_to_recipe()


def check_flags() -> None:
    """Refuses settings that this program does not know."""
    recipe = recipe_from_flags()
    unknown = [
        field.name
        for field in setting_fields()
        if field.name not in SUPPORTED and getattr(recipe, field.name) != field.default and field.name != "image_size"
    ]
    missing = [f"--{name}" for name in ("data", "workdir") if not FLAGS[name].value]
    refuse([(missing, f"Give {' and '.join(missing)}.")])
    refuse([(unknown, f"This program does not know {', '.join(unknown)}; train with `keras-resnet train`.")])


def main(argv: list[str]) -> None:
    """Trains, evaluates, and writes the run directory."""
    import keras

    from keras_resnet.run_directory import Run, environment

    del argv
    refuse([(keras.backend.backend() != "jax", "Set the environment variable KERAS_BACKEND=jax.")])
    import jax

    recipe, run = recipe_from_flags(), Run(FLAGS.workdir)
    used = run.directory.is_dir() and any(run.directory.iterdir())
    refuse([(run.directory.is_file(), f"--workdir: {run.directory} is a file; choose another name.")])
    refuse([(used, f"--workdir: {run.directory} is not empty; remove it, or choose another one.")])
    train, validation, test = load(FLAGS.data, recipe)
    few = (
        f"--batch_size={recipe.batch_size} is more than the {len(train.labels)} training images; choose a smaller one."
    )
    refuse([(len(train.labels) < recipe.batch_size, few)])
    classes = 1 + int(max(part.labels.max(initial=0) for part in (train, validation, test)))
    model = build(FLAGS.model, train, classes, recipe)
    run.directory.mkdir(parents=True, exist_ok=True)
    run.write_json(
        "recipe.json",
        {
            "model": {"name": FLAGS.model},
            "recipe": settings(recipe),
            "data": {"name": FLAGS.data, "train": len(train.labels), "view": {"size": train.images.shape[1:3]}},
            "environment": {**environment(), "jax": jax.__version__, "device": jax.devices()[0].device_kind},
        },
    )
    start = time.perf_counter()
    fit(model, train, validation, recipe, run)
    seconds, correct = time.perf_counter() - start, count_correct(model, test)
    write_atomically(run.file("final.keras"), model.save)
    result = {"split": "test", "images": len(test.labels), "top1_correct": correct, "training_seconds": seconds}
    run.write_json("result.json", result)
    print(f"test accuracy {correct / len(test.labels):.4f} ({correct} of {len(test.labels)}), {seconds:.0f} s")


def load(path: str, recipe: Recipe) -> tuple[Arrays, Arrays, Arrays]:
    """The images to train on, the held-out ones, and the test images.

    Raises:
        ValueError: the file does not have these arrays.
    """
    try:
        with np.load(path) as file:
            (images, labels), test = (
                Arrays(file[f"x_{split}"], file[f"y_{split}"].reshape(-1).astype("int32"))
                for split in ("train", "test")
            )
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:  # of NumPy's readers
        raise ValueError(
            f"--data: {path} is not a readable file of the arrays x_train, y_train, x_test and y_test "
            f"({first_line(error)})."
        ) from None
    for part in (Arrays(images, labels), test):
        wrong = part.images.dtype != np.uint8 or part.images.ndim != 4 or len(part.images) != len(part.labels)
        refuse([(wrong, f"--data: {path} must have images of type uint8, (N, height, width, 3), and N labels.")])
        refuse([(part.labels.min(initial=0) < 0, f"--data: {path} must have labels from 0.")])
    order = np.random.default_rng(recipe.seed).permutation(len(labels))
    held_out, kept = np.split(order, [round(recipe.validation_fraction * len(order))])
    return Arrays(images[kept], labels[kept]), Arrays(images[held_out], labels[held_out]), test


def build(name: str, train: Arrays, classes: int, recipe: Recipe) -> "keras.Model":
    """The variant for these images, with the recipe's seed and normalization, compiled with SGD."""
    import keras

    from keras_resnet.models.complexity import weighted_layers

    keras.utils.set_random_seed(recipe.seed)
    options = dict(mean=train.images.mean(axis=0, dtype="float64"), std=1) if recipe.per_pixel_mean else {}
    options.update(input_shape=train.images.shape[1:], classes=classes)
    model = keras_resnet.create_model(name, classifier_activation=None, **options)
    deep = weighted_layers(model) >= recipe.warmup_min_layers
    refuse([(recipe.warmup_learning_rate and deep, f"{name} needs a warm-up; train with `keras-resnet train`.")])
    optimizer = keras.optimizers.SGD(recipe.base_rate, momentum=recipe.momentum, nesterov=recipe.nesterov)
    model.compile(optimizer)
    optimizer.build(model.trainable_variables)
    return model


def fit(model: "keras.Model", train: Arrays, validation: Arrays, recipe: Recipe, run: Any) -> None:
    """Trains to the end of the run; an epoch leaves out the images that do not fill a batch."""
    import jax

    steps = len(train.labels) // recipe.batch_size
    total = round(recipe.epochs * -(-len(train.labels) // recipe.batch_size))
    rates = recipe.base_rate * np.array([rate_factor(recipe, step / total) for step in range(total)], "float32")
    key, images, labels = jax.random.key(recipe.seed), *map(jax.numpy.asarray, train)
    state = [[variable.value for variable in group] for group in variables_of(model)]
    epoch_of, rows = jax.jit(functools.partial(epoch, model, recipe), donate_argnums=0), []
    for number, first in enumerate(range(0, total, steps)):
        start = time.perf_counter()
        epoch_rates = rates[first : first + steps]
        state, metrics = epoch_of(state, jax.random.fold_in(key, number), images, labels, epoch_rates)
        loss, accuracy = map(float, metrics)
        for variables, values in zip(variables_of(model), state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        row = {"epoch": number, "loss": loss, "accuracy": accuracy, "learning_rate": float(epoch_rates[-1])}
        if len(validation.labels):
            row["val_accuracy"] = count_correct(model, validation) / len(validation.labels)
        rows.append({**row, "seconds": round(time.perf_counter() - start, 3)})
        run.write_log(rows)
        print(" ".join(f"{name} {value:.5g}" for name, value in rows[-1].items()), flush=True)


def variables_of(model: "keras.Model") -> tuple[list, list, list]:
    """The variables that a step changes: weights, moving statistics, and those of the optimizer."""
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables


def epoch(model: "keras.Model", recipe: Recipe, state: list, key: Any, images: Any, labels: Any, rates: Any) -> tuple:
    """All steps of an epoch, one for each learning rate: (state, (mean loss, accuracy))."""
    import jax
    import keras

    def loss_of(weights, statistics, batch, classes):
        logits, statistics = model.stateless_call(weights, statistics, batch, training=True)
        losses = keras.ops.sparse_categorical_crossentropy(classes, logits, from_logits=True)
        return losses.mean(), (statistics, (logits.argmax(-1) == classes).mean())

    def step(state, inputs):
        weights, statistics, optimizer = state
        chosen, rate, step_key = inputs
        batch, classes = augment(images[chosen], step_key, recipe), labels[chosen]
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (statistics, accuracy)), gradients = gradient(weights, statistics, batch, classes)
        gradients = [slope + recipe.weight_decay * weight for slope, weight in zip(gradients, weights, strict=True)]
        optimizer = [optimizer[0], rate, *optimizer[2:]]  # iterations, learning rate, momenta
        weights, optimizer = model.optimizer.stateless_apply(optimizer, gradients, weights)
        return [weights, statistics, optimizer], (loss, accuracy)

    order_key, key = jax.random.split(key)
    order = jax.random.permutation(order_key, len(labels))[: len(rates) * recipe.batch_size]
    steps = order.reshape(-1, recipe.batch_size), rates, jax.random.split(key, len(rates))
    state, metrics = jax.lax.scan(step, state, steps)
    return state, jax.tree.map(lambda values: values.mean(), metrics)


def augment(images: Any, key: Any, recipe: Recipe) -> Any:
    """Random crops of the images with black pixels around them, and flips (He et al. 2015, section 4.2)."""
    import jax

    count, height, width, _ = images.shape
    crop_key, flip_key = jax.random.split(key)
    padded = jax.numpy.pad(images, ((0, 0), (recipe.pad, recipe.pad), (recipe.pad, recipe.pad), (0, 0)))
    rows, columns = jax.random.randint(crop_key, (2, count, 1), 0, 2 * recipe.pad + 1)
    mirrored = recipe.flip & jax.random.bernoulli(flip_key, shape=(count, 1))
    columns += jax.numpy.where(mirrored, jax.numpy.arange(width)[::-1], jax.numpy.arange(width))
    rows += jax.numpy.arange(height)
    return padded[jax.numpy.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]].astype("float32")


def count_correct(model: "keras.Model", data: Arrays) -> int:
    """The number of images that the model classifies right."""
    batches = range(0, len(data.labels), TEST_BATCH)
    scores = [np.asarray(predict(model, data.images[first : first + TEST_BATCH])) for first in batches]
    return int((np.concatenate(scores).argmax(axis=1) == data.labels).sum())


@functools.lru_cache(maxsize=1)
def compiled(model: "keras.Model") -> Any:
    """The model's compiled forward pass."""
    import jax

    return jax.jit(lambda weights, statistics, images: model.stateless_call(weights, statistics, images)[0])


def predict(model: "keras.Model", images: np.ndarray) -> Any:
    """The logits of a batch."""
    weights, statistics, _ = [[variable.value for variable in group] for group in variables_of(model)]
    return compiled(model)(weights, statistics, images)


if __name__ == "__main__":
    summary = "Train a CIFAR net on one GPU or TPU with Keras's JAX backend."
    app.run(Command("__main__", summary, needs_tensorflow=False), sys.argv)
