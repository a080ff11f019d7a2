"""A folder of photos, in one of several common layouts -> the `Files` of each split."""

import logging
import os
import pathlib
import re

import numpy as np

from keras_resnet.data.examples import Examples, Files
from keras_resnet.runtimes.decoding import SUFFIXES, printable

logger = logging.getLogger(__name__)

LAYOUT = "photos must be in a folder for each class: train/<class>/*.jpg and val/<class>/*.jpg, or <class>/*.jpg"
FOLDERS = {"train": ("train",), "validation": ("val", "validation", "valid"), "test": ("test",)}  # of each split
# Label files for a flat folder of validation images: Caffe's, those of TensorFlow's slim, Kaggle's.
LABEL_FILES = (
    "val.txt",
    "val_labels.txt",
    "synset_labels.txt",
    "imagenet_2012_validation_synset_labels.txt",
    "LOC_val_solution.csv",
)


def from_folder(folder: pathlib.Path, image_shape: tuple[int, int, int]) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """The files of each split, and the sorted class names.

    Args:
        folder: contains `train/<class>/*` and optionally `val` and `test`, or `<class>/*`. As in ImageNet, `val` may
            contain all images directly, with a label file in it or next to it. A `test` that contains all images
            directly, without a label file, is left out.
        image_shape: (height, width, channels) of the model's input.

    Raises:
        FileNotFoundError: the folder does not exist.
        NotADirectoryError: it is a file.
        ValueError: there are no photos, the folder has another layout, the training split lacks a class, or a label
            file does not match the images.
    """
    if not _exists(folder):
        raise FileNotFoundError(f"The folder {printable(folder)} does not exist.")
    if not folder.is_dir():
        raise NotADirectoryError(f"{printable(folder)} is a file; give the folder of the photos.")
    found = {
        split: next((folder / name for name in names if (folder / name).is_dir()), None)
        for split, names in FOLDERS.items()
    }
    folders = {split: path for split, path in found.items() if path}
    if "train" not in folders:
        folders = {"train": folder}
    class_names = _classes(folders["train"])
    _check_layout(folders["train"], class_names)
    _warn_of_other_splits(folder, folders.values(), class_names)
    if "test" in folders and _is_unlabeled(folders["test"]):
        logger.info("Left out the test split of %s, which has no labels.", printable(folder))
        del folders["test"]
    return {split: _split(split, path, class_names, image_shape) for split, path in folders.items()}, class_names


def _warn_of_other_splits(folder, used, class_names):
    """Warns of folders that are not used and have class folders."""
    if folder in used:  # its folders are the classes
        return
    others = [
        name
        for name in _contents(folder)[0]
        if folder / name not in used and any(os.path.isdir(folder / name / label) for label in class_names)  # noqa: PTH112 (False if not readable)
    ]
    if others:
        logger.warning(
            "Left out the folders %s of %s; splits are called train, val, and test.", _listed(others), printable(folder)
        )


def _is_unlabeled(test):
    """Whether the folder of the test split contains all images directly, without a label file, as Kaggle's ImageNet."""
    folders, photos = _contents(test)
    return bool(photos) and not folders and _find_label_file("test", test) is None


def _exists(path):
    try:
        return path.exists()
    except (OSError, ValueError):  # no possible path
        return False


def _contents(folder):
    """The names of the folders and of the photos in a folder, sorted. Hidden ones, such as macOS's, do not count."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    folders = sorted(name for name, is_folder in found if is_folder)
    return folders, sorted(name for name, is_folder in found if not is_folder and name.lower().endswith(SUFFIXES))


def _classes(folder):
    names, _ = _contents(folder)
    for name in names:
        if name != printable(name):
            raise ValueError(f"The class folder {printable(folder / name)} has a name that is not UTF-8; rename it.")
        if name.splitlines() != [name]:  # labels.txt has a line for each class
            raise ValueError(f"The class folder {str(folder / name)!r} has a name with a line break; rename it.")
    return tuple(names)


def _check_layout(folder, class_names):
    """Checks that a folder contains at least two class folders."""
    if len(class_names) >= 2:
        return
    images = _images(folder)
    found = f"{len(images)} photos ({printable(images[0])}, ...)" if images else "no class folders"
    if class_names:
        found = f"one class folder, {class_names[0]}"
        inner = _classes(folder / class_names[0])
        found += f", with the folders {_listed(inner)}" if inner else ", but a classifier needs at least two"
    raise ValueError(f"{folder} contains {found}; {LAYOUT}.")


def _check_not_nested(folder, contents):
    """Checks that no folder of a class has all its photos one level too deep, and warns of those that are left out."""
    for name, (inner, photos) in contents.items():
        if inner and not photos:
            raise ValueError(
                f"{folder / name} contains no photos but folders ({_listed(inner)}); {LAYOUT}. If those are the "
                f"classes, move them to {folder}; if {name} is one class, move their photos to it."
            )
        if inner:
            logger.warning("Left out what is in the folders in %s: %s.", printable(folder / name), _listed(inner))


def _listed(names):
    return ", ".join(map(printable, names[:3])) + (", ..." if len(names) > 3 else "")


def _split(split, folder, class_names, image_shape):
    subfolders, outside = _classes(folder), _images(folder)
    if subfolders:
        if outside:
            logger.warning("Left out the photos in no class folder of %s: %s.", printable(folder), _listed(outside))
        contents = {name: _contents(folder / name) for name in subfolders}
        _check_not_nested(folder, contents)
        photos = [(f"{name}/{file}", name) for name, (_, files) in contents.items() for file in files]
    else:
        photos = _label_by_file(split, folder, class_names)
    unknown = sorted({label for _, label in photos} - set(class_names))
    if unknown:
        raise ValueError(f"{folder} has classes that the training images lack: {', '.join(unknown[:5])}.")
    if not photos:
        where = " in the folders of its classes" if subfolders else ""
        raise ValueError(f"{folder} contains no photos ({', '.join(SUFFIXES)}){where}.")
    numbers = {name: number for number, name in enumerate(class_names)}
    labels = np.array([numbers[label] for _, label in photos], "int32")
    return Files(folder, np.array([path for path, _ in photos]), labels, image_shape)


def _images(folder):
    return _contents(folder)[1]


def _label_by_file(split, folder, class_names):
    """(file name, class name) of each image in a flat folder, from a label file.

    The file is in the folder, or, for validation images, next to it.
    """
    images, file = _images(folder), _find_label_file(split, folder)
    if file is None:
        raise ValueError(
            f"{folder} has no class folders, and there is no label file in it"
            f"{' or next to it' * (split == 'validation')} ({', '.join(LABEL_FILES)})."
        )
    rows = _read_rows(file)
    if rows and len(rows[0]) == 1:
        rows = _name_rows(rows, images, file, folder, class_names)
    elif rows and rows[0][0] == "ImageId":  # Kaggle's header; its names have no suffix
        names = {pathlib.PurePath(name).stem: name for name in images}
        rows = [[names.get(name, name), label] for name, label, *_ in rows[1:]]
    labels = {name: _class_name(label, class_names) for name, label, *_ in rows}
    missing = [name for name in images if name not in labels]
    if missing:
        raise ValueError(
            f"{file} has no label for {len(missing)} of {len(images)} images, such as {printable(missing[0])}."
        )
    return [(name, labels[name]) for name in images]


def _find_label_file(split, folder):
    """The label file of a flat folder; None if there is none."""
    places = (folder, folder.parent) if split == "validation" else (folder,)
    candidates = (place / name for place in places for name in LABEL_FILES)
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _read_rows(file):
    """The words of each line of a label file: an image and its label on every line, or a label alone on every line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not a text file in UTF-8.") from None
    words = {number: re.findall(r"[^,\s]+", line) for number, line in enumerate(lines, 1)}
    rows = {number: row for number, row in words.items() if row}
    alone = [number for number, row in rows.items() if len(row) == 1]
    if alone and len(alone) < len(rows):
        raise ValueError(
            f"{file} has only {rows[alone[0]][0]!r} on line {alone[0]}; write an image and its label on every line, or "
            "a label alone on every line."
        )
    return list(rows.values())


def _name_rows(rows, images, file, folder, class_names):
    """Adds the file names to rows that only have labels, in the order of the sorted names."""
    if len(rows) != len(images):
        raise ValueError(f"{file} has {len(rows)} labels, but {folder} has {len(images)} images.")
    if rows[0][0].isdigit() and rows[0][0] not in class_names:
        raise ValueError(
            f"{file} has class numbers without image names; such numbers do not follow the order of the class folders. "
            "Write a class name (WNID) on each line, or 'image label'."
        )
    return [[name, label] for name, (label,) in zip(images, rows, strict=True)]


def _class_name(label, class_names):
    """The class of a label: a class name or, as in Caffe's lists, a number in the order of the sorted names."""
    if label not in class_names and label.isdigit() and int(label) < len(class_names):
        return class_names[int(label)]
    return label
