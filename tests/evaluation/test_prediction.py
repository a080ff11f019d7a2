"""predict: with a run, a file or a model; every image gets a prediction or an error."""

import json
import pathlib
import re
import weakref

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from keras_resnet import Recipe, create_model, decode_predictions, load_data, predict, train
from keras_resnet.preprocessing import imagenet_classes, set_normalization
from keras_resnet.runtimes.prediction import BATCH_SIZE
from keras_resnet.transforms.views import center_view
from keras_resnet.view import View


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


@pytest.mark.exhaustive
def test_run_needs_nothing_else(run, shapes, tmp_path):
    images = shapes[1][0][:3]
    paths = [save_png(tmp_path / f"{index}.png", image) for index, image in enumerate(images)]
    predictions = predict(run, paths, top=4)
    model = keras.saving.load_model(run / "final.keras")
    assert (model.view, model.class_names) == (View((8, 8)), tuple("abcd"))  # training sets them
    probabilities = tf.function(model)(tf.constant(images)).numpy()
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


# ---------------------------------------------------------------------------------------------
# Forms of images


@pytest.fixture
def photos(tmp_path):
    """Four PNGs in nested folders, one of them hidden behind a capital suffix, and a file that is no image."""
    random = np.random.default_rng(0)
    paths = [tmp_path / "photos" / name for name in ("b.png", "a.png", "sub/c.PNG", "sub/deep/d.png")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(path, random.integers(0, 256, (40, 36, 3)).astype("uint8"))
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return sorted(paths)


def assert_alike(found, expected):
    """The same classes and probabilities, but for what other batches round."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert [name for name, _ in one[:2]] == [name for name, _ in other[:2]]
        assert dict(one[:2]) == pytest.approx(dict(other[:2]), rel=1e-4)


def test_folder_stands_for_all_images_below_it(model, photos, tmp_path):
    expected = predict(model, photos)
    for folder in (tmp_path / "photos", str(tmp_path / "photos")):
        found = predict(model, folder)
        assert found == expected
        assert [prediction.image for prediction in found] == photos
    assert_alike(predict(model, [photos[0], tmp_path / "photos" / "sub"]), [expected[0], *expected[2:]])


def test_patterns(model, photos, tmp_path):
    expected = predict(model, photos)
    assert_alike(predict(model, f"{tmp_path}/photos/*.png"), expected[:2])
    assert_alike(predict(model, f"{tmp_path}/photos/**/[cd].*"), expected[2:])
    odd = photos[0].rename(tmp_path / "photo[1].png")
    assert_alike(predict(model, odd), expected[:1])


def test_a_tilde_is_the_home_folder(model, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("~/photos/a.png", pathlib.Path("~/photos/a.png"), "~/photos/a.*"):
        [prediction] = predict(model, path)
        assert str(prediction.image) == str(photos[0])


def test_bytes_and_pil_images_are_read_as_files(model, photos):
    expected = predict(model, photos)
    assert predict(model, [path.read_bytes() for path in photos]) == expected
    assert_alike(predict(model, bytearray(photos[0].read_bytes())), expected[:1])
    assert predict(model, [PIL.Image.open(path) for path in photos]) == expected
    assert_alike(predict(model, PIL.Image.open(photos[0])), expected[:1])


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_of_every_form_are_those_of_a_file(channels, tmp_path):
    net = create_model("resnet20_cifar", input_shape=(32, 32, channels), include_preprocessing=False)
    random = np.random.default_rng(0)
    gray = random.integers(0, 256, (40, 36), "uint8")
    color, alpha = random.integers(0, 256, (40, 36, 3), "uint8"), random.integers(0, 256, (40, 36, 1), "uint8")
    for pixels in (gray, color, np.concatenate([color, alpha], axis=-1), (gray.astype("uint16") << 8)):
        path = tmp_path / "image.png"
        PIL.Image.fromarray(pixels).save(path)
        (expected,) = predict(net, path, top=10)
        forms = [PIL.Image.open(path), path.read_bytes()]
        forms += [pixels, pixels.astype("int32")] if pixels.dtype == np.uint8 else []
        forms += [gray[..., None]] if pixels is gray else []
        for form in forms:
            (prediction,) = predict(net, form, top=10)
            assert dict(prediction) == pytest.approx(dict(expected), rel=1e-3)


def test_exif_orientation_of_pil_images_and_bytes(model, local_data):
    for orientation in (3, 6):
        path = local_data / "exif" / f"Landscape_{orientation}.jpg"
        (expected,) = predict(model, path)
        for form in (path.read_bytes(), PIL.Image.open(path)):
            (prediction,) = predict(model, form)
            assert dict(prediction) == pytest.approx(dict(expected), rel=1e-3)


def test_batches_generators_and_tensors(model):
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("uint8")
    expected = predict(model, list(images))
    assert predict(model, images) == expected
    assert predict(model, tf.constant(images)) == expected
    assert predict(model, (image for image in images)) == expected
    assert predict(model, (images[:2], images[2])) == expected
    assert predict(model, tf.data.Dataset.from_tensor_slices(images)) == expected
    assert [prediction.image for prediction in expected] == [None] * 3


def test_array_of_paths(model, photos):
    assert predict(model, np.array([str(path) for path in photos])) == predict(model, photos)


# ---------------------------------------------------------------------------------------------
# Unreadable images


@pytest.fixture
def mixed(tmp_path):
    """Images of all kinds, and the part of the error of each unreadable one."""
    good = save_png(tmp_path / "good.png", np.zeros((40, 50, 3), "uint8"))
    empty, text, cut = tmp_path / "empty.png", tmp_path / "text.jpg", tmp_path / "cut.png"
    empty.write_bytes(b"")
    text.write_text("no image at all")
    cut.write_bytes(good.read_bytes()[:60])
    return [
        (empty, r"empty\.png is empty"),
        (good, None),
        (text, r"text\.jpg is not an image in a known format"),
        (tmp_path / "missing.png", r"missing\.png cannot be read"),
        (cut, r"cut\.png is damaged"),
        (np.zeros((5, 5, 2), "uint8"), r"Image 5 has 2 channels, but the model takes 3"),
        (np.zeros(5), r"Image 6 has the shape \(5,\), not \(height, width, channels\)"),
        (np.zeros((5, 0, 3)), r"Image 7 has the shape \(5, 0, 3\)"),
        (np.full((5, 5, 3), np.nan), r"Image 8 has values from nan to nan, not in 0 to 255"),
        (np.full((5, 5, 3), -1), "Image 9 has values from -1 to -1"),
        (np.full((5, 5, 3), 256.0), "Image 10 has values from 256 to 256"),
        (np.full((5, 5, 3), 0.5), "Image 11 has values up to 0.5; multiply it by 255"),
        (np.full((5, 5, 3), 1j), "Image 12 has values of type complex128"),
        (b"", "Image 13 is empty"),
        (b"noise", "Image 14 is not an image in a known format"),
        (5, "Image 15 is not a path, an array, a PIL image, or the bytes of an image file, but int"),
        (None, "Image 16 is not a path.*but NoneType"),
        ({"image": 5}, "Image 17 is not a path.*but dict"),
        (good, None),
    ]


def test_unreadable_image_raises_by_default(model, mixed):
    for position, (image, message) in enumerate(mixed):
        if message is None:
            assert len(predict(model, image)[0]) == 5
            continue
        with pytest.raises(ValueError, match=message.replace(f"Image {position} ", "Image 0 ")) as caught:
            predict(model, [image])
        assert "\n" not in str(caught.value)


def test_unreadable_images_are_returned_or_skipped_on_request(model, mixed, caplog):
    images = [image for image, _ in mixed]
    returned = predict(model, images, on_error="return")
    assert len(returned) == len(images)
    for prediction, (image, message) in zip(returned, mixed, strict=True):
        assert prediction.image is (image if isinstance(image, pathlib.Path) else None)
        if message is None:
            assert (len(prediction), prediction.error) == (5, None)
        else:
            assert prediction == []
            assert re.search(message, str(prediction.error))
    assert predict(model, images, on_error="skip") == [prediction for prediction in returned if prediction]
    warnings = [record.message for record in caplog.records if record.message.startswith("Skipped: ")]
    assert len(warnings) == len(images) - 2
    assert predict(model, images[:1], on_error="skip") == []


def test_black_float_images_are_read(model):
    assert predict(model, np.zeros((32, 32, 3))) == predict(model, np.zeros((32, 32, 3), "uint8"))


# ---------------------------------------------------------------------------------------------
# Models


def test_model_brings_its_view_and_class_names(tmp_path):
    net = create_model("resnet20_cifar", classes=4, input_shape=(None, None, 3))
    net.view, net.class_names = View((24, 28), 0.75), tuple("abcd")
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3)).astype("uint8")
    row = net(center_view(tf.constant(image), net.view)).numpy()[0]
    expected = [("abcd"[i], pytest.approx(float(row[i]), rel=1e-4)) for i in np.argsort(-row)]
    assert predict(net, image) == [expected]
    net.save(tmp_path / "net.keras")
    net.save(tmp_path / "net")
    for path in (tmp_path / "net.keras", tmp_path / "net"):
        assert predict(path, image) == [expected]
    assert predict(net, image, class_names=list("wxyz"))[0][0][0] in "wxyz"
    assert predict(net, image, view=View((24, 28))) != [expected]


def test_saved_model_of_another_program(tmp_path):
    net = keras.Sequential([keras.Input((20, 20, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    net.export(tmp_path / "net", verbose=False)
    (tmp_path / "net" / "labels.txt").write_text("x\ny\nz\n")
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype("float32")
    (prediction,) = predict(tmp_path / "net", image)
    assert dict(prediction) == pytest.approx(
        dict(zip("xyz", tf.nn.softmax(net(image[None]))[0].numpy(), strict=True)), abs=1e-6
    )


def test_logits_become_probabilities(model):
    logits = create_model("resnet20_cifar", classifier_activation=None)
    logits.set_weights(model.get_weights())
    softmax = keras.Model(logits.input, keras.layers.Softmax()(logits.output))
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype("uint8")
    for net in (logits, softmax):
        assert dict(predict(net, image)[0]) == pytest.approx(dict(predict(model, image)[0]), rel=1e-4)
    sigmoid = create_model("resnet20_cifar", classifier_activation="sigmoid")
    sigmoid.set_weights(model.get_weights())
    row = sigmoid(image[None]).numpy()[0]
    assert predict(sigmoid, image)[0][0][1] == pytest.approx(float(row.max()), rel=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("kind", ["operation", "model inside a model"])
def test_probabilities_of_an_own_head_stay_as_they_are(kind, activation):
    images = keras.Input((8, 8, 3))
    if kind == "operation":
        pooled = keras.layers.GlobalAveragePooling2D()(images)
        net = keras.Model(images, getattr(keras.ops, activation)(keras.layers.Dense(4)(pooled)))
    else:
        options = dict(classes=4, input_shape=(8, 8, 3), classifier_activation=activation)
        net = keras.Sequential([images, create_model("resnet20_cifar", **options)])
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype("uint8")
    row = keras.ops.convert_to_numpy(net(image[None] * 1.0))[0]
    assert predict(net, image, top=1)[0][0][1] == pytest.approx(float(row.max()), rel=1e-5)


def test_model_is_traced_once_and_follows_its_weights(model):
    net = keras.models.clone_model(model)
    traces = []
    call = net.call
    net.call = lambda *args, **kwargs: traces.append(1) or call(*args, **kwargs)
    images = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3)).astype("uint8")
    before = predict(net, images)
    assert len(before) == 70
    predict(net, images[:5])
    assert len(traces) == 1
    for variable in net.trainable_variables:
        variable.assign(variable * 0.5)
    assert predict(net, images[:5]) != before[:5]


def test_normalization_that_changes_is_followed():
    net = create_model("resnet20_cifar")
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype("uint8")
    predict(net, image)
    set_normalization(net, 0.0, 255.0)
    row = net(image[None]).numpy()[0]
    assert dict(predict(net, image, top=10)[0]) == pytest.approx(
        {str(i): float(p) for i, p in enumerate(row)}, rel=1e-3
    )


def test_a_stream_is_read_batch_by_batch(model):
    """At most a batch of images is alive at a time."""
    alive = weakref.WeakSet()
    most = 0

    def stream():
        nonlocal most
        for index in range(100):
            image = np.full((32, 32, 3), index, "uint8").view(Tracked)
            alive.add(image)
            most = max(most, len(alive))
            yield image
            del image

    assert len(predict(model, stream())) == 100
    assert most <= 2 * BATCH_SIZE + 2


class Tracked(np.ndarray):
    """An array that can be referred to weakly, and is told apart by its identity."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def test_progress_bar_for_many_images(model, capsys):
    images = [np.zeros((32, 32, 3), "uint8")] * 40
    predict(model, images, verbose=1)
    assert "40/40" in capsys.readouterr().out
    predict(model, images)  # not on a terminal
    predict(model, images[:1], verbose=1)
    assert capsys.readouterr().out == ""


def test_mistakes_are_one_clear_sentence(model, tmp_path):
    image = np.zeros((32, 32, 3))
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"noise")
    (tmp_path / "empty").mkdir()
    features = create_model("resnet20_cifar", features=True)
    headless = create_model("resnet20_cifar", include_top=False)
    pooled = create_model("resnet20_cifar", include_top=False, pooling="avg")
    vectors = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    nan = create_model("resnet20_cifar")
    nan.get_layer("logits").bias.assign(np.full(10, np.nan))
    for model_or_run, images, options, error, message in (
        (tmp_path, image, {}, FileNotFoundError, "neither a run directory"),
        (tmp_path / "nowhere", image, {}, FileNotFoundError, "neither a run directory"),
        ("", image, {}, ValueError, "must be a path"),
        (5, image, {}, TypeError, "predict takes a Keras model, .* not int"),
        (None, image, {}, TypeError, "predict takes a Keras model, .* not NoneType"),
        (tmp_path / "broken.keras", image, {}, ValueError, r"broken\.keras cannot .* \(it is not a zip archive\)"),
        (tmp_path / "saved", image, {}, ValueError, r"saved cannot be opened in TensorFlow"),
        (model, image, dict(top=0), ValueError, "top=0 must be a positive integer"),
        (model, image, dict(top=1.5), ValueError, "top=1.5 must be a positive integer"),
        (model, image, dict(top="a"), ValueError, "top='a' must be a positive integer"),
        (model, image, dict(top=True), ValueError, "top=True must be a positive integer"),
        (model, image, dict(class_names=["a", "b"]), ValueError, "2 class names do not fit a model of 10 classes"),
        (model, image, dict(class_names="abc"), ValueError, "Class names must be a list of strings, not 'abc'"),
        (model, image, dict(class_names=[]), ValueError, r"Class names must be a list of strings, not \[\]"),
        (model, image, dict(on_error="ignore"), ValueError, "Unknown on_error 'ignore'; available: 'raise', 'skip'"),
        (model, image, dict(view=(32, 32)), ValueError, r"view must be a View or None, not \(32, 32\)"),
        (model, image, dict(view=View((40, 40))), ValueError, r"view of size \(40, 40\) does not fit"),
        (model, PIL.Image.new("RGB", (0, 5)), {}, ValueError, r"Image 0 has the shape \(5, 0, 3\)"),
        (model, image, dict(runtime="onnx"), ValueError, "runtime='onnx' needs the path of a model that was exported"),
        (model, [], {}, ValueError, "There are no images to predict"),
        (model, (), {}, ValueError, "There are no images to predict"),
        (model, iter(()), {}, ValueError, "There are no images to predict"),
        (model, tmp_path / "empty", {}, ValueError, "The folder .*empty contains no images"),
        (model, str(tmp_path / "*.jpg"), {}, ValueError, r"No file matches .*\*\.jpg"),
        (features, image, {}, ValueError, "has no classifier"),
        (headless, image, {}, ValueError, "has no classifier"),
        (pooled, image, {}, ValueError, "has no classifier"),
        (vectors, image, {}, ValueError, "does not take one batch of images"),
        (keras.Sequential([keras.layers.Dense(3)]), image, {}, ValueError, "has no classifier"),
        (nan, image, {}, ValueError, "The outputs of resnet20_cifar are not finite"),
    ):
        with pytest.raises(error, match=message) as caught:
            predict(model_or_run, images, **options)
        assert "\n" not in str(caught.value)
    assert len(predict(model, image, top=10**9)[0]) == 10


def test_float_images_and_dtype(model):
    image = np.full((32, 32, 3), 127.5)
    one, other = predict(model, [image, np.float32(image)])
    assert one == other


def test_decode_predictions_names_the_classes():
    scores = np.zeros((2, 1000))
    scores[0, 281], scores[0, 282], scores[1, 0] = 0.9, 0.1, 1
    first, second = decode_predictions(scores, top=2)
    assert first == [("n02123045", "tabby", 0.9), ("n02123159", "tiger_cat", 0.1)]
    assert second[0] == ("n01440764", "tench", 1.0)


def test_classes_are_those_of_keras(local_data):
    index = json.loads((local_data / "imagenet_class_index.json").read_text(encoding="utf-8"))
    assert imagenet_classes() == tuple(tuple(index[str(number)]) for number in range(1000))


def test_decode_predictions_takes_imagenets_classes_alone():
    with pytest.raises(ValueError, match=r"takes probabilities of shape \(batch, 1000\), not \(2, 10\)"):
        decode_predictions(np.zeros((2, 10)))
    for top in (0, 1.5, "a", None):
        with pytest.raises(ValueError, match="must be a positive integer"):
            decode_predictions(np.zeros((2, 1000)), top=top)
