"""Examples -> batches, as tf.data pipelines.

Which examples make up a batch, and how each is cropped and augmented, is a function of (seed, epoch,
step) alone: the same batches come whatever the number of threads, and wherever a run is resumed. An
image that cannot be read is left out of its batch and reported; no other batch changes by that.
"""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_resnet.data.decoding import decode, decode_bytes
from keras_resnet.data.examples import Encoded, Examples
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.distributed.sharding import shard_bounds
from keras_resnet.recipes import Recipe
from keras_resnet.transforms.crops import center_box, part_of, whole
from keras_resnet.transforms.pipeline import augment, augment_batch, example_seed

BATCHES_AT_ONCE = 2  # the next batch is begun while the last images of one are decoded
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def training_batches(
    examples: Examples,
    recipe: Recipe,
    start_epoch: int = 0,
    start_step: int = 0,
    *,
    classes: int | None = None,
    layer: Callable | None = None,
    bad: UnreadableImages | None = None,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches (images, labels), from a step of an epoch on (both from 0).

    Each epoch visits every example once, or with `recipe.repeated_augmentation=r` every r-th example r times. The last
    batch of an epoch may be smaller.

    Args:
        classes: their number, for the rows of probabilities that labels become where `recipe.soft_labels`.
        layer: a Keras augmentation layer for batches of images, 0 to 255.
        bad: where images that cannot be read are reported; default: nowhere.
        shard: (index, count): make one of so many parts of each batch, as one of several workers does. Mixup and CutMix
            then mix within it.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.data.batches import training_batches
        >>> data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
        >>> images, labels = next(iter(training_batches(data.train, keras_resnet.Recipe(batch_size=4))))
        >>> images.shape.as_list()
        [4, 8, 8, 3]
    """

    def steps_of(epoch):
        handles = examples.handles((recipe.seed, tf.cast(epoch, tf.int32)))
        steps = _asked(handles, recipe.repeated_augmentation, len(examples), recipe.batch_size).enumerate()
        return steps.map(lambda step, asked: (epoch, step, asked))

    def batch_of(epoch, step, asked):
        def prepare(pixels, label, index, copy):
            seed = example_seed(recipe.seed, epoch, index + copy * len(examples))
            return augment(pixels, seed, recipe, examples.image_shape), label

        batch_seed = example_seed(recipe.seed, epoch, -1 - step)  # of no example
        return _assembled(examples, asked, prepare, bad, shard).map(
            lambda images, labels: augment_batch(images, labels, batch_seed, recipe, classes, layer)
        )

    steps = tf.data.Dataset.range(start_epoch, np.iinfo("int32").max).flat_map(steps_of).skip(start_step)
    return _in_turn(steps, batch_of)


def evaluation_batches(
    examples: Examples,
    batch_size: int,
    view: Callable,
    bad: UnreadableImages | None = None,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Every example once, in order, as batches (views, labels, indices).

    Args:
        view: function of an image, (H, W, C), that gives a tensor; it must have the same shape for all.
        bad: where images that cannot be read are reported; default: nowhere. They are left out.
        shard: as of `training_batches`.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.data.batches import evaluation_batches
        >>> data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
        >>> [len(labels) for _, labels, _ in evaluation_batches(data.train, 16, view=lambda image: image)]
        [16, 4]
    """

    def prepare(pixels, label, index, copy):
        del copy
        return view(pixels(whole)), label, index

    asked = _asked(examples.handles(), 1, len(examples), batch_size)
    return _in_turn(asked, lambda *asked: _assembled(examples, asked, prepare, bad, shard))


def _in_turn(steps, batch_of):
    batches = steps.interleave(
        batch_of, cycle_length=BATCHES_AT_ONCE, num_parallel_calls=BATCHES_AT_ONCE, deterministic=True
    )
    return batches.prefetch(tf.data.AUTOTUNE)


def _asked(handles, repeats, count, batch_size):
    """Batches of pairs (handle, number of the copy): `count` pairs in all, each handle `repeats` times in a row."""
    if repeats == 1:
        return handles.batch(batch_size).map(lambda *handles: (handles, tf.zeros_like(handles[0], tf.int32)))
    copies = tf.data.Dataset.range(repeats, output_type=tf.int32)
    pairs = handles.flat_map(lambda *handle: copies.map(lambda copy: (handle, copy)))
    return pairs.take(count).batch(batch_size)


def _assembled(examples, asked, prepare, bad, shard):
    """A data set of one batch: `prepare(pixels, label, index, copy)` of the shard of the examples asked for."""
    if shard == (0, 1):
        return _batch_of(examples, asked, prepare, bad)
    start, end = shard_bounds(tf.shape(tf.nest.flatten(asked)[0], tf.int64)[0], *shard)
    # A shard of none is made of one example, which is then cut off: there is no other batch of length 0.
    own = tf.nest.map_structure(lambda values: values[start : tf.maximum(end, start + 1)], asked)
    return _batch_of(examples, own, prepare, bad).map(
        lambda *batch: tf.nest.map_structure(lambda values: values[: end - start], batch)
    )


def _batch_of(examples, asked, prepare, bad):
    """A data set of one batch of all the examples asked for.

    `pixels` is a function of (a box function, a size to resize to or None) that gives a part of the image. Where
    every image can be read, errors cost nothing: TensorFlow leaves out what it cannot decode, and only if something is
    missing the batch is made again with care.
    """
    elements = tf.data.Dataset.from_tensor_slices(asked)
    count = tf.shape(tf.nest.flatten(asked)[0], tf.int64)[0]
    if not isinstance(examples, Encoded):
        return _made(elements, _from_array(examples, prepare)).batch(count)
    fast = _from_encoding(examples, prepare)
    complete = _made(elements, fast).ignore_errors().batch(count).filter(lambda *batch: _length(batch) == count)
    incomplete = _with_care(elements, examples, fast, prepare, bad).batch(count)
    # Not one of the batch can be read: the first example that can stands in, so that the step has something to do.
    others = _with_care(_asked(examples.handles(), 1, len(examples), 1).unbatch(), examples, fast, prepare, bad)
    batch = complete.concatenate(incomplete).concatenate(others.batch(1)).take(1)
    return batch.apply(tf.data.experimental.assert_cardinality(1))  # else, with no readable image, epochs would spin


def _made(elements, prepare_element):
    return elements.map(prepare_element, num_parallel_calls=THREADS, deterministic=True)


def _length(batch):
    return tf.shape(batch[-1], tf.int64)[0]


def _from_array(examples, prepare):
    def prepare_element(handle, copy):
        image = examples.image(handle)

        def pixels(box_of, size=None):
            del size
            # The images have the model's size: the centre of one is itself.
            return image if box_of in (center_box, whole) else part_of(image, box_of)

        return prepare(pixels, examples.label(handle), handle[0], copy)

    return prepare_element


def _from_encoding(examples, prepare):
    def prepare_element(handle, copy):
        encoded = examples.image(handle)
        return prepare(lambda *part: decode(encoded, *part), examples.label(handle), handle[0], copy)

    return prepare_element


def _with_care(elements, examples, fast, prepare, bad):
    """What `fast` makes of each element; where it fails, what Pillow can read; the others are reported and left out."""

    def by_pillow(handle, copy):
        return (*_look(examples, handle, bad), handle, copy)

    def prepare_looked_at(image, ok, handle, copy):
        return prepare(lambda box_of, *size: part_of(image, box_of), examples.label(handle), handle[0], copy)

    def none_or_one(handle, copy):
        element = tf.data.Dataset.from_tensors((handle, copy))
        second = element.map(by_pillow).filter(lambda image, ok, handle, copy: ok).map(prepare_looked_at)
        return element.map(fast).ignore_errors().concatenate(second).take(1)

    return elements.interleave(none_or_one, THREADS, num_parallel_calls=THREADS, deterministic=True)


def _look(examples, handle, bad):
    """(image, True), or (an empty image, False) after the report of what is wrong with it."""

    def look(*handle):
        try:
            return decode_bytes(examples.content(*handle)), True
        except ValueError as error:
            if bad is not None:
                bad.report(examples.name(handle[0]), str(error))
            return np.zeros((1, 1, 3), "uint8"), False

    image, ok = tf.numpy_function(look, handle, (tf.uint8, tf.bool))
    return tf.ensure_shape(image, (None, None, 3)), tf.ensure_shape(ok, ())
