"""Writes keras_resnet/weights/pretrained.json: the published weights, as the peers' installed tables have them.

    PYTHONPATH=. peers/bin/python tests/golden/pretrained_table.py

`peers` is the environment that record.py describes. Nothing is downloaded. What the peers' packages do not hold stands
in timm_results.csv (accuracies of timm) and below (accuracies and licences of keras.applications), with its source.
"""

import csv
import dataclasses
import json
import pathlib
import re

from naming import timm_naming
from record import import_torchvision

from keras_resnet.variants import VARIANTS
from keras_resnet.weights.pretrained import PretrainedWeights

RESULTS = pathlib.Path(__file__).parent / "timm_results.csv"
TARGET = pathlib.Path(__file__).parents[2] / "keras_resnet" / "weights" / "pretrained.json"
SOURCES = ("timm", "torchvision", "keras")
HUB_FILE = "model.safetensors"
FREE = ("apache-2.0", "bsd-3-clause", "mit")  # licences that allow any use
CLASS_LISTS = {1000: "imagenet-1k", 11821: "imagenet-12k", 21841: "imagenet-21k", 21843: "imagenet-21k"}

# https://keras.io/api/applications (accuracies), and its older page, which says where the weights were ported from
# and under which licence: v1 from Kaiming He's (MIT), v2 from fb.resnet.torch (BSD).
KERAS = {  # the model of keras.applications: variant, top-1, top-5
    "ResNet50": ("resnet50_v1", 74.9),
    "ResNet101": ("resnet101_v1", 76.4),
    "ResNet152": ("resnet152_v1", 76.6),
    "ResNet50V2": ("resnetv2_50", 76.0),
    "ResNet101V2": ("resnetv2_101", 77.2),
    "ResNet152V2": ("resnetv2_152", 78.0),
}
# Caffe's means: v1 takes them off and scales nothing. A first convolution of such weights expects blue first.
CAFFE = dict(mean=(123.68, 116.779, 103.939), std=(1.0, 1.0, 1.0), channel_order="bgr")
HALVES = dict(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))

KERAS_NOTE = "The publisher states a single center crop of 224; resizing to 256 first is customary."
TORCHVISION_NOTE = "The publisher states no licence for the weights; its code is BSD-3-Clause."


def to_255(values):
    """Means and deviations in units of 0 to 255, without the noise of the product."""
    return tuple(round(255 * value, 6) for value in values)


def timm_rows():
    """Every tag that has weights and a classifier, tested at its published test size."""
    import timm

    for variant in VARIANTS:
        if not timm.is_model(variant):
            continue
        tags = [name for name in timm.list_pretrained() if name.split(".")[0] == variant]
        for name in tags:
            config = timm.get_pretrained_cfg(name)
            if not config.num_classes:  # features alone
                continue
            yield PretrainedWeights(
                id=f"timm/{name}",
                variant=variant,
                naming=timm_naming(VARIANTS[variant]),
                hub=config.hf_hub_id,
                file=config.hf_hub_filename or HUB_FILE,
                input_size=(config.test_input_size or config.input_size)[-1],
                crop_fraction=config.test_crop_pct or config.crop_pct,
                interpolation=config.interpolation,
                mean=to_255(config.mean),
                std=to_255(config.std),
                classes=config.num_classes,
                class_names=CLASS_LISTS[config.num_classes],
                licence=config.license,
                default=name == timm_default(variant),
            )


def timm_accuracies():
    """(top-1, top-5) by tag, test size, crop fraction and interpolation, as timm publishes them beside its package."""
    text = RESULTS.read_text(encoding="utf-8").splitlines()
    return {
        (row["model"], int(row["img_size"]), float(row["crop_pct"]), row["interpolation"]): (
            float(row["top1"]),
            float(row["top5"]),
        )
        for row in csv.DictReader(line for line in text if not line.startswith("#"))
    }


def with_accuracies(row, accuracies):
    """A row of timm with its published accuracies, if they were measured under the row's own protocol."""
    protocol = (row.id.removeprefix("timm/"), row.input_size, row.crop_fraction, row.interpolation)
    top1, top5 = accuracies.get(protocol, (None, None))
    return dataclasses.replace(row, top1=top1, top5=top5)


def timm_default(variant):
    """timm's own default tag, but torchvision's second recipe where that is its first; None without a free licence.

    Of those two, torchvision publishes accuracies: the second is 3.5 to 3.7 points better, under the same licence.
    """
    import timm

    default = timm.get_pretrained_cfg(variant)
    tag = default.tag
    if default.license not in FREE:
        names = [name for name in timm.list_pretrained() if name.split(".")[0] == variant]
        tag = next((name.split(".")[1] for name in names if timm.get_pretrained_cfg(name).license in FREE), None)
    return f"{variant}.{'tv2_in1k' if tag == 'tv_in1k' else tag}"


def torchvision_rows():
    import torchvision.models

    for variant in VARIANTS:
        if variant not in torchvision.models.list_models():
            continue
        for weights in torchvision.models.get_model_weights(variant):
            preprocessing, accuracies = weights.transforms(), weights.meta["_metrics"]["ImageNet-1K"]
            (crop,), (resize,) = preprocessing.crop_size, preprocessing.resize_size
            yield PretrainedWeights(
                id=f"torchvision/{variant}.{weights.name}",
                variant=variant,
                naming="torchvision",
                file=weights.url.rsplit("/", 1)[1],
                url=weights.url,
                checksum=f"sha256:{re.search('-([0-9a-f]{8})[.]pth$', weights.url).group(1)}",
                input_size=crop,
                crop_fraction=crop / resize,
                interpolation=preprocessing.interpolation.value,
                mean=to_255(preprocessing.mean),
                std=to_255(preprocessing.std),
                classes=len(weights.meta["categories"]),
                top1=accuracies["acc@1"],
                top5=accuracies["acc@5"],
                licence=weights.meta.get("license"),
                note=TORCHVISION_NOTE,
            )


def keras_rows(variants_of_timm):
    """The models of keras.applications; the default where timm has no weights."""
    from keras.src.applications import resnet

    for name, (variant, top1) in KERAS.items():
        top, notop = resnet.WEIGHTS_HASHES[name.lower()]
        file = f"{name.lower()}_weights_tf_dim_ordering_tf_kernels"
        v2 = name.endswith("V2")
        yield PretrainedWeights(
            id=f"keras/{variant}",
            variant=variant,
            options={"layout": "keras_v2"} if v2 else {},
            naming="keras.applications v2" if v2 else "keras.applications",
            file=f"{file}.h5",
            url=f"{resnet.BASE_WEIGHTS_PATH}{file}.h5",
            checksum=f"md5:{top}",
            url_notop=f"{resnet.BASE_WEIGHTS_PATH}{file}_notop.h5",
            checksum_notop=f"md5:{notop}",
            input_size=224,
            crop_fraction=0.875,
            interpolation="bilinear",
            **(HALVES if v2 else CAFFE),
            top1=top1,
            licence="bsd" if v2 else "mit",
            note=KERAS_NOTE,
            default=variant not in variants_of_timm,
        )


def to_line(row):
    """The row as JSON on one line, without what is as the dataclass has it anyway."""
    values = {
        field.name: getattr(row, field.name)
        for field in dataclasses.fields(row)
        if field.name != "id" and getattr(row, field.name) != default_of(field)
    }
    return f" {json.dumps(row.id)}: {json.dumps(values)}"


def default_of(field):
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def main():
    import_torchvision()
    accuracies = timm_accuracies()
    timm = [with_accuracies(row, accuracies) for row in timm_rows()]
    rows = [*timm, *torchvision_rows(), *keras_rows({row.variant for row in timm})]
    rows.sort(key=lambda row: (list(VARIANTS).index(row.variant), SOURCES.index(row.id.split("/")[0]), row.id))
    TARGET.write_text("{\n" + ",\n".join(map(to_line, rows)) + "\n}\n", encoding="utf-8")
    print(len(rows), "rows,", sum(row.default for row in rows), "defaults")


if __name__ == "__main__":
    main()
