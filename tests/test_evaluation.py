"""evaluate: counts against NumPy."""

import keras
import numpy as np
import pytest

from keras_resnet import create_model, evaluate, load_data


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (300, 32, 32, 3)).astype("uint8")
    return load_data(((images[:10], np.arange(10)), (images, random.integers(0, 10, 300))))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return create_model("resnet20_cifar")


def test_counts_are_numpys(model, data):
    scores = np.concatenate([model(data.test.images[i : i + 100]) for i in range(0, 300, 100)])
    rank = (scores > scores[np.arange(300), data.test.labels][:, None]).sum(1)
    result = evaluate(model, data)
    assert (result.split, result.images) == ("test", 300)
    assert (result.top1, result.top5) == ((rank < 1).sum(), (rank < 5).sum())
    assert result.accuracy == result.top1 / 300
    assert evaluate(model, data, "train").images == 10


def test_mistakes_are_one_clear_sentence(model, data):
    with pytest.raises(ValueError, match="has no split 'validation'; it has train, test"):
        evaluate(model, data, "validation")
    with pytest.raises(ValueError, match="has 10 classes; build it with classes=10"):
        evaluate(create_model("resnet20_cifar", classes=7), data)
    broken = create_model("resnet20_cifar")
    broken.get_layer("logits").bias.assign([np.nan] * 10)
    with pytest.raises(ValueError, match="not finite"):
        evaluate(broken, data)
