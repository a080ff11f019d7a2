"""The commands that count right answers: `evaluate`, and `export --evaluate`."""

import csv
import json
import re

import keras
import pytest

from keras_resnet import Recipe, ResNet, create_model, load_data
from keras_resnet.run_directory import Run
from keras_resnet.training.description import describe_run
from keras_resnet.training.workdir import begin
from tests.commands.running import keras_resnet_command
from tests.photos import encode, scene, write_scenes


@pytest.fixture
def run(monkeypatch):
    return lambda *arguments: keras_resnet_command(monkeypatch, *arguments)


@pytest.fixture(scope="module")
def photo_run(tmp_path_factory):
    """A run directory of a small net for photos of two classes, and the folder of these."""
    folder = tmp_path_factory.mktemp("run")
    for split in ("train", "val"):
        write_scenes(folder / "photos" / split, ["cat", "ship"], 3)
    recipe = Recipe(image_size=16, crop_fraction=0.75)
    keras.utils.set_random_seed(0)
    model = ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(None, None, 3), classes=2)
    description = describe_run(model, load_data(folder / "photos", recipe), recipe)
    begin(Run(folder / "run"), description, ("cat", "ship"))
    model.save(folder / "run" / "best.keras")
    return folder


@pytest.mark.parametrize("view", [[], ["--image_size=24", "--crop_fraction=0.5"]])
def test_a_run_is_evaluated_on_its_own_images(view, run, photo_run):
    command = ["evaluate", f"--model={photo_run / 'run'}", *view]
    own, named = run(*command), run(*command, f"--data_dir={photo_run / 'photos'}")
    assert own.code == 0, own.stderr
    assert own.stdout.splitlines()[-1] == named.stdout.splitlines()[-1]
    size = 24 if view else 16
    assert f"6 images, {size}x{size} center crop of " in own.stdout


def test_an_export_of_a_run_is_evaluated_on_its_own_images(run, photo_run, tmp_path):
    code, stdout, stderr = run("export", photo_run / "run", tmp_path / "net.keras", "--evaluate")
    assert code == 0, stderr
    assert re.search(r"^float (\d), float32 \1 of 6 validation images$", stdout, re.M)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """Photos of three classes, laid out as ImageNet's, the last one unreadable."""
    folder = write_scenes(tmp_path_factory.mktemp("photos") / "train", ["ant", "bee", "cat"], 2).parent
    (folder / "val").mkdir()
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 7)]
    for seed, name in enumerate(names):
        (folder / "val" / name).write_bytes(encode(scene(40, 50, seed), "JPEG") if seed < 5 else b"")
    (folder / "val.txt").write_text("".join(f"{name} {seed % 3}\n" for seed, name in enumerate(names)))
    return folder


def test_evaluate_takes_an_id_of_weights_for_the_model(run, tiny_cifar):
    by_id, by_names = (
        run("evaluate", *model, f"--data_dir={tiny_cifar}")
        for model in (["--model=keras_resnet/resnet20_cifar.cifar10"], ["--model=resnet20_cifar", "--weights=cifar10"])
    )
    assert (by_id.code, by_names.code) == (0, 0)
    assert by_id.stdout.splitlines()[-1] == by_names.stdout.splitlines()[-1]
    assert by_id.stdout.splitlines()[-1].startswith("test accuracy ")


def test_all_counts_of_a_recalibrated_net(imagenet, run, tmp_path):
    """Its statistics are so wrong that its outputs are infinite. A ReaL label is any class for three photos."""
    model = create_model("resnet20_cifar", depths=(1,), widths=(4,), input_shape=(16, 16, 3), classes=3)
    model.get_layer("stem_bn").moving_variance.assign([1e-38] * 4)
    model.get_layer("stem_bn").moving_mean.assign([-3e38] * 4)
    model.save(tmp_path / "net.keras")
    (tmp_path / "real.json").write_text(json.dumps([[0, 1, 2]] * 3 + [[]] * 3))
    command = ["evaluate", f"--model={tmp_path / 'net.keras'}", f"--data_dir={imagenet}", "--image_size=16"]
    damaged = run(*command)
    assert damaged.stderr == "error: The outputs of resnet20_cifar are not finite; its weights are damaged.\n"

    table = tmp_path / "classes.csv"
    extra = ["--recalibrate_batchnorm=6", f"--real_labels={tmp_path / 'real.json'}", f"--per_class={table}"]
    code, stdout, _ = run(*command, "--protocol=center,flip", *extra)
    assert code == 0
    pattern = (
        r"(\d) of 5 right, [\d.]+ images/s\n"
        r"3 of 3 right by ReaL labels \(1\.0000\)\n"
        r"error: \S+ILSVRC2012_val_00000006\.JPEG is empty\n"
        r"validation accuracy .* 5 images plus 1 unreadable, .*\n"
    )
    right = re.fullmatch(2 * pattern, stdout).groups()
    rows = list(csv.DictReader(table.read_text().splitlines()))
    for protocol, count in zip(("center", "flip"), right, strict=True):
        own = [row for row in rows if row["protocol"] == protocol]
        assert [(row["class"], row["images"]) for row in own] == [("ant", "2"), ("bee", "2"), ("cat", "1")]
        assert sum(int(row["correct"]) for row in own) == int(count)


def test_weight_file_of_classes_of_which_the_data_have_two(run, tmp_path):
    """A net that says "cat" to each of four photos."""
    write_scenes(tmp_path / "photos" / "val", ["cat", "ship"], 2)
    write_scenes(tmp_path / "photos" / "train", ["cat", "ship"], 1)
    model = create_model("resnet20_cifar")
    model.get_layer("logits").bias.assign([0, 0, 0, 1e4, 0, 0, 0, 0, 0, 0])
    model.save(tmp_path / "net.keras")
    command = ["evaluate", "--model=resnet20_cifar", f"--weights={tmp_path / 'net.keras'}", "--image_size=32"]
    code, stdout, _ = run(*command, f"--data_dir={tmp_path / 'photos'}", "--class_list=cifar10")
    assert code == 0
    assert re.match(r"2 of 4 right, \d in the top 5, ", stdout)


def test_export_counts_the_right_answers_of_both(run, tiny_cifar, tmp_path):
    create_model("resnet20_cifar", depths=(1,), widths=(4,)).save(tmp_path / "net.keras")
    code, stdout, _ = run(
        "export", tmp_path / "net.keras", tmp_path / "exported.keras", "--evaluate", f"--data_dir={tiny_cifar}"
    )
    assert code == 0
    float_count, exported_count = re.search(r"^float (\d+), float32 (\d+) of 20 test images$", stdout, re.M).groups()
    assert float_count == exported_count
