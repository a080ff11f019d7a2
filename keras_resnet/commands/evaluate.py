"""Evaluates a model on a data set."""

import os
import pathlib
from typing import TYPE_CHECKING

from absl import flags

import keras_resnet
from keras_resnet.choices import CLASS_LISTS, COMPARED_CLASSES, PROTOCOLS, SPLITS
from keras_resnet.commands.flags import (
    FLAGS,
    VIEW_SETTINGS,
    data_for,
    define_model_data_flags,
    define_numbers,
    define_setting_flags,
    group,
    override_settings,
    refuse,
    unknown_model,
)
from keras_resnet.commands.training import WEIGHTS, check_weights
from keras_resnet.errors import check_name
from keras_resnet.files import write_rows
from keras_resnet.recipes import Recipe, override
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    import keras

    from keras_resnet.evaluation import Result
    from keras_resnet.weights import PretrainedWeights

UNKNOWN_VIEW = Recipe(crop_fraction=0.875)  # for weights that do not say how they are tested


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("model"):
        flags.DEFINE_string("model", None, "Run directory, .keras file, id of weights, or variant.")
        flags.DEFINE_string("weights", None, f"{WEIGHTS}, if the model is a variant.")
        flags.DEFINE_enum(
            "class_list",
            None,
            CLASS_LISTS,
            "Classes of a weight file, if the data have only some of them [those of the data].",
        )
    define_model_data_flags()
    with group("data"):
        flags.DEFINE_enum("split", None, SPLITS, "Images to evaluate on [the first of test, validation, train].")
        flags.DEFINE_string("real_labels", None, "ReaL labels (real.json) of ImageNet's validation images.")
    with group("test view"):
        flags.DEFINE_list("protocol", "center", f"One or more of {', '.join(PROTOCOLS)}, separated by commas.")
        text = "Short sides for multi_scale, pixels [224,256,384,480,640 x size / 224]."
        define_numbers("scales", None, text, number=int)
        flags.DEFINE_enum(
            "classes", "all", COMPARED_CLASSES, "Classes to choose from, if the data have only some of the model's."
        )
    define_setting_flags(VIEW_SETTINGS, otherwise="the run's or the weights'")
    with group("run"):
        flags.DEFINE_string("per_class", None, "CSV file to write the accuracy of each class to.")
        flags.DEFINE_integer(
            "recalibrate_batchnorm",
            0,
            "First recompute the batch normalization statistics over this many training images.",
            lower_bound=0,
        )


def check_flags() -> None:
    """Refuses flags that are out of range or contradict each other."""
    _check_model()
    _check_protocols()
    _check_files()
    override_settings(Recipe())


def _check_model() -> None:
    if not FLAGS.model:
        raise ValueError("Give a --model: a run directory, a .keras file, an id of weights, or a variant.")
    saved, variant = pathlib.Path(FLAGS.model).expanduser().exists(), FLAGS.model in VARIANTS
    if not saved and not variant:
        variant = _split_id()
    if not saved and not variant:
        raise unknown_model(FLAGS.model)
    refuse(
        [
            (saved and FLAGS.weights, f"{FLAGS.model} has its own weights; leave out --weights."),
            (not saved and not FLAGS.weights, "--model is a variant; also give --weights."),
            (FLAGS.class_list and not FLAGS.weights, "--class_list needs --weights: a weight file."),
        ]
    )


def _split_id() -> bool:
    """Puts an id of weights in the place of --weights, and its variant in that of --model; whether --model is one."""
    from keras_resnet.weights.pretrained import variant_of  # imports Keras

    variant = variant_of(FLAGS.model)
    if variant:
        refuse([(FLAGS.weights, f"{FLAGS.model} has its own weights; leave out --weights.")])
        FLAGS["weights"].value, FLAGS["model"].value = FLAGS.model, variant
    return variant is not None


def _check_protocols() -> None:
    for protocol in FLAGS.protocol:
        check_name("protocol", protocol, PROTOCOLS)
    refuse(
        [
            (not FLAGS.protocol, f"Give a --protocol: one or more of {', '.join(PROTOCOLS)}."),
            (FLAGS.scales and "multi_scale" not in FLAGS.protocol, "--scales needs --protocol=multi_scale."),
            (any(scale < 1 for scale in FLAGS.scales or ()), "--scales must be above 0."),
        ]
    )


def _check_files() -> None:
    table, labels = (pathlib.Path(path or "").expanduser() for path in (FLAGS.per_class, FLAGS.real_labels))
    no_folder = FLAGS.per_class and not os.access(table.parent, os.W_OK)
    refuse(
        [
            (no_folder, f"--per_class: there is no writable folder {table.parent}."),
            (FLAGS.per_class and table.is_dir(), f"--per_class: {table} is a folder; name a file."),
            (FLAGS.real_labels and not labels.is_file(), f"--real_labels: there is no file {labels}."),
        ]
    )


def main(argv: list[str]) -> None:
    """Evaluates under each protocol, and prints the results."""
    del argv
    recipe = view_recipe()
    data = data_for(FLAGS.model, recipe)
    model = _load_model(data)
    if FLAGS.recalibrate_batchnorm:
        keras_resnet.recalibrate_batchnorm(model, data, recipe, FLAGS.recalibrate_batchnorm)
    real_labels = pathlib.Path(FLAGS.real_labels).expanduser() if FLAGS.real_labels else None
    results = {}
    for protocol in FLAGS.protocol:
        results[protocol] = keras_resnet.evaluate(
            model, data, FLAGS.split, protocol, scales=FLAGS.scales, classes=FLAGS.classes, real_labels=real_labels
        )
        _print_result(results[protocol])
    if FLAGS.per_class:
        _write_classes(FLAGS.per_class, results)


def view_recipe() -> Recipe:
    """How images are resized and cropped: by the run's recipe or the weights' settings, unless flags override them."""
    from keras_resnet.run_directory import recipe_of, recipe_with

    published = _published()
    if published:
        refuse([(FLAGS.class_list, f"{FLAGS.weights} has its own classes; leave out --class_list.")])
        recipe = recipe_with(published.view)
    elif FLAGS.weights:
        check_weights(FLAGS.model, FLAGS.weights)
        recipe = UNKNOWN_VIEW
    else:
        recipe = recipe_of(FLAGS.model) or UNKNOWN_VIEW
    if FLAGS["image_size"].present:
        recipe = override(recipe, test_size=0)  # which would come before it
    return override_settings(recipe)


def _load_model(data: "keras_resnet.Data") -> "keras.Model":
    from keras_resnet.preprocessing import class_names

    if not FLAGS.weights:
        return keras_resnet.load_model(FLAGS.model)
    names = class_names(FLAGS.class_list) if FLAGS.class_list else data.class_names
    published = _published()
    classes = published.classes if published else len(names)
    model = keras_resnet.create_model(FLAGS.model, input_shape=data.test_shape, classes=classes, weights=FLAGS.weights)
    if FLAGS.class_list:
        model.class_names = names
    return model


def _published() -> "PretrainedWeights | None":
    """The published weights that --weights names."""
    from keras_resnet.weights import is_published

    return keras_resnet.find_weights(FLAGS.model, FLAGS.weights) if is_published(FLAGS.weights) else None


def _print_result(result: "Result") -> None:
    counts = [f"{result.top1_correct} of {result.images} right"]
    if result.top5_correct is not None:
        counts.append(f"{result.top5_correct} in the top 5")
    print(f"{', '.join(counts)}, {result.images / result.seconds:.1f} images/s")
    if result.real_labels_correct:
        correct, labeled = result.real_labels_correct
        accuracy = f" ({correct / labeled:.4f})" if labeled else ""
        print(f"{correct} of {labeled} right by ReaL labels{accuracy}")
    for image, reason in result.errors:
        print(f"error: {image} {reason}")
    print(result)


def _write_classes(path: str, results: "dict[str, Result]") -> None:
    """Writes a CSV file with a row for each protocol and class."""
    rows = [{"protocol": protocol, **row} for protocol, result in results.items() for row in result.class_rows()]
    write_rows(pathlib.Path(path).expanduser(), rows)
