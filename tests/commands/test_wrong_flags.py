"""Every flag of every command with wrong values, and contradictory flags: one line, and nothing left behind."""

import importlib

import pytest
from absl import flags

from keras_resnet.commands.table import COMMANDS
from tests.commands.running import keras_resnet_command, unchanged_process
from tests.photos import write_scenes

# The arguments of a command that would run, if its data were there.
COMPLETE = {
    "compare": ["nowhere", "elsewhere"],
    "evaluate": ["--model=resnet50", "--weights=imagenet", "--data_dir=nowhere"],
    "export": ["nowhere", "net.onnx"],
    "finetune": ["nowhere", "--workdir=run"],
    "launch": ["nowhere.py"],
    "list": ["nothing"],
    "predict": ["nowhere", "nothing.png"],
    "prepare": ["nowhere", "records"],
    "serve": ["nowhere.onnx"],
    "train": ["--data_dir=nowhere", "--workdir=run"],
}
VALUES = ["", " ", "a", "nan", "inf", "-inf", "-1", "0", "1e999", "1,,a", "x" * 10_000, "9" * 10_000, "é\n"]


def flags_of(command):
    """The names of a command's flags."""
    with unchanged_process():
        others = set(flags.FLAGS)
        importlib.import_module(COMMANDS[command].module).define_flags()
        return sorted(set(flags.FLAGS) - others)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A function that runs `keras-resnet` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return lambda *arguments: keras_resnet_command(monkeypatch, *arguments)


@pytest.mark.parametrize(("command", "flag"), [(command, flag) for command in COMMANDS for flag in flags_of(command)])
def test_any_value_of_a_flag_ends_in_one_line(command, flag, run, tmp_path):
    """A value that is accepted ends so, too, because there are no data."""
    for value in VALUES:
        code, stdout, stderr = run(command, *COMPLETE[command], f"--{flag}={value}")
        assert code == 1, (value, stdout)
        assert stderr.startswith(("error: ", "usage: ")), value
        assert len(stderr.splitlines()) == 1, value
        assert len(stderr) < 1_100, value
        assert not list(tmp_path.iterdir()), value


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_flags_and_empty_arguments_end_in_one_line(command, run):
    for arguments in (["--wrkdir=run"], ["--x"], ["--" + "x" * 10_000], ["--recipe.x=1"], ["-q"], [""]):
        code, _, stderr = run(command, *arguments)
        assert code == 1
        assert stderr.startswith(("error: Unknown flag", "usage: ")), stderr
        assert len(stderr.splitlines()) == 1


def test_similar_flags_are_suggested(run):
    assert run("train", "--wrkdir=run").stderr == "error: Unknown flag '--wrkdir'; did you mean '--workdir'?\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--epochs=many"], "--epochs=many must be a number."),
        (["train", "--batch_size=1.5"], "--batch_size=1.5 must be an integer."),
        (["train", "--flip=maybe"], "--flip=maybe must be true or false."),
        (["train", "--milestones=0.5,a"], "--milestones=0.5,a must be numbers separated by commas."),
        (["train", "--schedule=step"], "Unknown --schedule 'step'; did you mean 'steps'?"),
        (["train", "--max_bad_images=-1"], "--max_bad_images=-1 must be a non-negative integer."),
        (["train", "--data_dir=x", "--workdir=run", "--model=resnet51"], "Unknown model 'resnet51'"),
        (["train", "--data_dir=x", "--workdir=run", "--weights=x.h5"], "The weight file x.h5 does not exist."),
        (["train", "--data_dir=x", "--workdir=run", "--weights=x/y"], "Unknown weights of 'resnet50': 'x/y'"),
        (["train", "--data_dir=x", "--workdir=run", "--manual_dir=x"], "--manual_dir: there is no folder x."),
        (["train", "--data_dir=", "--workdir=run"], "--data_dir is empty."),
        (["train", "--data_dir=x"], "Give a --workdir"),
        (
            ["train", "--data_dir=x", "--workdir=run", "--whitened_stem", "--weights=cifar10"],
            "--whitened_stem is for random weights; leave it out, or --weights.",
        ),
        (["train", "--data_dir=x", "--workdir=run", "--teacher=."], "--teacher needs a --distillation_weight above 0."),
        (["train", "--data_dir=x", "--workdir=run", "--distillation_weight=1"], "--distillation_weight needs a"),
        (
            ["finetune", "x", "--workdir=run", "--teacher=y", "--distillation_weight=1"],
            "--teacher: y is no run directory, file, or id of weights.",
        ),
        (["evaluate"], "Give a --model: a run directory, a .keras file, an id of weights, or a variant."),
        (["evaluate", "--model=.", "--protocol=multi_scale", "--scales=0"], "--scales must be above 0."),
        (["evaluate", "--model=.", "--protocol=multi_scale", "--scales=a"], "--scales=a must be integers separated by"),
        (["evaluate", "--model=.", "--protocol=centr"], "Unknown protocol 'centr'; did you mean 'center'?"),
        (
            ["evaluate", "--model=.", "--protocol="],
            "Give a --protocol: one or more of center, flip, ten_crop, multi_scale.",
        ),
        (["evaluate", "--model=.", "--per_class=nowhere/x.csv"], "--per_class: there is no writable folder nowhere."),
        (["evaluate", "--model=.", "--per_class=."], "--per_class: . is a folder; name a file."),
        (["evaluate", "--model=.", "--real_labels=real.json"], "--real_labels: there is no file real.json."),
        (["evaluate", "--model=.", "--recalibrate_batchnorm=-1"], "--recalibrate_batchnorm=-1 must be a non-negative"),
        (["evaluate", "--model=.", "--classes=some"], "Unknown --classes 'some'; available: 'all', 'data'."),
        (
            ["evaluate", "--model=.", "--class_list=imagenet"],
            "Unknown --class_list 'imagenet'; did you mean 'imagenet-1k",
        ),
        (["evaluate", "--model=.", "--split=val"], "Unknown --split 'val'; did you mean 'validation'?"),
        (
            ["evaluate", "--model=keras_resnet/resnet20_cifar.cifar1"],
            "Unknown run directory, .keras file, weights, or variant 'keras_resnet/resnet20_cifar.cifar1'; did",
        ),
        (
            ["evaluate", "--model=keras_resnet/resnet20_cifar.cifar10", "--weights=cifar10"],
            "keras_resnet/resnet20_cifar.cifar10 has its own weights; leave out --weights.",
        ),
        (
            ["evaluate", "--model=resnet5O"],
            "Unknown run directory, .keras file, weights, or variant 'resnet5O'; did you mean",
        ),
        (["export", "run", "net.onnx", "--format=onxx"], "Unknown --format 'onxx'; did you mean 'onnx'?"),
        (["export", "run", "net.onnx", "--precision=int4"], "Unknown --precision 'int4'; did you mean 'int8'?"),
        (["export", "run", "net.onnx", "--images="], "--images is empty."),
        (["export", "run", "net.onnx", "--precision=int8"], "int8 needs images for calibration"),
        (["export", "run", "net.pb"], "Unknown suffix of an exported model '.pb'"),
        (["export", "nowhere", "net.onnx"], "nowhere is neither a run directory"),
        (["compare", "nowhere", "elsewhere"], "nowhere is not a run directory: it has no recipe.json."),
        (["compare", "a", "b", "--output="], "--output is empty; name an HTML file."),
        (["compare", "a", "b", "--output=nowhere/x.html"], "There is no folder nowhere for x.html."),
        (["predict", "run", "x.png", "--top=0"], "--top=0 must be a positive integer."),
        (["launch", "--workers=0", "x.py"], "--workers=0 must be a positive integer."),
        (["list", "resnet51"], "Unknown model 'resnet51'"),
        (["list", "--recipes", "cifar_quik"], "Unknown recipe 'cifar_quik'; did you mean 'cifar_quick'"),
        (["list", "--weights", "--licence=gpl"], "Unknown licence 'gpl'; available: 'apache-2.0', "),
        (["list", "--weights", "--min_top1=100"], "No weights of these variants have these properties."),
    ],
)
def test_wrong_values_name_the_flag_and_what_it_takes(arguments, message, run):
    code, _, stderr = run(*arguments)
    assert code == 1
    assert stderr.startswith(f"error: {message}")
    assert len(stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--fake_data", "--data_dir=photos"], "--fake_data generates photos; leave out --data_dir."),
        (
            ["train", "--fake_data", "--data=x", "--download"],
            "--fake_data generates photos; leave out --data and",
        ),
        (["train", "--data_dir=photos", "--workdir=run", "--download"], "photos needs no --download."),
        (["train", "--data_dir=photos", "--workdir=run", "--data=cifar10"], "photos needs no --data."),
        (["finetune", "photos", "--workdir=run", "--weights=", "--freeze=stem"], "--freeze would keep random weights"),
        (["evaluate", "--model=photos", "--weights=imagenet"], "photos has its own weights; leave out --weights."),
        (["evaluate", "--model=resnet50"], "--model is a variant; also give --weights."),
        (["evaluate", "--model=photos", "--class_list=imagenet-1k"], "--class_list needs --weights: a weight file."),
        (
            ["evaluate", "--model=resnet18", "--weights=imagenet", "--data_dir=photos", "--class_list=imagenet-1k"],
            "imagenet has its own classes; leave out --class_list.",
        ),
        (["export", "run", "net.onnx", "--data_dir=photos"], "--data_dir needs --evaluate."),
        (["list", "--min_top1=80"], "--min_top1 needs --weights."),
        (["predict", "run", "x.png", "--json", "--csv"], "Give --json or --csv, not both."),
        (["list", "--nocommercial"], "--commercial needs --weights."),
        (["evaluate", "--model=photos", "--scales=224"], "--scales needs --protocol=multi_scale."),
    ],
)
def test_contradictory_flags_are_refused(arguments, message, run, tmp_path):
    write_scenes(tmp_path / "photos", ["ant", "bee"], 1)
    code, _, stderr = run(*arguments)
    assert code == 1
    assert stderr.startswith(f"error: {message}")
    assert len(stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_training_without_data_says_how_to_get_them(run):
    code, _, stderr = run("train", "--workdir=run")
    assert code == 1
    assert "PHOTOS/train/<class>/*.jpg" in stderr
    assert len(stderr.splitlines()) < 24  # one screen
