"""The commands `train` and `finetune`, in one process."""

import json
import re
import tempfile

import pytest

import keras_resnet
from keras_resnet.data import fake_photos
from tests.commands.running import keras_resnet_command
from tests.photos import write_scenes

NET = ["--model=resnet8", "--image_size=16", "--batch_size=4", "--epochs=1", "--strategy=one_device"]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A function that runs `keras-resnet` in a folder with photos of two classes."""
    write_scenes(tmp_path / "photos" / "train", ["ant", "bee"], 4)
    write_scenes(tmp_path / "photos" / "val", ["ant", "bee"], 1)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: keras_resnet_command(monkeypatch, *arguments)


def test_train_prints_the_result_and_leaves_a_run(run, tmp_path):
    code, stdout, stderr = run("train", "--data_dir=photos", "--workdir=run", *NET)
    assert (code, stderr) == (0, "")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert stdout.splitlines()[-1].startswith(f"validation accuracy {result['top1_accuracy']:.4f} (")
    assert result["images"] == 2


@pytest.mark.parametrize("freeze", [None, "stage2"])
def test_finetune_trains_what_is_not_frozen(freeze, run, tmp_path):
    model = keras_resnet.create_model("resnet8", input_shape=(16, 16, 3), classes=2)
    model.save(tmp_path / "start.keras")
    flags = [f"--freeze={freeze}"] if freeze else []
    code, stdout, _ = run("finetune", "photos", "--weights=start.keras", "--dry_run", *NET, *flags)
    assert code == 0
    if freeze:
        keras_resnet.freeze(model, freeze)
    trained = sum(variable.value.shape.num_elements() for variable in model.trainable_variables)
    assert re.search(r"^parameters +([\d,]+) trainable", stdout, re.MULTILINE)[1] == f"{trained:,}"
    assert not (tmp_path / "run").exists()


def test_fake_data_are_photos_of_eight_classes(run, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fake_photos, "TRAINING", 2)
    monkeypatch.setattr(fake_photos, "VALIDATION", 1)
    code, stdout, _ = run("train", "--fake_data", "--dry_run", *NET)
    assert code == 0
    assert re.search(r"^to the end .* for 4 steps \(1 epochs\)", stdout, re.MULTILINE)
    photos = tmp_path / "keras_resnet_fake_photos"
    for split, count in (("train", 2), ("val", 1)):
        found = sorted(path.relative_to(photos / split).as_posix() for path in (photos / split).glob("*/*.jpg"))
        assert found == [f"class{label}/{index:04d}.jpg" for label in range(8) for index in range(count)]


def test_fake_photos_that_another_process_has_written_meanwhile_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(fake_photos, "TRAINING", 1)
    monkeypatch.setattr(fake_photos, "VALIDATION", 1)
    draw = fake_photos._draw

    def draw_after_the_other(label, random):
        monkeypatch.setattr(fake_photos, "_draw", draw)
        fake_photos.write(tmp_path / "fake")
        return draw(label, random)

    monkeypatch.setattr(fake_photos, "_draw", draw_after_the_other)
    assert fake_photos.write(tmp_path / "fake") == tmp_path / "fake"
    assert sorted(path.name for path in (tmp_path / "fake").iterdir()) == ["train", "val"]
    assert [path.name for path in tmp_path.iterdir()] == ["fake"]
