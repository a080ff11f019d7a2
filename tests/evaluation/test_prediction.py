"""predict: with a run, a file or a model; every image gets a prediction or an error."""

import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, create_model, decode_predictions, load_data, predict, train


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    data = load_data(shapes, class_names="abcd")
    workdir = tmp_path_factory.mktemp("runs") / "run"
    train("resnet20_cifar", data, Recipe(epochs=1, batch_size=16), workdir, verbose=0)
    return workdir


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return create_model("resnet20_cifar")


def save_png(path, image):
    path.write_bytes(tf.io.encode_png(image).numpy())
    return path


def test_run_needs_nothing_else(run, shapes, tmp_path):
    images = shapes[1][0][:3]
    paths = [save_png(tmp_path / f"{index}.png", image) for index, image in enumerate(images)]
    predictions = predict(run, paths, top=4)
    model = keras.saving.load_model(run / "final.keras")
    probabilities = model(images).numpy()
    for prediction, row in zip(predictions, probabilities, strict=True):
        assert [name for name, _ in prediction] == ["abcd"[i] for i in np.argsort(-row)]
        np.testing.assert_allclose([probability for _, probability in prediction], np.sort(row)[::-1], rtol=1e-5)
    assert predict(str(run), images, top=4)[0][0][0] == predictions[0][0][0]
    assert predict(run / "final.keras", paths[0], top=1)[0][0][0] == predictions[0][0][0]


def test_model_and_single_images(model):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    [prediction] = predict(model, image, top=3)
    row = model(image[None].astype("float32")).numpy()[0]
    assert prediction == [(str(i), pytest.approx(float(row[i]), rel=1e-5)) for i in np.argsort(-row)[:3]]
    assert len(predict(model, [image] * 70, top=1)) == 70  # more than a batch


def test_model_of_open_size_takes_each_image_as_it_is():
    model = create_model("resnet20_cifar", input_shape=(None, None, 3))
    images = [np.full((20, 24, 3), 50), np.full((32, 17, 3), 200)]
    assert [len(prediction) for prediction in predict(model, images)] == [5, 5]


def test_unreadable_images_are_accounted_for_and_the_rest_go_on(model, tmp_path):
    good = save_png(tmp_path / "good.png", np.zeros((40, 50, 3), "uint8"))
    empty, text, cut = tmp_path / "empty.png", tmp_path / "text.jpg", tmp_path / "cut.png"
    empty.write_bytes(b"")
    text.write_text("no image at all")
    cut.write_bytes(good.read_bytes()[:60])
    images = [empty, good, text, tmp_path / "missing.png", cut, np.zeros((5, 5)), good]
    messages = [
        "is empty",
        None,
        "is not an image in a known format",
        "cannot be read",
        "is damaged",
        "is not (height",
        None,
    ]
    for image, prediction, message in zip(images, predict(model, images), messages, strict=True):
        if message is None:
            assert len(prediction) == 5
        else:
            assert isinstance(prediction, ValueError)
            assert message in str(prediction)
            assert not isinstance(image, pathlib.Path) or image.name in str(prediction)


def test_mistakes_are_one_clear_sentence(model, tmp_path):
    image = np.zeros((32, 32, 3))
    with pytest.raises(FileNotFoundError, match="neither a run directory"):
        predict(tmp_path, image)
    with pytest.raises(FileNotFoundError, match="neither a run directory"):
        predict(tmp_path / "nowhere", image)
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"broken.keras cannot be loaded as a Keras model"):
        predict(tmp_path / "broken.keras", image)
    with pytest.raises(ValueError, match="top=0 must be at least 1"):
        predict(model, image, top=0)
    with pytest.raises(ValueError, match="3 class names do not fit a model of 10 classes"):
        predict(model, image, class_names="abc")


def test_float_images_and_dtype(model):
    image = np.full((32, 32, 3), 127.5)
    one, other = predict(model, [image, np.float32(image)])
    assert one == other


DECODE = """
import numpy as np, keras_resnet
scores = np.zeros((2, 1000)); scores[0, 281] = 0.9; scores[0, 282] = 0.1; scores[1, 0] = 1
try:
    print(keras_resnet.decode_predictions(scores, top=2))
except OSError as error:
    print(type(error).__name__, error)
"""


def decode(keras_home, **environment):
    """What DECODE prints in a process with that KERAS_HOME."""
    result = subprocess.run(
        [sys.executable, "-c", DECODE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_HOME": str(keras_home), **environment},
    )
    return result.stdout.strip()


def test_decode_predictions_names_the_classes(local_data, tmp_path):
    (tmp_path / "models").mkdir()
    shutil.copy(local_data / "imagenet_class_index.json", tmp_path / "models")
    printed = decode(tmp_path)
    assert "('n02123045', 'tabby'" in printed
    assert "('n02123159', 'tiger_cat'" in printed
    assert "('n01440764', 'tench'" in printed


def test_decode_predictions_without_network(tmp_path):
    nobody = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    printed = decode(tmp_path, **nobody).splitlines()[-1]
    assert printed.startswith("OSError ImageNet's class index could not be downloaded")
    assert f"put imagenet_class_index.json into {tmp_path / 'models'} by hand" in printed


def test_decode_predictions_takes_imagenets_classes_alone():
    with pytest.raises(ValueError, match=r"takes probabilities of shape \(batch, 1000\), not \(2, 10\)"):
        decode_predictions(np.zeros((2, 10)))
    with pytest.raises(ValueError, match="top=0 must be at least 1"):
        decode_predictions(np.zeros((2, 1000)), top=0)
