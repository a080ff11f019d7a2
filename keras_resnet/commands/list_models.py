"""Lists the variants as a Markdown table."""

from typing import TYPE_CHECKING

import keras_resnet
from keras_resnet.errors import unknown_name
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    from keras_resnet.weights import PretrainedWeights

COLUMNS = ("variant", "parameters", "GFLOPs", "input", "published weights", "published top-1, %")


def define_flags() -> None:
    """Defines the flags of the command: none."""


def main(argv: list[str]) -> None:
    """Prints a row for each variant that matches the pattern."""
    import keras

    pattern = argv[1] if len(argv) > 1 else "*"
    variants = keras_resnet.list_models(pattern)
    if not variants:
        raise unknown_name("model", pattern, VARIANTS)
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for name in variants:
        keras.backend.clear_session()
        print("| " + " | ".join(_row(name)) + " |", flush=True)


def _row(name: str) -> tuple[str, ...]:
    from keras_resnet.models.complexity import trainable_parameters

    model = keras_resnet.create_model(name)
    height, width, _ = model.input_shape[1:]
    published = [keras_resnet.find_weights(name, weights) for weights in keras_resnet.list_weights(name)]
    shown = [weights for weights in published if weights.default or not weights.hub]  # timm's default alone
    accuracies = [f"{weights.top1:.3f} ({_label(weights)})" for weights in shown if weights.top1]
    return (
        f"`{name}`",
        f"{trainable_parameters(model):,}",
        f"{keras_resnet.multiply_adds(model) / 1e9:.3g}",
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
