"""Folders of photos, flat or in ImageNet's layout: every photo accounted for."""

import collections
import os

import numpy as np
import pytest

from keras_resnet import Recipe, load_data
from keras_resnet.data.batches import evaluation_batches
from keras_resnet.transforms.views import center_view
from tests.photos import write_photos

SMALL = Recipe(image_size=8)


def seen(data, split):
    """Counter of (label, value of the first pixel) over a split's center views."""
    batches = evaluation_batches(data.splits[split], 16, lambda image: center_view(image, data.view)[0])
    return collections.Counter(
        (int(label), int(image[0, 0, 0]))
        for images, labels, _ in batches
        for image, label in zip(images.numpy(), labels, strict=True)
    )


def test_flat_folder_is_split(tmp_path):
    write_photos(tmp_path / "photos", ["cat", "dog", "eel"], 10)
    data = load_data(tmp_path / "photos", Recipe(validation_fraction=0.2, image_size=16))
    assert data.class_names == ("cat", "dog", "eel")
    assert data.image_shape == (16, 16, 3)
    assert (len(data.train), len(data.validation)) == (24, 6)
    # Each photo is in one of the splits, with the label of its color.
    assert seen(data, "train") + seen(data, "validation") == {(0, 0): 10, (1, 20): 10, (2, 40): 10}


def test_imagenets_layout(tmp_path):
    write_photos(tmp_path / "train", ["n01", "n02"], 4, ".JPEG")
    write_photos(tmp_path / "val", ["n01", "n02"], 2, ".JPEG")
    data = load_data(f"{tmp_path}/", Recipe(validation_fraction=0.5, image_size=8))
    assert (len(data.train), len(data.validation), data.test) == (8, 4, None)
    assert seen(data, "validation") == {(0, 0): 2, (1, 20): 2}


LABELS = {
    "val.txt": "a.png 1\nb.png 0\nc.png 1\n",  # Caffe's
    "val_labels.txt": "a.png dog\nb.png cat\nc.png dog\n",
    "synset_labels.txt": "dog\ncat\ndog\n",  # in the order of the files
    "LOC_val_solution.csv": "ImageId,PredictionString\nc,dog 1 2 3 4\na,dog 1 2 3 4 dog 5 6 7 8\nb,cat 1 2 3 4\n",
}


@pytest.mark.parametrize("name", LABELS)
@pytest.mark.parametrize("place", ["val", "."])
def test_flat_validation_images_with_a_label_file(name, place, tmp_path):
    write_photos(tmp_path / "train", ["cat", "dog"], 2)
    write_photos(tmp_path / "val" / "..", ["scratch"], 3)
    (tmp_path / "val").mkdir(exist_ok=True)
    for index, letter in enumerate("abc"):
        (tmp_path / "scratch" / f"{index}.png").rename(tmp_path / "val" / f"{letter}.png")
    (tmp_path / place / name).write_text(LABELS[name])
    data = load_data(tmp_path, SMALL)
    np.testing.assert_array_equal(data.validation.paths, ["a.png", "b.png", "c.png"])
    np.testing.assert_array_equal(data.validation.labels, [1, 0, 1])


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("val.txt", "0.png 1\n", "has no label for 1 of 2 images, such as 1.png"),
        ("synset_labels.txt", "dog\n", "has 1 labels, but .* has 2 images"),
        ("val_labels.txt", "1\n2\n", "has class numbers without image names"),
        ("val.txt", "0.png eel\n1.png cat\n", "classes that the training images lack: eel"),
        ("val.txt", "0.png 1\n\n1.png,\n", r"has only '1\.png' on line 3; write an image and its label on every line"),
        ("LOC_val_solution.csv", "ImageId,PredictionString\n0,dog 1 2 3 4\n1,\n", "has only '1' on line 3"),
        ("val.txt", "\n", r"has no label for 2 of 2 images, such as 0\.png"),
        ("other.txt", "0.png eel\n1.png cat\n", "there is no label file in it or next to it"),
    ],
)
def test_label_files_that_do_not_match(name, labels, message, tmp_path):
    write_photos(tmp_path / "train", ["cat", "dog"], 2)
    write_photos(tmp_path, ["val"], 2)
    (tmp_path / "val" / name).write_text(labels)
    with pytest.raises(ValueError, match=message):
        load_data(tmp_path, SMALL)


def test_an_empty_label_file_of_no_images_is_one_clear_sentence(tmp_path):
    write_photos(tmp_path / "train", ["cat", "dog"], 2)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "val.txt").touch()
    with pytest.raises(ValueError, match=r"val contains no photos \(\.[^()]*\)\.$"):
        load_data(tmp_path, SMALL)


@pytest.mark.parametrize("name", ["val", "validation", "valid"])
def test_names_of_the_validation_folder(name, tmp_path, caplog):
    """Folders of the same classes that have another name, or an alias of one that is used, are left out."""
    for folder, count in (("train", 3), (name, 2), ("eval", 1), ("valid", 1)):
        if not (tmp_path / folder).exists():
            write_photos(tmp_path / folder, ["cat", "dog"], count)
    (tmp_path / "notes").mkdir()
    data = load_data(tmp_path, SMALL)
    assert {split: len(examples) for split, examples in data.splits.items()} == dict(train=6, validation=4)
    left_out = "eval" if name == "valid" else "eval, valid"
    assert caplog.messages == [
        f"Left out the folders {left_out} of {tmp_path}; splits are called train, val, and test."
    ]


def test_bad_folders_are_one_clear_sentence(tmp_path):
    photos = write_photos(tmp_path / "photos", ["cat", "dog"], 3)
    for folder, error, message in (
        (tmp_path / "nowhere", FileNotFoundError, "The folder .*nowhere does not exist"),
        (
            photos / "cat",
            ValueError,
            r"contains 3 photos \(0\.png, \.\.\.\); photos must be in a folder for each class",
        ),
        (photos / "cat" / "0.png", NotADirectoryError, "is a file; give the folder"),
    ):
        with pytest.raises(error, match=message):
            load_data(folder, SMALL)
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    (tmp_path / "empty" / "dog").mkdir()
    with pytest.raises(ValueError, match="contains no photos"):
        load_data(tmp_path / "empty", SMALL)
    write_photos(tmp_path / "both" / "train", ["cat", "dog"], 1)
    write_photos(tmp_path / "both" / "val", ["cat", "eel"], 1)
    with pytest.raises(ValueError, match="classes that the training images lack: eel"):
        load_data(tmp_path / "both", SMALL)


def test_other_layouts_are_named_and_the_wanted_one_is_shown(tmp_path):
    single = write_photos(tmp_path / "single", ["cat"], 1)
    with pytest.raises(ValueError, match=r"one class folder, cat, but .* at least two; .* train/<class>/\*\.jpg"):
        load_data(single)
    wrapped = write_photos(tmp_path / "wrapped" / "photos", ["cat", "dog"], 1).parent
    with pytest.raises(
        ValueError, match="contains one class folder, photos, with the folders cat, dog; photos must be"
    ):
        load_data(wrapped)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="nothing contains no class folders; photos must be"):
        load_data(tmp_path / "nothing")


@pytest.mark.parametrize("split", ["train", "val", "."])
def test_nested_class_folders_are_one_clear_sentence(split, tmp_path):
    for name in ("train", "val"):
        write_photos(tmp_path / name, ["animals", "plants"], 1)
    write_photos(tmp_path / split / "more", ["ant", "bee", "cat", "dog"], 1)
    if split == ".":
        (tmp_path / "train").rename(tmp_path / "training")
    message = r"contains no photos but folders \(.*\); photos must be in a folder for each class: train/<class>/"
    with pytest.raises(ValueError, match=message) as caught:
        load_data(tmp_path)
    assert "\n" not in str(caught.value)


def test_label_file_that_is_not_text(tmp_path):
    write_photos(tmp_path / "train", ["cat", "dog"], 2)
    write_photos(tmp_path, ["val"], 2)
    (tmp_path / "val" / "val.txt").write_bytes(b"0.png \xff\n")
    with pytest.raises(ValueError, match=r"val\.txt is not a text file in UTF-8"):
        load_data(tmp_path)


def test_class_folder_with_a_name_that_is_not_text(tmp_path):
    write_photos(tmp_path, ["cat", "dog"], 1)
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    with pytest.raises(ValueError, match=r"caf\\xe9 has a name that is not UTF-8; rename it"):
        load_data(tmp_path)


@pytest.mark.parametrize("name", ["two\nlines", "two\u2028lines", "end\r"])
def test_class_folder_with_a_line_break(name, tmp_path):
    write_photos(tmp_path, ["cat", name], 1)
    with pytest.raises(ValueError, match="has a name with a line break; rename it"):
        load_data(tmp_path)


def test_real_photos(local_data):
    data = load_data(local_data / "photos" / "imagenette_small", Recipe(image_size=32))
    assert (len(data.train), len(data.validation)) == (2500, 800)
    assert len(data.class_names) == 10
    assert 100 < data.mean_image().mean() < 140  # ImageNet's mean is about 114


def test_a_label_file_of_the_validation_images_is_not_that_of_the_test_images(tmp_path, caplog):
    """Without labels, as in Kaggle's ImageNet, the test images are left out."""
    for split in ("train", "val", "test"):
        write_photos(tmp_path / split, ["cat", "dog"], 2)
    for split in ("val", "test"):
        for index, photo in enumerate(sorted((tmp_path / split).rglob("*.png"))):
            photo.rename(tmp_path / split / f"{index}.png")
        for name in ("cat", "dog"):
            (tmp_path / split / name).rmdir()
    labels = "".join(f"{index}.png {index % 2}\n" for index in range(4))
    (tmp_path / "val.txt").write_text(labels)
    caplog.set_level("INFO", "keras_resnet")
    data = load_data(tmp_path, SMALL)
    assert {split: len(examples) for split, examples in data.splits.items()} == dict(train=4, validation=4)
    assert caplog.messages == [f"Left out the test split of {tmp_path}, which has no labels."]
    (tmp_path / "test" / "val.txt").write_text(labels)
    data = load_data(tmp_path, SMALL)
    assert {split: len(examples) for split, examples in data.splits.items()} == dict(train=4, validation=4, test=4)


def test_what_is_no_photo_of_a_class_is_left_out_with_a_warning(tmp_path, caplog):
    write_photos(tmp_path, ["cat", "dog"], 2)
    (tmp_path / "cat" / "._0.png").touch()  # macOS's
    (tmp_path / "cat" / "folder.png").mkdir()
    write_photos(tmp_path / "dog" / "..", ["dog/more"], 1)
    (tmp_path / "dog" / "more" / "0.png").rename(tmp_path / "outside.png")
    assert len(load_data(tmp_path, SMALL).train) == 4
    assert [record.getMessage() for record in caplog.records] == [
        f"Left out the photos in no class folder of {tmp_path}: outside.png.",
        f"Left out what is in the folders in {tmp_path / 'cat'}: folder.png.",
        f"Left out what is in the folders in {tmp_path / 'dog'}: more.",
    ]
