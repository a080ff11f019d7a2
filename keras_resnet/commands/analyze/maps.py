"""Draws where a model looks, by Grad-CAM and by occlusion, and compares the two."""

import functools
import logging
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from keras_resnet.commands.analyze import photos, subject
from keras_resnet.commands.flags import FLAGS, group
from keras_resnet.errors import check_name
from keras_resnet.progress import bar_shown
from keras_resnet.runtimes.occlusion import GRID

if TYPE_CHECKING:
    from keras_resnet.analysis.grad_cam import GradCam
    from keras_resnet.analysis.maps import Maps
    from keras_resnet.runtimes import Artifact

SHEET = 8  # images in a picture

logger = logging.getLogger(__name__)


def define_flags() -> None:
    """Defines the flags of the command."""
    subject.define_output_flag()
    with group("run"):
        flags.DEFINE_string("class_name", None, "Class whose evidence is shown [the predicted one].")
        flags.DEFINE_integer("grid", GRID, "Number of patches along a side that are covered in turn.", lower_bound=2)
        flags.DEFINE_string("layer", None, "Layer of Grad-CAM's feature maps [the one before the global pooling].")


class _Explained(NamedTuple):
    """An image as the model sees it, with its maps."""

    name: str
    image: np.ndarray
    class_name: str
    maps: "Maps"


def main(argv: list[str]) -> int:
    """Writes photos with their maps, and says what they show; the exit code is 1 if an image is unreadable."""
    artifact = photos.open_classifier(argv[1])
    shown, errors = _explain(artifact, argv[2:])
    for line in errors:
        print(line)
    if shown:
        _write(subject.output_folder(argv[1]), shown)
    for line in (*map(_sentence, shown), *_verdict(shown)):
        print(line)
    return int(len(errors) > 0)


def _explain(artifact: "Artifact", images: Sequence[str]) -> tuple[list[_Explained], list[str]]:
    """The images with their maps, and a line for each unreadable image."""
    import keras

    from keras_resnet.analysis.maps import maps_of
    from keras_resnet.runtimes.decoding import printable
    from keras_resnet.runtimes.image_sources import image_sources
    from keras_resnet.runtimes.prediction import Classifier

    label, look, classes = _label(artifact), _grad_cam(artifact), artifact.metadata.class_names
    sources, as_seen = list(image_sources(images)), Classifier(artifact).pixels
    bar = keras.utils.Progbar(len(sources), unit_name="image", verbose=bar_shown("auto"))
    shown, errors = [], []
    for source in sources:
        name = printable(source.content)
        try:
            image = as_seen(source)
        except ValueError as error:
            errors.append(f"{name}: error: {error}")
        else:
            maps = maps_of(artifact, image, look, label, FLAGS.grid)
            shown.append(_Explained(name, image, classes[maps.label], maps))
        bar.add(1)
    return shown, errors


def _label(artifact: "Artifact") -> int | None:
    """The number of the class of --class_name."""
    if FLAGS.class_name is None:
        return None
    names = artifact.metadata.class_names
    check_name("class", FLAGS.class_name, names)
    return names.index(FLAGS.class_name)


def _grad_cam(artifact: "Artifact") -> "GradCam | None":
    from keras_resnet.analysis.grad_cam import GradCam

    model = photos.keras_model(artifact)
    if model is not None:
        return GradCam(model, FLAGS.layer)
    if FLAGS.layer:
        raise ValueError(f"--layer needs a Keras model; {artifact.metadata.name} runs in {artifact.runtime}.")
    logger.info("Left out Grad-CAM, which needs a Keras model: an exported one has no gradients.")
    return None


def _write(folder: pathlib.Path, shown: Sequence[_Explained]) -> None:
    """Writes maps.csv, and maps.png, maps-2.png, ... with some images each."""
    from keras_resnet.reporting.map_plots import MapRow, plot_maps

    subject.remove_results(folder, "maps-[0-9]*.png")
    subject.write_table(folder / "maps.csv", [row for each in shown for row in _table(each)])
    for number, start in enumerate(range(0, len(shown), SHEET), 1):
        rows = [
            MapRow(each.image, pathlib.Path(each.name).name, _title(each), each.maps.grad_cam, each.maps.drops)
            for each in shown[start : start + SHEET]
        ]
        name = "maps.png" if number == 1 else f"maps-{number}.png"
        subject.write_picture(folder / name, functools.partial(plot_maps, rows))


def _table(each: _Explained) -> Iterator[dict[str, Any]]:
    """A row for each patch."""
    evidence = each.maps.patch_evidence
    for (row, column), drop in np.ndenumerate(each.maps.drops):
        yield {
            "image": each.name,
            "class": each.class_name,
            "probability": each.maps.probability,
            "row": row + 1,
            "column": column + 1,
            "drop": drop,
            "grad_cam": "" if each.maps.grad_cam is None else evidence[row, column],
        }


def _title(each: _Explained) -> str:
    return f"{each.class_name} {each.maps.probability:.2f}"


def _sentence(each: _Explained) -> str:
    """What covering patches of an image does."""
    drops = each.maps.drops
    row, column = np.unravel_index(drops.argmax(), drops.shape)
    patch = f"the patch in row {row + 1}, column {column + 1} of {len(drops)} x {len(drops)}"
    lowers = f"Covering {patch} lowers it most, by {drops.max():.2f}."
    return f"{each.name}: {_title(each)}. {lowers if drops.max() >= 0.01 else 'No single patch lowers it by 0.01.'}"


def _verdict(shown: Sequence[_Explained]) -> list[str]:
    """How well Grad-CAM and occlusion agree, if both are known."""
    agreements = np.array([each.maps.agreement for each in shown])
    known = agreements[~np.isnan(agreements)]
    if not known.size:
        return []
    return [
        f"Rank correlation of Grad-CAM with occlusion over the patches: {known.mean():.2f} "
        f"({len(known)} image{'s' * (len(known) > 1)}; 1 is the same order, 0 is unrelated)."
    ]
