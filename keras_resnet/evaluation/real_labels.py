"""TODO evaluation.real_labels."""

import json
import pathlib

import numpy as np

from keras_resnet.data.examples import Arrays


def read_real_labels(path, examples):
    """For each example, the labels that ReaL gives its image."""
    labels = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    if isinstance(examples, Arrays) or len(labels) != len(examples):
        raise ValueError(f"{path} has labels for {len(labels)} image files, but the split has {len(examples)} images.")
    names = examples.file_names()
    places = {name: place for place, name in enumerate(sorted(names))}
    return [labels[places[name]] for name in names]


def count_by_real_labels(scores, seen, likely):
    """(images whose most probable class is one of their labels, images that have any)."""
    best = scores.argmax(axis=1)
    judged = [index for index in np.flatnonzero(seen) if likely[index]]
    return sum(best[index] in likely[index] for index in judged), len(judged)
