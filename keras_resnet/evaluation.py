"""evaluate(): how many images a model classifies right, and under which protocol."""

import dataclasses

import numpy as np

from keras_resnet.data import Data, Examples, evaluation_batches

BATCH_SIZE = 128


@dataclasses.dataclass(frozen=True)
class Result:
    """How good a model is on the images of a split.

    `top1` and `top5` count the images whose class is the most probable, and among the five most probable; `top5`
    is None below six classes.
    """

    split: str
    images: int
    top1: int
    top5: int | None
    protocol: str

    @property
    def accuracy(self) -> float:
        """The share of the images that are classified right, 0 to 1."""
        return self.top1 / self.images

    def __str__(self):
        error = 100 * (1 - self.accuracy)
        return f"{self.split} accuracy {self.accuracy:.4f} (error {error:.2f} %, {self.images} images, {self.protocol})"


def evaluate(model, data: Data, split: str | None = None, note: str = "") -> Result:
    """Classifies each image of a split as it is, in one view.

    Args:
        model: a Keras model that puts out a value for each class.
        data: from `keras_resnet.load_data`.
        split: "test", "validation" or "train"; default the first of these that there is.
        note: what the protocol should say besides, as "final weights".

    Raises:
        ValueError: the data have no such split, or model and data do not fit.

    Example:
        >>> import numpy as np, keras_resnet
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> keras_resnet.evaluate(keras_resnet.ResNet20Cifar(), data).images
        20
    """
    check_fits(model, data)
    split = split or next(name for name in ("test", "validation", "train") if name in data.splits)
    if split not in data.splits:
        raise ValueError(f"{data.name} has no split {split!r}; it has {', '.join(data.splits)}.")
    examples = data.splits[split]
    top1, top5 = _count_right(model, examples)
    height, width, _ = data.image_shape
    protocol = ", ".join(filter(None, (f"whole {width}x{height} image", "single view", note)))
    return Result(split, len(examples), top1, top5 if len(data.class_names) > 5 else None, protocol)


def _count_right(model, examples: Examples) -> tuple[int, int]:
    scores = model.predict(evaluation_batches(examples, BATCH_SIZE), verbose=0)
    if not np.isfinite(scores).all():
        raise ValueError(f"{model.name} puts out values that are not finite; its weights are damaged.")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    right = best == examples.labels[:, None]
    return int(right[:, 0].sum()), int(right.sum())


def check_fits(model, data: Data) -> None:
    """Raises ValueError where the model cannot take the images or has not as many outputs as classes."""
    wanted = model.input_shape[1:]
    if any(want not in (None, have) for want, have in zip(wanted, data.image_shape, strict=True)):
        raise ValueError(
            f"The model {model.name} takes images of {wanted}, but those of {data.name} are {data.image_shape}; "
            "build it with input_shape=data.image_shape."
        )
    if model.output_shape[1:] != (len(data.class_names),):
        raise ValueError(
            f"The model {model.name} puts out {model.output_shape[1:]}, but {data.name} has "
            f"{len(data.class_names)} classes; build it with classes={len(data.class_names)}."
        )
