"""Evaluates a model on a data set."""

import pathlib

import keras
from absl import flags

import keras_resnet
from keras_resnet.commands.flags import FLAGS, define_data_flags, define_setting_flags, find_source, override_settings
from keras_resnet.evaluation import Result
from keras_resnet.evaluation.protocols import PROTOCOLS
from keras_resnet.run_directory import Run


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("model", None, "Run directory, .keras file, or variant.", required=True)
    flags.DEFINE_string("weights", None, "Weight file or name of published weights, if the model is a variant.")
    define_data_flags(default="cifar10")
    flags.DEFINE_string("split", None, "test, validation or train [the first that exists].")
    flags.DEFINE_list("protocol", "center", f"One or more of {', '.join(PROTOCOLS)}.")
    flags.DEFINE_list("scales", None, "Short sides for multi_scale, pixels [224,256,384,480,640 x size / 224].")
    define_setting_flags(("image_size", "crop_fraction", "interpolation"), "the run's or the weights'")
    flags.DEFINE_string("per_class", None, "CSV file to write the accuracy of each class to.")
    flags.DEFINE_string("real_labels", None, "ReaL labels (real.json) of ImageNet's validation images.")
    flags.DEFINE_integer(
        "recalibrate_batchnorm",
        0,
        "First recompute the batch normalization statistics over this many training images.",
        lower_bound=0,
    )


def main(argv: list[str]) -> None:
    """Evaluates under each protocol, and prints the results."""
    del argv
    recipe = _test_recipe()
    source, data_dir = find_source(FLAGS.data_dir, FLAGS.data)
    data = keras_resnet.load_data(source, recipe, data_dir=data_dir)
    model = _load_model(data)
    if FLAGS.recalibrate_batchnorm:
        keras_resnet.recalibrate_batchnorm(model, data, recipe, FLAGS.recalibrate_batchnorm)
    scales = [int(scale) for scale in FLAGS.scales] if FLAGS.scales else None
    for protocol in FLAGS.protocol:
        result = keras_resnet.evaluate(model, data, FLAGS.split, protocol, scales=scales, real_labels=FLAGS.real_labels)
        _print_result(result)
    if FLAGS.per_class:
        result.write_classes(FLAGS.per_class)


def _test_recipe() -> keras_resnet.Recipe:
    """How images are resized and cropped: by the run's recipe or the weights' settings, unless flags override them."""
    run = Run(FLAGS.model)
    if run.file("recipe.json").is_file():
        recipe = run.recipe()
    elif FLAGS.weights and not pathlib.Path(FLAGS.weights).exists():
        published = keras_resnet.find_weights(FLAGS.model, FLAGS.weights)
        recipe = keras_resnet.Recipe(
            image_size=published.input_size,
            crop_fraction=published.crop_fraction,
            interpolation=published.interpolation,
        )
    else:
        recipe = keras_resnet.Recipe(crop_fraction=0.875)
    return override_settings(recipe)


def _load_model(data: keras_resnet.Data) -> keras.Model:
    if pathlib.Path(FLAGS.model).exists():
        return keras_resnet.load_model(FLAGS.model)
    if FLAGS.weights is None:
        raise ValueError("--model names a variant; also give its --weights.")
    model = keras_resnet.create_model(FLAGS.model, input_shape=data.image_shape, classes=len(data.class_names))
    return keras_resnet.load_weights(model, FLAGS.weights)


def _print_result(result: Result) -> None:
    counts = [f"{result.top1_correct} of {result.images} right"]
    if result.top5_correct:
        counts.append(f"{result.top5_correct} in the top 5")
    print(f"{', '.join(counts)}, {result.images / result.seconds:.1f} images/s")
    if result.real_labels_correct:
        correct, labelled = result.real_labels_correct
        print(f"{correct} of {labelled} right by ReaL labels ({correct / labelled:.4f})")
    for image, reason in result.errors:
        print(f"error: {image} {reason}")
    print(result)
