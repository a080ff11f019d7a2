"""One evaluation for accuracy, confusion, mistakes and calibration."""

import keras
import numpy as np
import pytest

from keras_resnet import Recipe, ResNet, create_model, evaluate, load_data
from keras_resnet.evaluation.classification import count_correct
from keras_resnet.evaluation.confusion import confusion_matrix
from keras_resnet.evaluation.mistakes import image_names, images_at, worst_mistakes
from keras_resnet.evaluation.split_predictions import predictions
from tests.jax_process import run_on_jax
from tests.photos import write_scenes


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    return load_data((random.integers(0, 256, (50, 32, 32, 3)).astype("uint8"), random.integers(0, 10, 50)))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return create_model("resnet20_cifar")


def test_the_numbers_are_those_of_the_model_and_of_evaluate(model, data):
    predicted = predictions(model, data)
    np.testing.assert_allclose(predicted.probabilities, model.predict(data.train.images, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(predicted.labels, data.train.labels)
    result = evaluate(model, data)
    assert count_correct(predicted, data.class_names) == result
    matrix = confusion_matrix(predicted)
    assert np.trace(matrix) == result.top1_correct
    assert [(count, right) for _, count, right in result.classes] == list(
        zip(matrix.sum(axis=1), np.diagonal(matrix), strict=True)
    )
    assert len(worst_mistakes(predicted)) == 50 - result.top1_correct


ON_JAX = """
import numpy as np
from keras_resnet import create_model, load_data
from keras_resnet.evaluation.split_predictions import predictions

model = create_model("resnet20_cifar", weights="net.weights.h5")
data = np.load("data.npz")
np.save("probabilities.npy", predictions(model, load_data((data["images"], data["labels"]))).probabilities)
"""


@pytest.mark.slow
def test_the_numbers_are_the_same_on_jax(model, data, tmp_path):
    pytest.importorskip("jax", reason="needs jax, of the test extra")
    model.save_weights(tmp_path / "net.weights.h5")
    np.savez(tmp_path / "data.npz", images=data.train.images, labels=data.train.labels)
    run_on_jax(ON_JAX, tmp_path)
    found = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(found, predictions(model, data).probabilities, rtol=1e-3, atol=1e-6)


def test_unreadable_images_are_left_out_and_positions_stay_those_of_the_split(tmp_path):
    write_scenes(tmp_path / "train", ["ant", "bee"], 1)
    write_scenes(tmp_path / "val", ["ant", "bee"], 3)
    broken = sorted((tmp_path / "val" / "ant").iterdir())[1]
    broken.write_bytes(b"no photo")
    data = load_data(tmp_path, Recipe(image_size=16))
    keras.utils.set_random_seed(0)
    model = ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(16, 16, 3), classes=2)
    predicted = predictions(model, data)
    assert predicted.split == "validation"
    assert predicted.positions.tolist() == [0, 2, 3, 4, 5]
    assert predicted.labels.tolist() == [0, 0, 1, 1, 1]
    assert [name for name, _ in predicted.errors] == [str(broken)]
    names = image_names(data.validation, [5, 0])
    assert names == [str(data.validation.folder / data.validation.paths[position]) for position in (5, 0)]
    images = images_at(data.validation, [5, 0], data.view)
    again = model.predict(images.astype("float32"), verbose=0)
    np.testing.assert_allclose(again, predicted.probabilities[[4, 0]], atol=1e-6)
    for photo in (tmp_path / "val").glob("*/*"):
        photo.write_bytes(b"no photo")
    with pytest.raises(ValueError, match=r"None of the 6 validation images of .* is readable\."):
        predictions(model, data)
