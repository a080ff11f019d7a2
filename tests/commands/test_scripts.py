"""The scripts as users run them: each in its own process, on small data sets."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from tests.photos import write_photos, write_scenes

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"


def script(name, *arguments, cwd):
    command = [sys.executable, SCRIPTS / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=500)


def mistake(result):
    """The last line on stderr after a user's mistake, without a traceback."""
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()[-1]


@pytest.mark.exhaustive
def test_train_then_predict_then_train_again(tiny_cifar, tmp_path):
    arguments = [
        f"--data_dir={tiny_cifar}",
        "--model=resnet20_cifar",
        "--recipe=cifar_quick",
        "--epochs=2",
        "--batch_size=16",
        "--workdir=run",
    ]
    trained = script("train_cifar10.py", *arguments, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    last = trained.stdout.strip().splitlines()[-1]
    pattern = r"test accuracy (0\.\d{4}|1\.0000) \(error +(\d+\.\d\d) %, 20 images, whole 32x32 image, .*\)"
    accuracy, error = re.fullmatch(pattern, last).groups()
    assert float(error) == pytest.approx(100 * (1 - float(accuracy)), abs=0.006)

    again = script("train_cifar10.py", *arguments, cwd=tmp_path)
    assert again.stdout.strip().splitlines()[-1] == last
    assert "after epoch 2 of 2" in again.stdout

    other = script("train_cifar10.py", *arguments, "--learning_rate=0.5", cwd=tmp_path)
    assert "recipe.learning_rate: saved 0.1, requested 0.5" in mistake(other)

    for index in range(2):
        png = tf.io.encode_png(np.full((32, 32, 3), 100 * index, "uint8")).numpy()
        (tmp_path / f"{index}.png").write_bytes(png)
    predicted = script("predict.py", "run", "0.png", "1.png", cwd=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    lines = predicted.stdout.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["0.png", "1.png"]
    assert len(re.findall(r"\d [01]\.\d{4}", lines[0])) == 5

    (tmp_path / "2.png").write_text("no image")
    mixed = script("predict.py", "run", "0.png", "2.png", cwd=tmp_path)
    assert mixed.returncode == 1
    assert mixed.stdout.startswith(lines[0])
    assert "2.png: error: 2.png is not an image in a known format" in mixed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdir=run", "--epoch=3"], "did you mean '--epochs'"),
        (["--workdir=run", "--recipe=cifar_quik"], "did you mean 'cifar_quick'"),
        (["--workdir=run", "--data_dir=nowhere"], "No prepared data set 'cifar10' in"),
        (["--workdir=run", "--epochs=-1"], "epochs=-1.0 must be above 0"),
        ([], "workdir"),
    ],
)
def test_mistakes_on_the_command_line(arguments, message, tmp_path):
    result = script("train_cifar10.py", *arguments, cwd=tmp_path)
    assert message in (mistake(result) + result.stderr)
    assert not (tmp_path / "run").exists()


def test_unknown_model(tiny_cifar, tmp_path):
    result = script("train_cifar10.py", f"--data_dir={tiny_cifar}", "--model=resnet20", "--workdir=run", cwd=tmp_path)
    assert "or 'resnet20_cifar'" in mistake(result)
    assert not (tmp_path / "run").exists()


@pytest.mark.exhaustive
def test_finetune_then_evaluate(tiny_cifar, tmp_path):
    write_photos(tmp_path / "photos", ["cat", "dog", "eel"], 10)
    keras_resnet.create_model("resnet20_cifar").save(tmp_path / "start.keras")
    arguments = ["--model=resnet20_cifar", "--image_size=32", "--epochs=1", "--batch_size=8", "--freeze=stage2"]
    tuned = script("finetune.py", "photos", "--weights=start.keras", "--workdir=run", *arguments, cwd=tmp_path)
    assert tuned.returncode == 0, tuned.stderr
    assert "validation accuracy" in tuned.stdout.strip().splitlines()[-1]
    assert "loaded all layers of resnet20_cifar but 'logits'" in tuned.stderr

    model = ["--model=resnet20_cifar", "--weights=start.keras"]
    evaluated = script("evaluate.py", *model, f"--data_dir={tiny_cifar}", cwd=tmp_path)
    assert re.match(r"\d+ of 20 right, \d+ in the top 5, [\d.]+ images/s\ntest accuracy", evaluated.stdout)
    unfit = script("evaluate.py", "--model=run", f"--data_dir={tiny_cifar}", cwd=tmp_path)
    assert "has 10 classes; build it with classes=10" in mistake(unfit)


@pytest.mark.exhaustive
def test_training_starts_from_weights(tiny_cifar, tmp_path):
    start = keras_resnet.create_model("resnet20_cifar")
    start.save(tmp_path / "start.keras")
    no_change = ["--learning_rate=1e-12", "--weight_decay=0", "--epochs=1", "--batch_size=30", "--workdir=run"]
    trained = script("train_cifar10.py", f"--data_dir={tiny_cifar}", "--weights=start.keras", *no_change, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    end = keras_resnet.load_model(tmp_path / "run" / "final.keras")
    for before, after in zip(start.trainable_variables, end.trainable_variables, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.exhaustive
def test_predict_without_a_run(tmp_path):
    assert "neither a run directory" in mistake(script("predict.py", "nowhere", "a.png", cwd=tmp_path))
    assert "usage: predict.py [flags] RUN IMAGE" in mistake(script("predict.py", "nowhere", cwd=tmp_path))


@pytest.mark.exhaustive
def test_demo(tmp_path):
    result = script("demo.py", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    accuracy = float(re.search(r"test accuracy (\d\.\d+) .* 360 images", result.stdout).group(1))
    assert accuracy >= 0.97
    shown = re.findall(r"predicted (\w+) +\( *[\d.]+%\), truth (\w+)", result.stdout)
    assert len(shown) == 5
    assert sum(predicted == truth for predicted, truth in shown) >= 4
    assert (tmp_path / "runs" / "demo" / "saved_model" / "saved_model.pb").is_file()


def test_imagenet_without_data_says_how_to_get_it(tmp_path):
    result = script("train_imagenet.py", "--workdir=run", cwd=tmp_path)
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) < 24  # one screen
    assert "PHOTOS/train/<class>/*.jpg" in result.stderr
    assert "ILSVRC2012_img_train.tar" in result.stderr
    assert "--fake_data" in result.stderr
    assert not (tmp_path / "run").exists()


NET = ["--model=resnet18", "--recipe=photos_quick", "--image_size=32", "--epochs=1", "--batch_size=16"]


@pytest.mark.exhaustive
def test_photos_to_records_to_run_to_three_protocols(tmp_path):
    """The ImageNet workflow on 36 photos, one of them unreadable."""
    write_scenes(tmp_path / "photos" / "train", ["ant", "bee", "cat"], 10)
    write_scenes(tmp_path / "photos" / "val", ["ant", "bee", "cat"], 2)
    (tmp_path / "photos" / "train" / "bee" / "004.jpg").write_bytes(b"")
    prepared = script("prepare_imagenet.py", "photos", "records", "--short_side=40", cwd=tmp_path)
    assert prepared.returncode == 0, prepared.stderr
    assert re.search(r"records: 35 photos in 2 files, \d+ of them made smaller; .* saved", prepared.stdout)

    trained = script("train_imagenet.py", "--data_dir=records", "--workdir=run", *NET, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    last = trained.stdout.strip().splitlines()[-1]
    assert re.fullmatch(r"validation accuracy .* 6 images, 32x32 center crop of short side 36, .*", last)

    protocols = ["--protocol=center,ten_crop,multi_scale", "--per_class=classes.csv", "--recalibrate_batchnorm=20"]
    tested = script("evaluate.py", "--model=run", "--data_dir=photos", *protocols, cwd=tmp_path)
    assert tested.returncode == 0, tested.stderr
    assert len(re.findall(r"^\d of 6 right, [\d.]+ images/s$", tested.stdout, re.MULTILINE)) == 3
    assert "10-crop of 32x32 from short side 36" in tested.stdout
    assert "short sides 32, 37, 55, 69, 91" in tested.stdout
    rows = [line.split(",") for line in (tmp_path / "classes.csv").read_text().splitlines()]
    assert rows[0] == ["protocol", "class", "images", "correct", "accuracy"]
    protocols = ["center", "ten_crop", "multi_scale"]
    assert [row[:3] for row in rows[1:]] == [[each, name, "2"] for each in protocols for name in ("ant", "bee", "cat")]

    strict = ["--data_dir=photos", "--workdir=strict", "--on_bad_image=error", *NET]
    stopped = script("train_imagenet.py", *strict, cwd=tmp_path)
    assert re.search(r"bee/004\.jpg is empty", mistake(stopped))
