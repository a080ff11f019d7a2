"""A folder of photos, a folder for each class -> arrays of one size."""

import concurrent.futures
import os
import pathlib

import numpy as np

from keras_resnet.preprocessing import read_image, resize_and_center_crop

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
FOLDERS = {"train": "train", "validation": "val", "test": "test"}  # of the splits


def from_folder(folder, image_size: int | None, splits) -> tuple[str, dict, tuple[str, ...]]:
    """(name, arrays (images, labels) of each split, class names) of a folder of photos.

    Args:
        folder: holds `train/<class>/*` and perhaps `val` and `test`, or `<class>/*`.
        image_size: side of the images: the short side is resized to it, and the centre cropped.
        splits: the names of the splits to look for.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no size, no photos, a class that training does not know, or photos that cannot be read.
    """
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}.")
    if not image_size or image_size < 1:
        raise ValueError(f"The photos in {folder} need one size: give image_size, as 224.")
    folders = {split: folder / FOLDERS[split] for split in splits if (folder / FOLDERS[split]).is_dir()}
    if "train" not in folders:
        folders = {"train": folder}
    class_names = tuple(sorted(path.name for path in folders["train"].iterdir() if path.is_dir()))
    if len(class_names) < 2:
        raise ValueError(
            f"{folders['train']} has {len(class_names)} classes; it must hold a folder for each, two or more."
        )
    arrays = {split: _read_split(path, class_names, image_size) for split, path in folders.items()}
    return folder.name, arrays, class_names


def _read_split(folder, class_names, image_size):
    """(images uint8, labels) of the photos of a split, in the order of their names."""
    strange = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(class_names))
    if strange:
        raise ValueError(f"{folder} has classes that training does not know: {', '.join(strange[:5])}.")
    photos = [
        (path, label)
        for label, name in enumerate(class_names)
        for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not photos:
        raise ValueError(f"{folder} holds no photos ({', '.join(SUFFIXES)}) in the folders of its classes.")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        read = list(pool.map(lambda photo: _read(photo[0], image_size), photos))
    bad = [str(result) for result in read if isinstance(result, ValueError)]
    if bad:
        raise ValueError(
            f"{len(bad)} of {len(photos)} photos in {folder} cannot be used: {bad[0]} Mend or remove them."
        )
    return np.stack(read), np.array([label for _, label in photos], "int32")


def _read(path, image_size):
    """The photo as uint8 (image_size, image_size, 3), or the ValueError that says why not."""
    try:
        image = resize_and_center_crop(read_image(path), (image_size, image_size))
    except ValueError as error:
        return error
    return np.uint8(np.clip(np.round(image), 0, 255))
