"""Lists the variants, weights, or recipes as a Markdown table."""

import fnmatch
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from absl import flags

import keras_resnet
from keras_resnet.commands.flags import FLAGS, group, refuse
from keras_resnet.commands.markdown import print_table
from keras_resnet.errors import unknown_name
from keras_resnet.recipes import RECIPES, SIZED, Recipe
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    from keras_resnet.weights import PretrainedWeights

COLUMNS = ("variant", "parameters", "GFLOPs", "activations, M", "input", "published weights", "published top-1, %")
WEIGHTS_COLUMNS = (
    "weights",
    "licence",
    "test size",
    "crop",
    "published top-1, %",
    "published top-5, %",
    "measured here",
)
RECIPE_COLUMNS = ("recipe", "epochs", "batch size", "images", "source", "published", "measured here")
FILTERS = ("licence", "commercial", "image_size", "min_top1")  # of the weights; arguments of `list_weights`


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("model"):
        flags.DEFINE_bool("weights", False, "List the weights of the variants instead.")
        flags.DEFINE_bool("recipes", False, "List the recipes instead; PATTERN is of their names.")
        flags.DEFINE_string("licence", None, "With --weights: only those with this licence, such as apache-2.0.")
        flags.DEFINE_bool(
            "commercial",
            None,
            "With --weights: only those whose licence permits (--nocommercial: forbids) commercial use.",
        )
        flags.DEFINE_integer("image_size", None, "With --weights: only those that are tested at this size, pixels.")
        flags.DEFINE_float("min_top1", None, "With --weights: lowest published top-1 accuracy on ImageNet, percent.")


def check_flags() -> None:
    """Refuses filters of the weights without --weights."""
    refuse((FLAGS[name].present and not FLAGS.weights, f"--{name} needs --weights.") for name in FILTERS)
    refuse([(FLAGS.weights and FLAGS.recipes, "Give --weights or --recipes, not both.")])


def main(argv: list[str]) -> None:
    """Prints a row for each variant or recipe that matches the pattern, or for each of the weights."""
    pattern = argv[1] if len(argv) > 1 else "*"
    if FLAGS.recipes:
        print_table(RECIPE_COLUMNS, _recipe_rows(pattern))
        return
    variants = keras_resnet.list_models(pattern)
    if not variants:
        raise unknown_name("model", pattern, VARIANTS)
    if FLAGS.weights:
        print_table(WEIGHTS_COLUMNS, _weights_rows(variants))
    else:
        print_table(COLUMNS, map(_row, variants))


def _recipe_rows(pattern: str) -> list[tuple[str, ...]]:
    names = fnmatch.filter(RECIPES, pattern)
    if not names:
        raise unknown_name("recipe", pattern, RECIPES)
    return [_recipe_row(name, RECIPES[name]) for name in names]


def _recipe_row(name: str, recipe: Recipe) -> tuple[str, ...]:
    length = "by the number of images" if name in SIZED else f"{recipe.epochs:g}"
    sizes = ", ".join(map(str, recipe.sizes))
    tested = f"; tests at {recipe.test_size}" if recipe.test_size else ""
    accuracies = recipe.published or "not published", recipe.measured or "not measured"
    return f"`{name}`", length, f"{recipe.batch_size}", sizes + tested, recipe.source, *accuracies


def _weights_rows(variants: Iterable[str]) -> list[tuple[str, ...]]:
    filters: dict[str, Any] = {name: FLAGS[name].value for name in FILTERS}
    rows = [_weights_row(weights) for variant in variants for weights in _published(variant, **filters)]
    if not rows:
        raise ValueError("No weights of these variants have these properties.")
    return rows


def _published(variant: str, **filters: Any) -> "list[PretrainedWeights]":
    return [keras_resnet.find_weights(variant, weights) for weights in keras_resnet.list_weights(variant, **filters)]


def _weights_row(weights: "PretrainedWeights") -> tuple[str, ...]:
    return (
        f"`{weights.id}`",
        weights.licence or "not stated",
        f"{weights.input_size} x {weights.input_size}",
        f"{weights.crop_fraction:g}, {weights.interpolation}",
        *("" if accuracy is None else f"{accuracy:.3f}" for accuracy in (weights.top1, weights.top5)),
        str(weights.training or ""),
    )


def _row(name: str) -> tuple[str, ...]:
    import keras

    from keras_resnet.models.complexity import activations, trainable_parameters

    keras.backend.clear_session()
    model = keras_resnet.create_model(name)
    height, width, _ = model.input_shape[1:]
    published = _published(name)
    shown = [weights for weights in published if weights.default or not weights.hub]  # timm's default alone
    accuracies = [f"{weights.top1:.3f} ({_label(weights)})" for weights in shown if weights.top1]
    return (
        f"`{name}`",
        f"{trainable_parameters(model):,}",
        f"{keras_resnet.multiply_adds(model) / 1e9:.3g}",
        f"{activations(model) / 1e6:.3g}",
        f"{height} x {width}",
        _summary(published),
        ", ".join(accuracies),
    )


def _label(weights: "PretrainedWeights") -> str:
    """The source, and the recipe that distinguishes its weights: "torchvision V2"."""
    return f"{weights.id.partition('/')[0]} {weights.id.partition('.')[2].removeprefix('IMAGENET1K_')}".strip()


def _summary(published: "list[PretrainedWeights]") -> str:
    """The number of weights of each source, and the default."""
    sources = [weights.id.partition("/")[0] for weights in published]
    counts = [f"{source} {sources.count(source)}" for source in dict.fromkeys(sources)]
    default = [f"default `{weights.id}`" for weights in published if weights.default]
    return ", ".join([*counts, *default])
