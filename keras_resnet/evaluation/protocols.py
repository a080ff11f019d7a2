"""TODO evaluation.protocols."""

import functools

import tensorflow as tf

from keras_resnet.data.batches import evaluation_batches
from keras_resnet.data.examples import Arrays
from keras_resnet.models.surgery import fully_convolutional
from keras_resnet.transforms.views import center_view, ten_crop_views, whole_view

PROTOCOLS = ("center", "ten_crop", "multi_scale")
VIEWS_AT_ONCE = 128  # images or crops in a batch, of the model's size; larger ones are fewer
SCALES = tuple(side / 224 for side in (224, 256, 384, 480, 640))  # He et al. 2015, section 3.4: of 224 pixels


# ---------------------------------------------------------------------------------------------
# Passes over the images: (a function of a batch of images, the batches (views, labels, indices))
def passes_of(model, data, examples, protocol, scales):
    """The passes that a protocol takes, and its description."""
    view, whole = data.view, isinstance(examples, Arrays)
    width_by_height = "x".join(map(str, view.size[::-1]))
    if protocol == "center":
        described = f"whole {width_by_height} image" if whole else str(view)
        views = functools.partial(center_view, view=view)
        return [(model, _batches(examples, views, VIEWS_AT_ONCE))], f"{described}, single view"
    if protocol == "ten_crop":
        views = functools.partial(ten_crop_views, view=view)
        described = f"10-crop of {width_by_height} from short side {min(view.resized)}, softmax averaged"
        return [(model, _batches(examples, views, VIEWS_AT_ONCE // 10))], described
    short = min(view.size)
    scales = tuple(scales or (round(scale * short) for scale in SCALES))
    model = fully_convolutional(model)
    passes = [
        (model, _batches_by_shape(examples, scale, view, max(1, VIEWS_AT_ONCE * short**2 // scale**2)))
        for scale in scales
    ]
    return passes, f"fully convolutional at short sides {', '.join(map(str, scales))}, softmax averaged"


def _batches(examples, views, batch_size):
    return lambda bad: evaluation_batches(examples, batch_size, views, bad)


def _batches_by_shape(examples, scale, view, batch_size):
    """Batches of whole images at a short side, each of images of one shape."""

    def shape(views, label, index):
        height, width = tf.unstack(tf.shape(views, tf.int64)[1:3])
        return height * 2**32 + width

    def batches(bad):
        views = functools.partial(whole_view, short_side=scale, interpolation=view.interpolation)
        singles = evaluation_batches(examples, 1, views, bad).unbatch()
        return singles.group_by_window(shape, lambda key, same: same.batch(batch_size), window_size=batch_size)

    return batches
