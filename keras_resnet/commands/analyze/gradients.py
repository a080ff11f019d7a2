"""Measures the gradients of blocks and weights, and what shortcuts hand on."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import flags

import keras_resnet
from keras_resnet.commands.analyze import subject
from keras_resnet.commands.flags import FLAGS, find_source, group, refuse
from keras_resnet.errors import check_name
from keras_resnet.progress import bar_shown
from keras_resnet.recipes import RECIPES, get_recipe
from keras_resnet.reporting.gradients_plots import plot_gradients, plot_gradients_in_training

IMAGES = 128  # the paper's batch for CIFAR-10
VANISHED = 0.1  # of the norm at the last block
WITHOUT_NORM = " without normalization"  # after the name of a variant
Rows = list[dict[str, Any]]


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_image_flags(IMAGES, split="train")
    subject.define_output_flag()
    with group("run"):
        flags.DEFINE_integer(
            "epochs", 0, "Train the variants for so many epochs, and measure after each.", lower_bound=0
        )
        flags.DEFINE_string("recipe", "cifar_quick", f"Training setup for --epochs: {', '.join(RECIPES)}.")
    with group("model"):
        flags.DEFINE_bool("without_norm", False, "Also measure the variants without their normalizations.")
        flags.DEFINE_bool(
            "moving_statistics",
            False,
            "Normalize with the moving statistics, as in inference, instead of those of the batch.",
        )


def check_flags() -> None:
    """Refuses flags that are unknown or contradict each other."""
    check_name("recipe", FLAGS.recipe, RECIPES)
    refuse(
        [
            (FLAGS.epochs and FLAGS.without_norm, "--epochs trains variants as they are; leave out --without_norm."),
            (FLAGS.epochs and FLAGS.moving_statistics, "--epochs measures in training; leave out --moving_statistics."),
            (FLAGS["recipe"].present and not FLAGS.epochs, "--recipe needs --epochs."),
        ]
    )


def main(argv: list[str]) -> None:
    """Measures each model, writes tables and pictures, and prints a verdict."""
    models = subject.labeled(argv[1:])
    needed = "--epochs trains" if FLAGS.epochs else "--without_norm is for"
    for name in models.values():
        wrong = (FLAGS.epochs or FLAGS.without_norm) and not subject.is_variant(name)
        refuse([(wrong, f"{needed} variants, with new weights; {name} is a saved model.")])
    folder = subject.output_folder(next(iter(models.values())))
    blocks, weights = _trained(models, folder) if FLAGS.epochs else _measured(models)
    subject.write_table(folder / "gradients.csv", blocks)
    subject.write_table(folder / "gradients_weights.csv", weights)
    curves = _by_curve(blocks)
    _draw(folder, curves, _by_curve(weights))
    if FLAGS.epochs:
        _draw_training(folder, blocks)
    for name, rows in curves.items():
        print(_verdict(name, rows))
    print(_sum_rule(blocks))
    plain = [rows for name, rows in curves.items() if not _is_residual(rows) and not name.endswith(WITHOUT_NORM)]
    if plain:
        print(_claim(plain))


def _measured(models: Mapping[str, str]) -> tuple[Rows, Rows]:
    """The rows of gradients.csv and of gradients_weights.csv for the models as they are."""
    import keras

    from keras_resnet.analysis.gradients import gradient_flow
    from keras_resnet.analysis.normalization import without_normalization
    from keras_resnet.analysis.samples import sample
    from keras_resnet.evaluation.class_matching import match_classes

    data = subject.data_from_flags(next(iter(models.values())))
    images, labels = sample(data, subject.split_from_flags(data), FLAGS.images)
    bar = keras.utils.Progbar(len(models), verbose=bar_shown("auto"), unit_name="model")
    blocks: Rows = []
    weights: Rows = []
    for name, path in models.items():
        model = subject.model_for(path, data)
        outputs = match_classes(model, data)[labels]
        networks = {name: model}
        if FLAGS.without_norm:
            networks[name + WITHOUT_NORM] = without_normalization(model)
        for label, network in networks.items():
            flow = gradient_flow(network, images, outputs, training=not FLAGS.moving_statistics)
            blocks += [{"model": label, **block._asdict()} for block in flow.blocks]
            weights += [{"model": label, **weight._asdict()} for weight in flow.weights]
        bar.add(1)
    return blocks, weights


def _trained(models: Mapping[str, str], folder: pathlib.Path) -> tuple[Rows, Rows]:
    """The same rows with a column "epoch", along training. Runs that are interrupted resume."""
    import tensorflow as tf

    from keras_resnet.analysis.recording import RecordGradients
    from keras_resnet.analysis.samples import sample

    source, data_dir = find_source(FLAGS.data_dir, FLAGS.data)
    recipe = get_recipe(FLAGS.recipe, epochs=FLAGS.epochs)
    data = keras_resnet.load_data(source, recipe, data_dir=data_dir)
    images, labels = sample(data, subject.split_from_flags(data), FLAGS.images)
    blocks: Rows = []
    weights: Rows = []
    for name in models:
        workdir = folder / f"run-{name}"
        record = RecordGradients(images, labels, workdir)
        # On one device, because a few epochs of a small network are not worth several.
        keras_resnet.train(name, data, recipe, workdir, callbacks=[record], strategy=tf.distribute.get_strategy())
        blocks += [{"model": name, **row} for row in record.blocks]
        weights += [{"model": name, **row} for row in record.weights]
    return blocks, weights


def _by_curve(rows: Iterable[Mapping[str, Any]]) -> dict[str, Rows]:
    """The rows of each model; of a training those of its beginning and of its end."""
    curves: dict[str, Rows] = {}
    for row in rows:
        if row.get("epoch", 0) in (0, FLAGS.epochs):
            when = f", epoch {row['epoch']}" if "epoch" in row else ""
            curves.setdefault(row["model"] + when, []).append(dict(row))
    return curves


def _column(curves: Mapping[str, Rows], column: str) -> dict[str, list[float]]:
    return {name: [row[column] for row in rows] for name, rows in curves.items()}


def _draw(folder: pathlib.Path, blocks: Mapping[str, Rows], weights: Mapping[str, Rows]) -> None:
    kernels = {name: [row for row in rows if row["kind"] == "kernel"] for name, rows in weights.items()}
    subject.write_picture(
        folder / "gradients.png",
        lambda path: plot_gradients(
            _column(blocks, "output_norm"),
            _column(kernels, "gradient_norm"),
            _column(blocks, "shortcut_share"),
            _column(blocks, "path_share"),
            path,
        ),
    )


def _draw_training(folder: pathlib.Path, blocks: Sequence[Mapping[str, Any]]) -> None:
    ends: dict[str, dict[int, Rows]] = {}
    for row in blocks:
        ends.setdefault(row["model"], {}).setdefault(row["epoch"], []).append(dict(row))
    epochs = {name: list(of_epoch) for name, of_epoch in ends.items()}
    first, last = (
        {name: [rows[end]["output_norm"] for rows in of_epoch.values()] for name, of_epoch in ends.items()}
        for end in (0, -1)
    )
    subject.write_picture(
        folder / "gradients_training.png", lambda path: plot_gradients_in_training(epochs, first, last, path)
    )


def _is_residual(rows: Rows) -> bool:
    return any(row["shortcut_norm"] > 0 for row in rows)


def _ratio(rows: Rows) -> float:
    """The gradient's norm at the first block over that at the last."""
    return rows[0]["output_norm"] / rows[-1]["output_norm"]


def _verdict(name: str, rows: Rows) -> str:
    first, last = rows[0], rows[-1]
    sentence = (
        f"{name}: the loss gradient has norm {first['output_norm']:.3g} at the first of {len(rows)} blocks, "
        f"{_ratio(rows):.3g} times the {last['output_norm']:.3g} at the last"
    )
    if not _is_residual(rows):
        return f"{sentence}; there are no shortcuts."
    share = f"{100 * first['path_share']:.2g} %"
    return f"{sentence}; of the gradient at the first block's input, {share} came through shortcuts alone."


def _sum_rule(rows: Rows) -> str:
    largest = max(row["remainder"] for row in rows)
    return (
        "Sum rule: at each block's input, the gradient is the shortcut's part plus the branch's part; what remains is "
        f"at most {largest:.1e} of it."
    )


def _claim(plain: Sequence[Rows]) -> str:
    ratios = list(map(_ratio, plain))
    answer = "yes" if min(ratios) >= VANISHED else "no"
    return (
        "The paper (section 4.1) argues that gradients of plain networks with batch normalization do not vanish. Here: "
        f"{answer}, the norm at the first block is {subject.span(ratios)} times that at the last."
    )
