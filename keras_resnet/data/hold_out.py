"""Validation images, held out from the training images class by class."""

import numpy as np

from keras_resnet.data.examples import Examples


def hold_out(examples: Examples, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Splits examples into training and validation examples.

    The latter are `round(fraction * len(examples))` images, at random. Each class contributes in proportion to its
    images, and keeps at least one of two or more for training.

    Args:
        examples: to split.
        fraction: of the images to hold out, above 0 to below 1.
        seed: chooses the images.

    Raises:
        ValueError: there are too few images.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.data.examples import Arrays
        >>> from keras_resnet.data.hold_out import hold_out
        >>> examples = Arrays(np.zeros((30, 8, 8, 3), "uint8"), np.repeat([0, 1], [20, 10]))
        >>> [np.bincount(part.labels).tolist() for part in hold_out(examples, 0.2, seed=0)]
        [[16, 8], [4, 2]]
    """
    random = np.random.default_rng(seed)
    _, classes, sizes = np.unique(examples.labels, return_inverse=True, return_counts=True)
    held = _held_out_of_each(sizes, round(fraction * len(examples)), random)
    if held is None:
        raise ValueError(
            f"{len(examples):,} training images of {len(sizes)} classes are too few to hold out {fraction:.0%}."
        )
    order = random.permutation(len(examples))
    by_class = order[np.argsort(classes[order], kind="stable")]
    rank = np.arange(len(examples)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # within its class
    chosen = rank < np.repeat(held, sizes)
    return examples.take(np.sort(by_class[~chosen])), examples.take(np.sort(by_class[chosen]))


def _held_out_of_each(sizes, count, random):
    """How many images to hold out of each class of these sizes: `count` in all, or None if that is impossible."""
    most = np.maximum(sizes - 1, 1)
    if not 0 < count < sizes.sum() or count > most.sum():
        return None
    exact = count * sizes / sizes.sum()
    held = np.minimum(np.floor(exact), most).astype(int)
    while held.sum() < count:
        # The largest remainders first; classes of one image last, because they then have none for training.
        preferred = np.lexsort((random.random(len(sizes)), held - exact, sizes == 1))
        missing = count - held.sum()
        held[preferred[(held < most)[preferred]][:missing]] += 1
    return held
