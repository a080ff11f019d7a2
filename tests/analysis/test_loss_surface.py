"""The loss around the weights of a model."""

import numpy as np
import pytest

import keras_resnet
from keras_resnet.analysis.loss_surface import Surface, filter_normalized, loss_surface
from keras_resnet.analysis.samples import Sample
from keras_resnet.analysis.scores import scorer
from keras_resnet.runtimes.scores import softmax
from tests.analysis.networks import network, noise
from tests.analysis.test_graph import own_head


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["basic", "v2", "SE", "drop path", "plain"])
def test_center_is_the_loss_of_the_model(kind):
    model, images = network(kind, depths=(1, 1)), noise()
    surface = loss_surface(model, images, points=3)
    probabilities = softmax(np.asarray(model(images.images), "float64"))
    expected = -np.log(probabilities[np.arange(6), images.labels]).mean()
    assert surface.center.loss == pytest.approx(expected, rel=1e-6)  # the classifier computes in float32
    assert surface.center.accuracy == pytest.approx((probabilities.argmax(axis=1) == images.labels).mean())


def test_center_is_exactly_the_loss_of_the_weights_as_they_are():
    model, images = network("basic"), noise()
    assert loss_surface(model, images, radius=0.7, points=5).center.loss == scorer(model, images)().loss


def test_points_are_the_losses_of_changed_weights():
    model, images = network("basic", depths=(1, 1)), noise()
    surface = loss_surface(model, images, radius=0.5, points=3, seed=4)
    kernels = [weight for weight in model.weights if len(weight.shape) > 1]
    values, random = [np.array(kernel) for kernel in kernels], np.random.default_rng(4)
    first, second = (filter_normalized(values, random) for _ in range(2))
    measure = scorer(model, images)
    for row, column in ((0, 0), (0, 2), (1, 2), (2, 1)):
        for kernel, value, along_first, along_second in zip(kernels, values, first, second, strict=True):
            kernel.assign(value + surface.steps[row] * along_first + surface.steps[column] * along_second)
        assert surface.loss[row, column] == pytest.approx(measure().loss, rel=1e-5)
        assert surface.error[row, column] == pytest.approx(measure().error)


def test_filters_of_a_direction_have_the_norms_of_the_weights():
    model = network("SE")
    weights = [np.array(weight) for weight in model.weights]
    for direction, weight in zip(filter_normalized(weights, np.random.default_rng(0)), weights, strict=True):
        assert direction.shape == weight.shape
        assert direction.dtype == weight.dtype
        if weight.ndim == 1:
            assert not direction.any()
            continue
        for number in range(weight.shape[-1]):
            norms = [np.linalg.norm(array[..., number].astype("float64")) for array in (direction, weight)]
            assert norms[0] == pytest.approx(norms[1], rel=1e-6)
            assert not np.allclose(direction[..., number], weight[..., number])


def test_model_stays_as_it_is_also_after_an_error():
    model, images = network("drop path", dropout=0.5), noise()
    before = [np.array(weight) for weight in model.weights]
    loss_surface(model, images, points=3)
    with pytest.raises(IndexError):
        loss_surface(model, Sample(images.images, images.labels + 9), points=3)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_frozen_layers_and_a_users_head():
    base = network("basic", include_top=False, pooling="avg")
    base.trainable = False
    model, images = own_head(base), noise(classes=3)
    frozen = loss_surface(model, images, points=3)
    assert frozen.center.loss == scorer(model, images)().loss
    base.trainable = True
    assert loss_surface(model, images, points=3).center.loss == pytest.approx(frozen.center.loss, rel=1e-6)


def test_minima_and_share():
    steps = np.linspace(-1, 1, 5)
    loss = np.full((5, 5), 3.0)
    loss[1, 1], loss[3, 3], loss[0, 4], loss[2, 2] = 1.0, 0.5, 0.1, 2.9
    surface = Surface(steps, loss, np.zeros((5, 5)))
    assert surface.minima() == 2  # not on the border, nor beside a lower one
    assert surface.share_below(2.95) == pytest.approx(4 / 25)
    assert surface.center.loss == 2.9
    np.testing.assert_array_equal(surface.profile()[0], [3, 3, 2.9, 3, 3])


@pytest.mark.parametrize(("name", "value"), [("points", 4), ("points", 1), ("radius", 0.0), ("radius", float("nan"))])
def test_wrong_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"{name}=.* must be"):
        loss_surface(keras_resnet.ResNet20Cifar(), noise(), **{name: value})
