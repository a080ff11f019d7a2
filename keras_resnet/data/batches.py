"""Examples -> batches, as tf.data pipelines.

The examples of a batch, and how each is cropped and augmented, depend only on (seed, epoch, step): the batches are the
same for any number of threads, and after resuming at any step. Unreadable images are left out of their batch and
reported; no other batch changes.
"""

import functools
import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.autotuning import without_autotuning
from keras_resnet.data.decoding import decode_bytes
from keras_resnet.data.examples import Arrays, Encoded, Examples
from keras_resnet.data.python_calls import call_python
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.distributed.sharding import shard_bounds
from keras_resnet.recipes import Recipe
from keras_resnet.runtimes.cores import CORES
from keras_resnet.transforms.crops import DecodedImage, draw_shifts, resized_batch, shift
from keras_resnet.transforms.pipeline import augment, augment_batch, example_seed

UNSPLIT = (0, 1)  # the only shard of a batch
BATCHES_AT_ONCE = 2  # the next batch is started while the last images of the current one are decoded
BATCHES_AHEAD = 2

_traced_once = functools.partial(tf.function, autograph=False)  # for functions that several data sets use


def training_batches(
    examples: Examples,
    recipe: Recipe,
    start_epoch: int = 0,
    start_step: int = 0,
    *,
    early_sizes: Sequence[tuple[int, int]] = (),
    classes: int | None = None,
    layer: keras.layers.Layer | None = None,
    unreadable: UnreadableImages | None = None,
    shard: tuple[int, int] = UNSPLIT,
) -> tf.data.Dataset:
    """Endless shuffled, augmented batches (images, labels).

    Each epoch visits every example once, or with `recipe.repeated_augmentation=r` every r-th example r times. The last
    batch of an epoch may be smaller.

    Args:
        examples: the training images.
        recipe: batch size, augmentation and seed.
        start_epoch: epoch to start at, from 0.
        start_step: step of that epoch to start at, from 0.
        early_sizes: pairs (short side in pixels, step of the run before which it ends): sizes of the first images, in
            order. Images that all have one size are augmented at that size, and their batches resized; of others, the
            crops are made at the current size.
        classes: number of classes; required if `recipe.soft_labels`.
        layer: a Keras augmentation layer for batches of images in 0 to 255.
        unreadable: collects unreadable images; default: they are left out without a report.
        shard: (index, count): return only this shard of each batch, as one of several workers does. Mixup and CutMix
            then mix within the shard.

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
        requests = _copies(handles, recipe.repeated_augmentation).take(len(examples))
        steps = requests.batch(recipe.batch_size).enumerate()
        return steps.map(lambda step, requests: (epoch, step, requests))

    def batch_of(epoch, step, requests, shape):
        crop_shape = examples.image_shape if isinstance(examples, Arrays) else shape

        def prepare(image, handle, copy):
            seed = example_seed(recipe.seed, epoch, handle[0] + copy * len(examples))
            return augment(image, seed, recipe, crop_shape), examples.label(handle)

        def finish(images, labels):
            images, labels = augment_batch(images, labels, batch_seed, recipe, classes, layer)
            return resized_batch(images, shape[:2]), labels

        batch_seed = example_seed(recipe.seed, epoch, -1 - step)  # no example has a negative index
        if isinstance(examples, Arrays) and recipe.only_shifts:
            return _shifted_batch(examples, requests, batch_seed, recipe, shard).map(finish)
        substitutes = _copies(examples.handles(), 1)
        return _shard_of_batch(examples, requests, substitutes, prepare, unreadable, shard).map(finish)

    def batches_of_shape(first, count, shape):
        epoch, step = divmod(first, steps_per_epoch)
        steps = tf.data.Dataset.range(epoch, np.iinfo("int32").max).flat_map(steps_of).skip(step).take(count)
        return _make_ahead(steps, functools.partial(batch_of, shape=shape))

    steps_per_epoch = count_steps(len(examples), recipe.batch_size)
    first, parts = start_epoch * steps_per_epoch + start_step, []
    for size, end in early_sizes:
        if first < end:
            parts.append(batches_of_shape(first, end - first, scaled_shape(examples.image_shape, size)))
            first = end
    endless = batches_of_shape(first, -1, examples.image_shape)
    return functools.reduce(tf.data.Dataset.concatenate, [*parts, endless])


def count_steps(examples: int, batch_size: int) -> int:
    """The steps of an epoch, of which the last may have a smaller batch."""
    return math.ceil(examples / batch_size)


def scaled_shape(image_shape: tuple[int, int, int], size: int) -> tuple[int, int, int]:
    """The shape (height, width, channels) of an image that is resized to a short side of `size`.

    Example:
        >>> from keras_resnet.data.batches import scaled_shape
        >>> scaled_shape((32, 64, 3), 24)
        (24, 48, 3)
    """
    height, width, channels = image_shape
    short = min(height, width)
    return round(height * size / short), round(width * size / short), channels


def evaluation_batches(
    examples: Examples,
    batch_size: int,
    view: Callable[[tf.Tensor], tf.Tensor],
    unreadable: UnreadableImages | None = None,
    shard: tuple[int, int] = UNSPLIT,
) -> tf.data.Dataset:
    """Every example once, in order, as batches (views, labels, positions). Unreadable images are left out.

    A batch without readable images is left out, too. A shard without any is empty instead, since all workers must make
    the same number of steps.

    A position counts the given examples from 0. It differs from the index in a handle if these are records from which
    others were held out.

    Args:
        examples: the images.
        batch_size: images in a batch.
        view: function of an image (H, W, C) that returns a tensor, of the same shape for all images.
        unreadable: collects unreadable images; default: they are left out without a report.
        shard: as in `training_batches`.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.data.batches import evaluation_batches
        >>> data = keras_resnet.load_data((np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 10))
        >>> [len(labels) for _, labels, _ in evaluation_batches(data.train, 16, view=lambda image: image)]
        [16, 4]
    """

    def prepare(image, handle, position):
        return view(image.whole()), examples.label(handle), position

    def batch_of(*requests):
        batch = _shard_of_batch(examples, requests, None, prepare, unreadable, shard)
        return batch.filter(lambda *batch: _count(batch) > 0) if shard == UNSPLIT else batch

    return _make_ahead(_with_positions(examples.handles()).batch(batch_size), batch_of)


def _make_ahead(steps, batch_of):
    """The batches of all steps, in order, some of them made ahead of their use."""
    batches = steps.interleave(
        batch_of, cycle_length=BATCHES_AT_ONCE, num_parallel_calls=BATCHES_AT_ONCE, deterministic=True
    )
    return without_autotuning(batches.prefetch(BATCHES_AHEAD))


# A *request* is a pair of a handle and a number: of the copy in training, of the position in evaluation.


def _copies(handles, repeats):
    """Requests of `repeats` consecutive copies of each handle."""
    if repeats == 1:
        return tf.data.Dataset.zip(handles, tf.data.Dataset.from_tensors(0).repeat())
    copies = tf.data.Dataset.range(repeats, output_type=tf.int32)
    return handles.flat_map(lambda *handle: copies.map(lambda copy: (handle, copy)))


def _with_positions(handles):
    """Requests of every handle with its position."""
    return tf.data.Dataset.zip(handles, tf.data.Dataset.range(np.iinfo("int32").max, output_type=tf.int32))


def _count(requests):
    return tf.shape(tf.nest.flatten(requests)[0], tf.int64)[0]


def _shard_of_batch(examples, requests, substitutes, prepare, unreadable, shard):
    """A data set of one element: the shard of a batch."""
    if shard == UNSPLIT:
        return _batch(examples, requests, substitutes, prepare, unreadable)
    start, end = shard_bounds(_count(requests), *shard)
    # An empty shard is made from one example, which is then cut off: a data set cannot batch zero elements.
    own = tf.nest.map_structure(lambda values: values[start : tf.maximum(end, start + 1)], requests)
    return _batch(examples, own, substitutes, prepare, unreadable).map(
        lambda *batch: tf.nest.map_structure(lambda values: values[: end - start], batch)
    )


def _shifted_batch(examples, requests, seed, recipe, shard):
    """A data set of one element: the shard of a batch of arrays, all of whose images are augmented together."""
    (indices,), _ = requests
    start, end = shard_bounds(tf.size(indices, tf.int64), *shard)
    shifts = draw_shifts(tf.size(indices), tf.random.experimental.stateless_fold_in(seed, 0), recipe)
    indices, shifts = tf.nest.map_structure(lambda values: values[start:end], (indices, shifts))
    images, labels = examples.batch(indices)
    return tf.data.Dataset.from_tensors((shift(images, shifts, recipe.pad), labels))


def _batch(examples, requests, substitutes, prepare, unreadable):
    """A data set of one element: the batch of all requested examples.

    `prepare(image, handle, number)` returns an element of the batch from a `LazyImage`. If no image of the batch is
    readable, the first readable one of `substitutes` replaces them, so that the step has an input; without substitutes,
    the batch is empty. Error handling costs nothing as long as all images are readable: TensorFlow skips what it cannot
    decode, and only an incomplete batch is made again with the slower fallback.
    """
    elements, count = tf.data.Dataset.from_tensor_slices(requests), _count(requests)

    @_traced_once
    def read(handle, number):
        return prepare(examples.image(handle), handle, number)

    @_traced_once
    def prepare_decoded(image, handle, number):
        return prepare(DecodedImage(image), handle, number)

    prepared = elements.map(read, num_parallel_calls=CORES, deterministic=True)
    if not isinstance(examples, Encoded):
        return prepared.batch(count)

    def read_with_fallback(elements):
        return _read_with_fallback(elements, read, prepare_decoded, examples, unreadable)

    complete = prepared.ignore_errors().batch(count).filter(lambda *batch: _count(batch) == count)
    incomplete = read_with_fallback(elements).batch(count)
    last = _empty_batch(prepared.element_spec) if substitutes is None else read_with_fallback(substitutes).batch(1)
    batch = complete.concatenate(incomplete).concatenate(last).take(1)
    # Without any readable image, this raises an error instead of looping forever over empty epochs.
    return batch.apply(tf.data.experimental.assert_cardinality(1))


def _empty_batch(spec):
    """A data set of one element: a batch without elements, whose shapes would be those of `spec`."""
    return tf.data.Dataset.from_tensors(
        tf.nest.map_structure(lambda part: tf.zeros([0, *(size or 0 for size in part.shape)], part.dtype), spec)
    )


def _read_with_fallback(elements, read, prepare_decoded, examples, unreadable):
    """Reads each element, with Pillow if TensorFlow fails. Leaves out and reports what neither can read."""

    def read_with_pillow(handle, number):
        return (*_decode_or_report(examples, handle, unreadable), handle, number)

    def none_or_one(handle, number):
        element = tf.data.Dataset.from_tensors((handle, number))
        decoded = element.map(read_with_pillow).filter(lambda image, ok, handle, number: ok)
        prepared = decoded.map(lambda image, ok, handle, number: prepare_decoded(image, handle, number))
        return element.map(read).ignore_errors().concatenate(prepared).take(1)

    return elements.interleave(none_or_one, CORES, num_parallel_calls=CORES, deterministic=True)


def _decode_or_report(examples, handle, unreadable):
    """(image, True), or, after a report of the reason, (placeholder, False)."""

    def decode(*handle):
        try:
            return decode_bytes(examples.content(*handle)), True
        except ValueError as error:
            if unreadable is not None:
                unreadable.report(examples.name(handle[0]), str(error))
            return np.zeros((1, 1, 3), "uint8"), False

    image, ok = call_python(decode, handle, (tf.uint8, tf.bool))
    return tf.ensure_shape(image, (None, None, 3)), tf.ensure_shape(ok, ())
