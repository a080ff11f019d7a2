"""`keras-resnet analyze gradients`, `shattering` and `responses` on a run of a small network."""

import csv

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from keras_resnet.analysis.gradients import gradient_flow
from keras_resnet.analysis.responses import layer_responses
from keras_resnet.analysis.samples import sample
from keras_resnet.analysis.shattering import rounding
from keras_resnet.commands.analyze.subject import label
from keras_resnet.view import View
from tests.commands.running import keras_resnet_command
from tests.photos import write_scenes


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """A run of a residual network, and its photos."""
    folder = tmp_path_factory.mktemp("analyze")
    photos = folder / "photos"
    for split in ("train", "val"):
        write_scenes(photos / split, ["cat", "ship"], 8)
    recipe = keras_resnet.Recipe(epochs=1, batch_size=8, image_size=16)
    data = keras_resnet.load_data(photos, recipe)
    keras.utils.set_random_seed(0)
    model = keras_resnet.ResNet(
        "basic", (1, 1), widths=(4, 8), stem="cifar", input_shape=(16, 16, 3), classes=2, name="small"
    )
    keras_resnet.train(model, data, recipe, folder / "residual", verbose=0)
    return folder


@pytest.fixture
def analyze(finished_run, tmp_path, monkeypatch):
    """A function that runs a subject; it returns the printed lines."""

    def run(*arguments, code=0):
        ended = keras_resnet_command(monkeypatch, "analyze", *arguments, f"--output={tmp_path / 'out'}")
        assert ended.code == code, ended.stderr
        return ended.stdout.splitlines() if code == 0 else ended.stderr.splitlines()

    return run


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def is_picture(path, width=800):
    with Image.open(path) as picture:
        return picture.size[0] == width


def examples(run, split, count):
    return sample(keras_resnet.run_directory.Run(run).data(), split, count)


def test_gradients_of_a_run(finished_run, analyze, tmp_path):
    run = finished_run / "residual"
    printed = analyze("gradients", run, "--images=6")
    flow = gradient_flow(keras_resnet.load_model(run), *examples(run, "train", 6))
    rows = rows_of(tmp_path / "out" / "gradients.csv")
    assert rows == [
        {"model": "residual", **{key: str(value) for key, value in block._asdict().items()}} for block in flow.blocks
    ]
    weights = rows_of(tmp_path / "out" / "gradients_weights.csv")
    assert [row["gradient_norm"] for row in weights] == [str(weight.gradient_norm) for weight in flow.weights]
    assert is_picture(tmp_path / "out" / "gradients.png")
    ratio = flow.blocks[0].output_norm / flow.blocks[-1].output_norm
    assert any(f"{ratio:.3g} times" in line and f"{100 * flow.blocks[0].path_share:.2g} %" in line for line in printed)
    assert any(line.startswith("Sum rule: ") for line in printed)


@pytest.mark.exhaustive
def test_moving_statistics_are_used_on_request(finished_run, analyze, tmp_path):
    run = finished_run / "residual"
    analyze("gradients", run, "--images=6", "--moving_statistics")
    flow = gradient_flow(keras_resnet.load_model(run), *examples(run, "train", 6), training=False)
    rows = rows_of(tmp_path / "out" / "gradients.csv")
    assert [row["entry_norm"] for row in rows] == [str(block.entry_norm) for block in flow.blocks]


@pytest.mark.exhaustive
def test_new_variants_with_and_without_normalization(finished_run, analyze, tmp_path):
    printed = analyze(
        "gradients", "plainnet20_cifar", "resnet20_cifar", "--without_norm", "--images=2",
        f"--data_dir={finished_run / 'photos'}",
    )  # fmt: skip
    rows = rows_of(tmp_path / "out" / "gradients.csv")
    names = list(dict.fromkeys(row["model"] for row in rows))
    assert names == [
        "plainnet20_cifar",
        "plainnet20_cifar without normalization",
        "resnet20_cifar",
        "resnet20_cifar without normalization",
    ]
    assert len(rows) == 4 * 9
    assert any(line.startswith("The paper (section 4.1)") for line in printed)


def test_the_claim_about_plain_networks_is_checked_whatever_the_name_of_their_files(finished_run, analyze, tmp_path):
    model = keras_resnet.ResNet(
        "basic", (1,), widths=(4,), stem="cifar", input_shape=(16, 16, 3), classes=2, residual=False
    )
    model.view = View((16, 16))
    model.save(tmp_path / "without_shortcuts.keras")
    printed = analyze(
        "gradients", tmp_path / "without_shortcuts.keras", "--images=2", f"--data_dir={finished_run / 'photos'}"
    )
    assert any(line.startswith("The paper (section 4.1)") for line in printed)


@pytest.mark.exhaustive
def test_variants_are_trained_and_resumed(finished_run, analyze, tmp_path):
    command = [
        "gradients", "resnet8", "--epochs=2", "--recipe=cifar_fast", "--images=4",
        f"--data_dir={finished_run / 'photos'}",
    ]  # fmt: skip
    analyze(*command)
    rows = rows_of(tmp_path / "out" / "gradients.csv")
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(3) for _ in range(3)]
    assert is_picture(tmp_path / "out" / "gradients_training.png")
    log = (tmp_path / "out" / "run-resnet8" / "log.csv").read_text()
    analyze(*command)  # nothing is left to train
    assert rows_of(tmp_path / "out" / "gradients.csv") == rows
    assert (tmp_path / "out" / "run-resnet8" / "log.csv").read_text() == log


def test_responses_of_a_run(finished_run, analyze, tmp_path):
    run = finished_run / "residual"
    printed = analyze("responses", run)
    images, _ = examples(run, "validation", 1000)
    responses = layer_responses(keras_resnet.load_model(run), images)
    rows = rows_of(tmp_path / "out" / "responses.csv")
    assert rows == [
        {"model": "residual", **{key: str(value) for key, value in response._asdict().items()}}
        for response in responses
    ]
    mean = np.mean([response.standard_deviation for response in responses])
    assert printed[-2].startswith(f"residual: mean response of 5 3x3 layers {mean:.3g}")
    assert printed[-1].endswith("Name networks of both kinds to compare them.")
    assert is_picture(tmp_path / "out" / "responses.png")


def test_responses_with_and_without_shortcuts_are_compared(finished_run, analyze, tmp_path):
    *_, plain, claim = analyze("responses", finished_run / "residual", "plainnet20_cifar", "--images=4")
    rows = rows_of(tmp_path / "out" / "responses.csv")
    means = [
        np.mean([float(row["standard_deviation"]) for row in rows if row["model"] == name])
        for name in ("residual", "plainnet20_cifar")
    ]
    kind = "random weights, normalized by the statistics of each batch"
    assert plain.startswith(f"plainnet20_cifar ({kind}): mean response of 19 3x3 layers {means[1]:.3g}, ")
    answer = "yes" if means[0] < means[1] else "no"
    compared = f"{means[0]:.3g} with shortcuts and {means[1]:.3g} without"
    assert claim.endswith(f"Here: {answer}, the mean responses are {compared}.")


@pytest.mark.parametrize(
    ("model", "name"), [("runs/a", "a"), ("nets/b.keras", "b"), (".", "here"), ("runs/_c", "c"), ("_", "_")]
)
def test_each_model_has_a_name_that_legends_show(model, name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert label(model) == name


def test_shattering_of_a_run(finished_run, analyze, tmp_path):
    run = finished_run / "residual"
    printed = analyze("shattering", run, "--images=6")
    result = rounding(keras_resnet.load_model(run), *examples(run, "train", 6))
    weights = rows_of(tmp_path / "out" / "shattering_weights.csv")
    assert [row["cosine"] for row in weights] == [str(cosine) for cosine in result.cosines]
    blocks = rows_of(tmp_path / "out" / "shattering_blocks.csv")
    assert [row["relative_change"] for row in blocks] == [str(change) for change in result.changes]
    correlations = rows_of(tmp_path / "out" / "shattering.csv")
    assert [row["model"] for row in correlations] == [
        name for name in ("residual", "white noise", "brown noise") for _ in range(256)
    ]
    assert any(f"a median cosine of {result.median:.2f}" in line for line in printed)
    assert is_picture(tmp_path / "out" / "shattering.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gradients", "nowhere"], "Unknown run directory, .keras file, weights, or variant 'nowhere'"),
        (["gradients", "EMPTY"], "is neither a run directory with a best.keras or final.keras"),
        (["responses", "resnet18", "resnet18"], "resnet18 is named twice."),
        (["gradients", "resnet18", "--recipe=cifar_fast"], "--recipe needs --epochs."),
        (["gradients", "resnet18", "--recipe=cifar_fasd"], "Unknown recipe 'cifar_fasd'"),
        (["gradients", "resnet18", "--epochs=1", "--without_norm"], "leave out --without_norm"),
        (["gradients", "resnet18", "--epochs=1", "--moving_statistics"], "leave out --moving_statistics"),
        (["gradients", "RUN", "--epochs=1"], "--epochs trains variants, with new weights;"),
        (["gradients", "RUN", "--without_norm"], "--without_norm is for variants, with new weights;"),
        (["shattering", "resnet18", "--images=0"], "--images=0"),
    ],
)
def test_wrong_arguments_end_in_one_line(arguments, message, finished_run, analyze, tmp_path):
    (tmp_path / "empty").mkdir()
    paths = {"RUN": str(finished_run / "residual"), "EMPTY": str(tmp_path / "empty")}
    arguments = [paths.get(argument, argument) for argument in arguments]
    [line] = analyze(*arguments, code=1)
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "out").exists()
