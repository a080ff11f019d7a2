"""Records logits.json: what the peers timm, torchvision and keras.applications answer to drawn weights.

    python -m venv peers
    peers/bin/pip install torch==2.13.0 tensorflow-cpu==2.21.0 keras==3.15.1 pillow
    peers/bin/pip install huggingface_hub pyyaml safetensors
    peers/bin/pip install --no-deps torchvision==0.28.0 timm==1.0.31
    peers/bin/python tests/golden/record.py

It runs outside the tests' environment, for two minutes, downloads nothing, and writes the same file
each time. The peers compute in float64 from float32 weights, so the logits, rounded to float32, do
not depend on the machine or on the order in which a library sums.
"""

import gc
import importlib.metadata
import json
import os
import pathlib
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import torch
from combinations import COMBINATIONS
from draw import draw, fingerprint, image

sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))
from torchvision_import import import_torchvision

CLASSES = 10
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet; the PyTorch peers' input
VERSIONS = ("keras", "numpy", "tensorflow-cpu", "timm", "torch", "torchvision")

TORCHVISION = """
    resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d resnext101_64x4d
    wide_resnet50_2 wide_resnet101_2
"""
KERAS = "ResNet50 ResNet101 ResNet152 ResNet50V2 ResNet101V2 ResNet152V2"
# timm's ResNets that this package does not have: two whose widths are a pruning's, two with other normalizations.
LEFT_OUT = ("ecaresnet50d_pruned", "ecaresnet101d_pruned", "resnetv2_50d_evos", "resnetv2_50d_frn")


def timm_models():
    """The names of all ResNets of timm, v1 and v2, but those left out."""
    import timm

    names = [*timm.list_models(module="resnet"), *timm.list_models(module="resnetv2")]
    return [name for name in names if name not in LEFT_OUT]


def peers():
    """(source, the source's name of the model, further arguments of its builder) of each model."""
    return [
        *(("torchvision", name, {}) for name in TORCHVISION.split()),
        *(("keras.applications", name, {}) for name in KERAS.split()),
        *(("timm", name, {}) for name in timm_models()),
        ("timm", "resnet18", {"output_stride": 8}),
        ("timm", "resnet50", {"output_stride": 8}),
        ("timm", "resnet50", {"output_stride": 16}),
        ("timm", "resnet50d", {"output_stride": 8}),
        ("timm", "resnetrs50", {"output_stride": 16}),
        ("timm", "resnetblur50", {"output_stride": 8}),
        *(("timm", name, options) for name, options, _ in COMBINATIONS),
    ]


def build_torch(source, name, options):
    """The PyTorch model, its weights not yet drawn."""
    if source == "timm":
        import timm

        layers = {"blur": timm.layers.BlurPool2d, "avg": torch.nn.AvgPool2d}
        if "aa_layer" in options:
            options = {**options, "aa_layer": layers[options["aa_layer"]]}
        return timm.create_model(name, pretrained=False, num_classes=CLASSES, **options)
    import torchvision.models

    return torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **options)


def ask_torch(source, name, options):
    """(tensors' shapes, number of parameters, logits) of timm's or torchvision's model."""
    model = build_torch(source, name, options).double().eval()
    state = {key: tensor for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
    for key, tensor in state.items():
        tensor.copy_(torch.from_numpy(draw(key, tuple(tensor.shape))))
    normalized = (image().astype("float64") - MEAN) / STD
    with torch.inference_mode():
        logits = model(torch.from_numpy(normalized.transpose(0, 3, 1, 2).copy())).numpy()
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    return shapes, sum(parameter.numel() for parameter in model.parameters()), logits


def ask_keras(source, name, options):
    """(tensors' shapes, number of parameters, logits) of the model of keras.applications."""
    keras.backend.clear_session()
    keras.config.set_floatx("float64")
    images = image().astype("float64")
    model = getattr(keras.applications, name)(
        weights=None, input_shape=images.shape[1:], classes=CLASSES, classifier_activation=None, **options
    )
    state = {f"{layer.name}/{variable.name}": variable for layer in model.layers for variable in layer.weights}
    for key, variable in state.items():
        variable.assign(draw(key, tuple(variable.shape)))
    shapes = {key: tuple(variable.shape) for key, variable in state.items()}
    parameters = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    return shapes, parameters, keras.ops.convert_to_numpy(model(images, training=False))


def record(source, name, options):
    """The peer's entry in logits.json."""
    ask = ask_keras if source == "keras.applications" else ask_torch
    shapes, parameters, logits = ask(source, name, options)
    if logits.dtype != "float64" or logits.shape != (2, CLASSES):
        raise ValueError(f"{source} {name}: logits of {logits.dtype} {logits.shape}.")
    if not np.abs(logits).max() < 1e4 or np.abs(logits[0] - logits[1]).max() < 1e-3:  # NaN fails, too
        raise ValueError(f"{source} {name}: these logits would prove nothing: {logits}")
    return {
        "source": source,
        "name": name,
        "options": options,
        "parameters": parameters,
        "tensors": len(shapes),
        "fingerprint": fingerprint(shapes),
        "logits": [[float(f"{np.float32(value):.9g}") for value in row] for row in logits],
    }


def to_json(versions, entries):
    """JSON with one line per field and, of the logits, one per image."""
    text = json.dumps({"versions": versions, "left_out": LEFT_OUT, "peers": entries}, indent=1)
    return re.sub(r"\[[^][{}]+\]", lambda row: f"[{' '.join(row.group()[1:-1].split())}]", text) + "\n"


def main():
    import_torchvision()
    entries = []
    for source, name, options in sorted(peers(), key=str):
        entries.append(record(source, name, options))
        gc.collect()
        print(source, name, options, entries[-1]["parameters"], entries[-1]["logits"][0][:3], flush=True)
    versions = {package: importlib.metadata.version(package) for package in VERSIONS}
    pathlib.Path(__file__).with_name("logits.json").write_text(to_json(versions, entries), encoding="utf-8")


if __name__ == "__main__":
    main()
