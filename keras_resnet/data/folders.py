"""A folder of photos -> `Files` for each split, in the layouts that people have."""

import os
import pathlib
import re

import numpy as np

from keras_resnet.data.examples import Files

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
FOLDERS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}  # of the splits
# Labels of a flat folder of validation images: of Caffe, of TensorFlow's slim, of Kaggle.
LABEL_FILES = (
    "val.txt",
    "val_labels.txt",
    "synset_labels.txt",
    "imagenet_2012_validation_synset_labels.txt",
    "LOC_val_solution.csv",
)


def from_folder(folder: pathlib.Path, image_shape) -> tuple[dict[str, Files], tuple[str, ...]]:
    """The files of each split, and the class names, sorted.

    Args:
        folder: holds `train/<class>/*` and perhaps `val` and `test`, or `<class>/*`. `val` may be ImageNet's: all
            images in one folder, with a label file in it or beside it.
        image_shape: that a model is fed with.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no photos, a class that training does not know, or a label file that does not fit.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}.")
    found = {
        split: next((folder / name for name in names if (folder / name).is_dir()), None)
        for split, names in FOLDERS.items()
    }
    folders = {split: path for split, path in found.items() if path}
    if "train" not in folders:
        folders = {"train": folder}
    class_names = _classes(folders["train"])
    if len(class_names) < 2:
        raise ValueError(
            f"{folders['train']} has {len(class_names)} classes; it must hold a folder for each, two or more."
        )
    return {split: _split(path, class_names, image_shape) for split, path in folders.items()}, class_names


def _classes(folder):
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")))


def _split(folder, class_names, image_shape):
    here = _classes(folder)
    if here:
        photos = [(f"{name}/{file}", name) for name in here for file in _images(folder / name)]
    else:
        photos = _labelled_by_file(folder, class_names)
    strange = sorted({label for _, label in photos} - set(class_names))
    if strange:
        raise ValueError(f"{folder} has classes that training does not know: {', '.join(strange[:5])}.")
    if not photos:
        raise ValueError(f"{folder} holds no photos ({', '.join(SUFFIXES)}) in the folders of its classes.")
    numbers = {name: number for number, name in enumerate(class_names)}
    labels = np.array([numbers[label] for _, label in photos], "int32")
    return Files(folder, np.array([path for path, _ in photos]), labels, image_shape)


def _images(folder):
    return sorted(name for name in os.listdir(folder) if name.lower().endswith(SUFFIXES))


def _labelled_by_file(folder, class_names):
    """(file, class name) of the images in a flat folder, from the label file that is there."""
    images = _images(folder)
    places = [place / name for place in (folder, folder.parent) for name in LABEL_FILES]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise ValueError(
            f"{folder} has no folders of classes, and no label file is in it or beside it ({', '.join(LABEL_FILES)})."
        )
    rows = [re.split(r"[,\s]+", line.strip()) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if rows and rows[0][0] == "ImageId":  # Kaggle's header; its names lack the suffix
        suffixes = {pathlib.PurePath(name).stem: name for name in images}
        rows = [[suffixes.get(name, name), label] for name, label, *_ in rows[1:]]
    elif all(len(row) == 1 for row in rows):
        if len(rows) != len(images):
            raise ValueError(f"{file} has {len(rows)} labels, but {folder} has {len(images)} images.")
        rows = [[name, label] for name, (label,) in zip(images, rows, strict=True)]
        if rows[0][1].isdigit() and rows[0][1] not in class_names:
            raise ValueError(
                f"{file} numbers the classes without naming the images; such numbers have another order than the "
                "class folders. Give a class name (WNID) a line, or lines of 'image label'."
            )
    labels = {name: _class_name(label, class_names) for name, label, *_ in rows}
    missing = [name for name in images if name not in labels]
    if missing:
        raise ValueError(f"{file} has no label for {len(missing)} of {len(images)} images, as {missing[0]}.")
    return [(name, labels[name]) for name in images]


def _class_name(label, class_names):
    """A label is a class name, or, as in Caffe's lists, a number in the order of the sorted names."""
    if label not in class_names and label.isdigit() and int(label) < len(class_names):
        return class_names[int(label)]
    return label
