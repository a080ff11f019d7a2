"""Every parameter of the public functions, each with values of every wrong kind.

A call may accept a value. If not, it ends in one sentence of this package and leaves nothing behind. Of `train`,
`dry_run`, `evaluate` and `recalibrate_batchnorm`, tests/training/test_arguments.py says which values are refused.
"""

import inspect
import pathlib
import traceback

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from tests.marks import exhaustive

PACKAGE = pathlib.Path(keras_resnet.__file__).parent
WRONG = [
    *(None, float("nan"), float("inf"), -float("inf"), -1, 0, 1.5, True, 10**30),
    *("", "x" * 10_000, "a\0b", "resnet50", b"x"),
    *([], {}, (), [None], ("x",), (-1, 2, 3), (float("nan"),) * 3, {"a": 1}),
    *(object(), lambda value: value, keras.layers.ReLU, np.zeros(3), np.zeros((2, 2))),
]
SMALL = dict(block="basic", depths=(1, 1), widths=(8, 16), stem="cifar", input_shape=(32, 32, 3), classes=10)
ARRAYS = np.zeros((8, 8, 8, 3), "uint8"), np.arange(8) % 4


@pytest.fixture(scope="module")
def net():
    return keras_resnet.ResNet(**SMALL)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            Image.new("RGB", (40, 40), name == "cat" and "red").save(folder / split / name / "1.png")
    return keras_resnet.load_data(folder)


class _Call:
    """The right arguments of each function, of which a test replaces one."""

    def __init__(self, net, photos):
        self.net, self.photos = net, photos

    def arguments(self, function):
        return {
            "ResNet": SMALL,
            "ResNet20Cifar": {},
            "create_model": dict(name="resnet20_cifar", classes=10),
            "list_models": {},
            "list_weights": {},
            "find_weights": dict(variant="resnet50", name="imagenet"),
            "load_weights": dict(model=self.net, source="missing.h5"),
            "freeze": dict(model=self.net, through="stem"),
            "multiply_adds": dict(model=self.net),
            "load_model": dict(run="missing.keras"),
            "decode_predictions": dict(preds=np.eye(1000)[:2]),
            "preprocess_input": dict(x=np.zeros((1, 4, 4, 3))),
            "View": dict(size=(32, 32)),
            "get_recipe": dict(recipe="cifar_quick"),
            "load_data": dict(source=ARRAYS),
            "prepare_records": dict(data=self.photos, folder="records", verbose=0),
            "fold_batchnorm": dict(model=self.net),
            "export": dict(model_or_run=self.net, path="net.keras"),
            "predict": dict(model_or_run_or_artifact=self.net, images=np.zeros((32, 32, 3))),
        }[function]

    def __call__(self, function, **change):
        arguments = {**self.arguments(function), **change}
        positional = [arguments.pop("name")] if function == "create_model" else []
        return getattr(keras_resnet, function)(*positional, **arguments)


FUNCTIONS = [
    *("ResNet", "ResNet20Cifar", "list_models", "list_weights", "find_weights", "load_weights", "freeze"),
    *("multiply_adds", "load_model", "decode_predictions", "preprocess_input", "View", "get_recipe", "load_data"),
    *("prepare_records", "predict", "export", "fold_batchnorm"),
]


def parameters_of(function):
    return inspect.signature(getattr(keras_resnet, function)).parameters


PARAMETERS = [
    *(("create_model", parameter) for parameter in ("name", "classes", "weights", "input_shape")),
    *(
        (function, name)
        for function in FUNCTIONS
        for name in inspect.signature(getattr(keras_resnet, function)).parameters
    ),
]


def refuse_or_accept(call, folder):
    """Fails if a call ends in another way than a sentence of this package."""
    try:
        call()
    except (ValueError, TypeError, OSError, MemoryError) as error:
        message, frame = str(error), traceback.extract_tb(error.__traceback__)[-1]
        assert pathlib.Path(frame.filename).is_relative_to(PACKAGE), frame
        assert 15 < len(message) < 500
        assert "\n" not in message
        assert message.endswith((".", "?"))
        assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("function", "parameter"), [exhaustive(*each) if each[1] == "weights" else each for each in PARAMETERS]
)
def test_wrong_values_are_refused_in_a_sentence(function, parameter, net, photos, tmp_path, monkeypatch):
    call = _Call(net, photos)
    for number, value in enumerate(WRONG):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        refuse_or_accept(lambda value=value: call(function, **{parameter: value}), folder)


@pytest.mark.parametrize("value", WRONG, ids=lambda value: type(value).__name__)
def test_wrong_values_of_a_model_are_refused_in_a_sentence(value, net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse_or_accept(lambda: setattr(net, "view", value), tmp_path)
    refuse_or_accept(lambda: setattr(net, "class_names", value), tmp_path)
    if not isinstance(value, str) or value != "resnet50":  # a good name of a folder
        refuse_or_accept(lambda: net.save(value), tmp_path)


def test_no_public_function_is_left_out():
    callables = {name for name in keras_resnet.__all__ if inspect.isfunction(getattr(keras_resnet, name))}
    tested_elsewhere = {"train", "dry_run", "evaluate", "recalibrate_batchnorm"}
    assert callables - set(keras_resnet.models.CONSTRUCTORS) <= {*FUNCTIONS, "create_model", *tested_elsewhere}
