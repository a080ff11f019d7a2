"""Evaluation on a part of a model's classes: counts compared with NumPy's, of nets whose scores are known."""

import dataclasses
import hashlib
import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Model, create_model, evaluate, load_data
from keras_resnet.evaluation.class_matching import match_classes
from keras_resnet.preprocessing import imagenet_classes
from keras_resnet.runtimes.decoding import read_image
from keras_resnet.transforms.views import center_view
from keras_resnet.weights import find_weights, pretrained
from tests.commands.running import keras_resnet_command
from tests.photos import write_scenes

NAMES = tuple(name for _, name in imagenet_classes())
WNIDS = tuple(wnid for wnid, _ in imagenet_classes())
SIDE = 32


def net(classes=1000, bias=(), names=NAMES, seed=0):
    """Scores (classes,) of an image: random numbers times its mean color and contrast, and a bias on some classes."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((SIDE, SIDE, 3))
    scaled = keras.layers.Rescaling(1 / 64, -2)(inputs)
    pools = keras.layers.GlobalAveragePooling2D(), keras.layers.GlobalMaxPooling2D()
    features = keras.layers.Concatenate()([pool(scaled) for pool in pools])
    model = Model(inputs, keras.layers.Dense(classes, kernel_initializer="normal", name="logits")(features), name="net")
    layer = model.get_layer("logits")
    layer.kernel.assign(np.random.default_rng(seed).normal(size=(6, classes)))
    layer.bias.assign(np.isin(np.arange(classes), bias) * 6.0)
    model.class_names = names
    return model


@pytest.fixture(scope="module")
def imagenette(local_data):
    """100 of the validation photos, 10 of each class."""
    data = load_data(local_data / "photos" / "imagenette_small", image_size=SIDE, crop_fraction=0.875)
    return dataclasses.replace(data, validation=data.validation.take(np.arange(0, 800, 8)))


@pytest.fixture(scope="module")
def truth(local_data):
    """The output of each class of the folder, from Keras's own index of the classes."""
    index = json.loads((local_data / "imagenet_class_index.json").read_text())
    by_wnid = {wnid: int(number) for number, (wnid, _) in index.items()}
    folders = sorted(path.name for path in (local_data / "photos" / "imagenette_small" / "val").iterdir())
    return np.array([by_wnid[folder] for folder in folders])


def counts(scores, labels):
    """(top-1, top-5) by the rank of the label's score."""
    rank = (scores > scores[np.arange(len(labels)), labels][:, None]).sum(1)
    return int((rank < 1).sum()), int((rank < 5).sum())


def test_imagenette_on_a_net_of_1000_classes(imagenette, truth):
    """Compared with all classes, and with those of the data; the bias lifts some of both, so that the two differ."""
    model = net(bias=[*truth[:8], 3, 5])
    photos = [read_image(imagenette.validation.folder / path) for path in imagenette.validation.paths]
    views = [center_view(tf.constant(photo), imagenette.view)[0] for photo in photos]
    scores, labels = np.asarray(model(np.stack(views))), imagenette.validation.labels

    over_all = evaluate(model, imagenette)
    assert over_all.images == 100
    assert (over_all.top1_correct, over_all.top5_correct) == counts(scores, truth[labels])
    assert over_all.protocol.endswith("single view, 10 of 1,000 classes, scores of all")

    of_data = evaluate(model, imagenette, classes="data", note="a note")
    assert (of_data.top1_correct, of_data.top5_correct) == counts(scores[:, truth], labels)
    assert of_data.protocol.endswith("single view, scores of 10 of 1,000 classes, a note")
    assert 0 < over_all.top1_correct < of_data.top1_correct < 100

    assert [(name, images) for name, images, _ in of_data.classes] == [(name, 10) for name in imagenette.class_names]
    best = scores[:, truth].argmax(1)
    assert [correct for _, _, correct in of_data.classes] == [
        int(((labels == label) & (best == label)).sum()) for label in range(10)
    ]


def arrays(class_names, labels=None):
    images = np.random.default_rng(0).integers(0, 256, (200, SIDE, SIDE, 3)).astype("uint8")
    labels = np.arange(200) % len(class_names) if labels is None else labels
    return load_data((images, labels), class_names=class_names)


@pytest.mark.parametrize("protocol", ["center", "ten_crop"])
def test_order_of_the_classes_does_not_matter(protocol):
    model, data = net(classes=3, names=("owl", "cat", "dog")), arrays(("cat", "dog", "owl"))
    outputs = np.array([1, 2, 0])
    result = evaluate(model, data, protocol=protocol)
    same = evaluate(model, arrays(("owl", "cat", "dog"), outputs[data.train.labels]), protocol=protocol)
    assert result.top1_correct == same.top1_correct
    assert (result.top5_correct, result.protocol) == (None, same.protocol)
    if protocol == "center":
        assert result.top1_correct == counts(np.asarray(model(data.train.images)), outputs[data.train.labels])[0]


def test_few_classes_of_the_data_have_no_top5():
    model, data = net(names=WNIDS), arrays(WNIDS[:3])
    assert evaluate(model, data, classes="data").top5_correct is None
    assert evaluate(model, data).top5_correct is not None


@pytest.mark.parametrize(
    ("names", "class_names", "outputs"),
    [
        (NAMES, ("n02123045", "n01440764"), [281, 0]),
        (NAMES, ("tabby", "n01440764"), [281, 0]),
        (WNIDS, ("tabby", "tench"), [281, 0]),
        (("a", "b", "c"), ("c", "a"), [2, 0]),
        (("a", "b"), ("x", "y"), [0, 1]),  # as many, so in their order
        (None, ("x", "y", "z"), [0, 1, 2]),
        (("a", "a"), ("a", "b"), [0, 1]),
        (tuple(name for _, name in imagenet_classes("imagenet-12k")), ("n00006484", "n00005787"), [1, 0]),
    ],
)
def test_outputs_of_classes(names, class_names, outputs):
    model = net(classes=len(names or class_names), names=names)
    assert match_classes(model, arrays(class_names)).tolist() == outputs


@pytest.mark.parametrize(
    ("names", "class_names", "message"),
    [
        (None, ("a", "b"), "outputs of shape (1000,), but arrays has 2 classes; build it with classes=2, or set its "
                           "class_names to match classes by name."),
        (("a", "b"), ("a", "b", "c"), "outputs of shape (2,), but arrays has 3 classes; build it with classes=3."),
        (NAMES, ("tabby", "crane"), "several classes of the name 'crane'; give arrays WordNet IDs as class names."),
    ],
)  # fmt: skip
def test_classes_that_cannot_be_matched_are_one_sentence(names, class_names, message):
    model = net(classes=len(names or NAMES), names=names)
    with pytest.raises(ValueError, match=re.escape(f"The model net has {message}")):
        evaluate(model, arrays(class_names))


def test_unknown_classes_are_listed():
    with pytest.raises(
        ValueError, match=r"^arrays has classes that the model net does not know: 'daisy chain', 'x'\.$"
    ):
        evaluate(net(), arrays(("tabby", "daisy chain", "x")))
    with pytest.raises(ValueError, match="does not know: 'fox'"):  # though there are as many
        evaluate(net(classes=3, names=("ant", "cat", "dog")), arrays(("cat", "dog", "fox")))


@pytest.mark.exhaustive
def test_command(monkeypatch, tmp_path):
    """A weight file of 1,000 classes, on photos of two: its bias makes a tench of any image."""
    write_scenes(tmp_path / "photos" / "train", ["n01440764", "n02123045"], 1)
    write_scenes(tmp_path / "photos" / "val", ["n01440764", "n02123045"], 3)
    model = create_model("resnet20_cifar", classes=1000)
    model.get_layer("logits").bias.assign(np.where(np.arange(1000) == 0, 1e6, 0))
    model.save_weights(tmp_path / "net.weights.h5")
    arguments = [
        "--model=resnet20_cifar",
        f"--weights={tmp_path / 'net.weights.h5'}",
        f"--data_dir={tmp_path / 'photos'}",
    ]
    given = [*arguments, "--image_size=32", "--class_list=imagenet-1k"]
    for classes, scope in (("all", "2 of 1,000 classes, scores of all"), ("data", "scores of 2 of 1,000 classes")):
        code, stdout, _ = keras_resnet_command(monkeypatch, "evaluate", *given, f"--classes={classes}")
        assert code == 0
        assert stdout.startswith("3 of 6 right")
        assert f"single view, {scope})" in stdout
    write_scenes(tmp_path / "photos" / "train", ["dragon"], 1)
    assert keras_resnet_command(monkeypatch, "evaluate", *given).stderr == (
        "error: photos has classes that the model resnet20_cifar does not know: 'dragon'.\n"
    )


def test_command_keeps_the_classes_of_published_weights(monkeypatch, tmp_path):
    write_scenes(tmp_path / "photos" / "train", ["n01440764", "n02123045"], 2)
    model = create_model("resnet20_cifar", classes=1000)
    model.get_layer("logits").bias.assign(np.where(np.arange(1000) == 281, 1e6, 0))
    folder = tmp_path / "models" / "keras_resnet"
    folder.mkdir(parents=True)
    model.save(folder / "net.keras")
    digits = hashlib.sha256((folder / "net.keras").read_bytes()).hexdigest()
    row = dataclasses.replace(
        find_weights("resnet18", "torchvision/IMAGENET1K_V1"),
        **dict(id="here/resnet20_cifar", variant="resnet20_cifar", naming="keras_resnet", input_size=SIDE),
        **dict(url="http://127.0.0.1:9/net.keras", checksum=f"sha256:{digits}"),
    )
    monkeypatch.setattr(pretrained, "_table", lambda: {row.id: row})
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    arguments = ["--model=resnet20_cifar", "--weights=here", f"--data_dir={tmp_path / 'photos'}", "--split=train"]
    code, stdout, stderr = keras_resnet_command(monkeypatch, "evaluate", *arguments)
    assert (code, stderr) == (0, "")
    assert stdout.startswith("2 of 4 right")
    assert "short side 36, bilinear, single view, 2 of 1,000 classes, scores of all)" in stdout
