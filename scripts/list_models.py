"""Prints the table of variants, as in the README: Markdown, a row a variant.

    python scripts/list_models.py [PATTERN]

Parameters and multiply-adds are counted on the model as it is built; accuracies are the publishers'.
"""

import doorway
import keras

import keras_resnet
from keras_resnet.models.complexity import trainable_parameters

COLUMNS = ("variant", "parameters", "GFLOPs", "input", "published weights", "published top-1, %")


def row(name):
    """The cells of a variant."""
    model = keras_resnet.create_model(name)
    parameters = trainable_parameters(model)
    height, width, _ = model.input_shape[1:]
    published = [keras_resnet.find_weights(name, weights) for weights in keras_resnet.list_weights(name)]
    accuracies = [f"{weights.top1:.3f} ({label(weights)})" for weights in published if weights.top1]
    return (
        f"`{name}`",
        f"{parameters:,}",
        f"{keras_resnet.multiply_adds(model) / 1e9:.3g}",
        f"{height} x {width}",
        summary(published),
        ", ".join(accuracies),
    )


def label(weights):
    """The source, and the recipe that tells its files apart."""
    return f"{weights.id.partition('/')[0]} {weights.id.partition('.')[2].removeprefix('IMAGENET1K_')}".strip()


def summary(published):
    """How many files of each source there are, and which is the default."""
    sources = [weights.id.partition("/")[0] for weights in published]
    counts = [f"{source} {sources.count(source)}" for source in dict.fromkeys(sources)]
    default = [f"default `{weights.id}`" for weights in published if weights.default]
    return ", ".join([*counts, *default])


def main(argv):
    pattern = argv[1] if len(argv) > 1 else "*"
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for name in keras_resnet.list_models(pattern):
        keras.backend.clear_session()
        print("| " + " | ".join(row(name)) + " |", flush=True)


if __name__ == "__main__":
    doorway.run(main)
