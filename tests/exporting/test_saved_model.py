"""The signatures of SavedModels: the same answers as `predict`, or an error, for images of every kind."""

import io
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_resnet
from keras_resnet import export, predict
from keras_resnet.exporting.graph_decoding import decode
from keras_resnet.exporting.graph_orientation import upright
from keras_resnet.runtimes.decoding import TOO_LARGE, decode_image
from keras_resnet.view import View
from tests.exporting.nets import photos, relative, small_net
from tests.photos import encode, scene

NAMES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu")


def saved(folder, **options):
    view = options.pop("view", View((32, 32), 0.875))
    model = small_net("resnet18", **options)
    model.class_names, model.view = NAMES, view
    export(model, folder / "net")
    return model, tf.saved_model.load(str(folder / "net")).signatures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fixed")


@pytest.fixture(scope="module")
def fixed(folder):
    return saved(folder)


graph_decode = tf.function(decode, input_signature=[tf.TensorSpec((), tf.string)])


def test_signatures_have_names_and_open_shapes(fixed):
    _, signatures = fixed
    assert set(signatures) == {"serving_default", "serve_uint8", "serve_bytes"}
    for name, dtype in (("serving_default", tf.float32), ("serve_uint8", tf.uint8)):
        _, inputs = signatures[name].structured_input_signature
        assert inputs["images"] == tf.TensorSpec((None, None, None, 3), dtype, name="images")
        outputs = signatures[name].structured_outputs
        assert (outputs["probabilities"].shape.as_list(), outputs["classes"].shape.as_list()) == ([None, 7], [None, 5])


def test_images_of_the_models_size_and_of_others(fixed):
    model, signatures = fixed
    images = photos(4)
    found = signatures["serving_default"](images=tf.constant(images))
    expected = keras.ops.softmax(model(images)).numpy()
    assert relative(found["probabilities"], expected) < 1e-5
    order = np.argsort(-expected, axis=1)[:, :5]
    assert found["classes"].numpy().astype(str).tolist() == np.array(NAMES)[order].tolist()
    larger = np.stack([scene(50, 70, seed) for seed in range(3)])
    found = signatures["serve_uint8"](images=tf.constant(larger))["probabilities"].numpy()
    for row, prediction in zip(found, predict(model, larger, top=7), strict=True):
        assert row == pytest.approx([dict(prediction)[name] for name in NAMES], abs=1e-5)


def test_model_of_any_size_takes_images_as_they_are(tmp_path):
    model, signatures = saved(tmp_path, input_shape=(None, None, 3), view=None)
    images = photos(2, size=48)
    found = signatures["serving_default"](images=tf.constant(images))["probabilities"]
    assert relative(found, keras.ops.softmax(model(images))) < 1e-5
    contents = [encode(scene(40, 52)), encode(scene(64, 33, 1), "JPEG", quality=95)]
    check_answers(model, signatures, contents)


def check_answers(model, signatures, contents):
    """The signature `serve_bytes` answers as `predict`."""
    found = signatures["serve_bytes"](bytes=tf.constant(contents))
    assert found["classes"].shape == found["probabilities"].shape == (len(contents), 5)
    predictions = predict(model, contents, top=len(NAMES))
    answers = zip(found["classes"].numpy().astype(str), found["probabilities"].numpy(), strict=True)
    for prediction, (names, probabilities) in zip(predictions, answers, strict=True):
        assert probabilities == pytest.approx([dict(prediction)[name] for name in names], rel=1e-4)
        assert probabilities == pytest.approx([probability for _, probability in prediction[:5]], rel=1e-4)


def variants_of_photos():
    """The name and content of files of many kinds."""
    photo = Image.fromarray(scene(60, 90))
    alpha = photo.copy()
    alpha.putalpha(Image.fromarray(scene(60, 90, 1)[..., 0]))
    deep = Image.fromarray(scene(60, 90)[..., 0].astype("uint16") * 257)
    animated = io.BytesIO()
    photo.save(animated, "GIF", save_all=True, append_images=[photo.rotate(90)])
    exif = {number: photo.getexif() for number in range(1, 9)}
    for number, data in exif.items():
        data[0x0112] = number
    return {
        "jpeg": encode(photo, "JPEG"),
        "progressive": encode(photo, "JPEG", progressive=True),
        "gray jpeg": encode(photo.convert("L"), "JPEG"),
        "cmyk jpeg": encode(photo.convert("CMYK"), "JPEG"),
        "png": encode(photo),
        "gray png": encode(photo.convert("L")),
        "alpha png": encode(alpha),
        "gray alpha png": encode(alpha.convert("LA")),
        "palette png": encode(photo.quantize(64)),
        "1-bit png": encode(photo.convert("1")),
        "16-bit png": encode(deep),
        "gif": encode(photo, "GIF"),
        "animated gif": animated.getvalue(),
        "transparent gif": encode(photo.quantize(64), "GIF", transparency=5),
        "bmp": encode(photo, "BMP"),
        "alpha bmp": encode(alpha, "BMP"),
        "gray bmp": encode(photo.convert("L"), "BMP"),
        "palette bmp": encode(photo.quantize(64), "BMP"),
        "thin": encode(scene(1, 3000)),
        "tall": encode(scene(2000, 3), "JPEG"),
        "one pixel": encode(scene(1, 1)),
        **{f"jpeg turned {number}": encode(photo, "JPEG", exif=data) for number, data in exif.items()},
        **{f"png turned {number}": encode(photo, exif=data) for number, data in exif.items()},
        "jpeg turned, big-endian": encode(photo, "JPEG", exif=b"Exif\0\0" + _big_endian(6)),
        "jpeg with icc profile first": encode(photo, "JPEG", exif=exif[8], icc_profile=b"x" * 70_000, comment="hello"),
    }


def _big_endian(orientation):
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\0\0"
    return b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\0\0\0\0"


@pytest.mark.parametrize("name", variants_of_photos())
def test_pixels_are_those_of_predict(name):
    content = variants_of_photos()[name]
    np.testing.assert_array_equal(graph_decode(content), decode_image(content))
    np.testing.assert_array_equal(decode(tf.constant(content), 1), decode_image(content, 1))


def test_answers_are_those_of_predict(fixed):
    check_answers(*fixed, list(variants_of_photos().values()))


def test_real_photos_have_the_answers_of_predict(fixed, local_data):
    files = [
        *sorted((local_data / "exif").rglob("*.jpg")),
        *sorted((local_data / "photos" / "full_size").rglob("*"))[:20],
    ]
    check_answers(*fixed, [file.read_bytes() for file in files if file.is_file()])


def test_odd_images_have_the_pixels_of_predict_or_an_error(local_data):
    """Damaged images are errors in both; TensorFlow alone reads fewer formats than Pillow."""
    equal = set()
    for file in sorted((local_data / "odd_images").iterdir()):
        content = file.read_bytes()
        try:
            found = graph_decode(content).numpy()
        except tf.errors.InvalidArgumentError:
            continue
        rounding = 1 if "cmyk" in file.name else 0  # TensorFlow and Pillow convert CMYK with different roundings
        difference = np.abs(found.astype(int) - decode_image(content))
        assert difference.max() <= rounding, file.name
        equal.add(file.name)
    assert len(equal) >= 15


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a JPEG, PNG, GIF or BMP file"),
        (b"no image", "not a JPEG, PNG, GIF or BMP file"),
        (encode(scene(60, 90), "JPEG")[:900], None),
        (encode(scene(60, 90))[:900], None),
        (encode(scene(60, 90), "WEBP"), "not a JPEG, PNG, GIF or BMP file"),
        (
            encode(Image.fromarray(scene(60, 90)).convert("1"), "BMP"),
            "does not have 8, 24 or 32 bits; convert it to PNG",
        ),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\1\0\0" * 2 + b"\x08\2\0\0\0" + b"\0" * 8,
            TOO_LARGE,
        ),
        (b"GIF89a" + b"\xff" * 4 + b"\0" * 8, TOO_LARGE),
        (b"\xff\xd8\xff\xe1\xff\xffExif\0\0II*\0\xff\xff\xff\x7f", None),
    ],
)
def test_broken_images_are_errors(fixed, content, message):
    _, signatures = fixed
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures["serve_bytes"](bytes=tf.constant([encode(scene(40, 40)), content]))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
    ],
)
def test_damaged_exif_data_are_ignored(exif):
    content = encode(scene(20, 30), "JPEG", exif=exif)
    np.testing.assert_array_equal(graph_decode(content), decode_image(content))


def test_gray_models_take_gray_files(tmp_path):
    model, signatures = saved(tmp_path, input_shape=(32, 32, 1), mean=127, std=60)
    check_answers(model, signatures, [encode(scene(40, 52)), encode(scene(40, 52)[..., 0])])


def test_models_of_four_channels_have_no_signature_for_files(tmp_path):
    model = small_net("resnet18", input_shape=(32, 32, 4), include_preprocessing=False)
    export(model, tmp_path / "net", images=photos(4, channels=4))
    assert set(tf.saved_model.load(str(tmp_path / "net")).signatures) == {"serving_default", "serve_uint8"}


def test_load_model_and_predict_take_the_folder(fixed, folder):
    model, _ = fixed
    served = keras_resnet.load_model(folder / "net")
    assert relative(served(photos()), keras.ops.softmax(model(photos()))) < 1e-5
    contents = [encode(scene(40, 52)), encode(scene(64, 33, 1))]
    for found, expected in zip(predict(folder / "net", contents), predict(model, contents), strict=True):
        assert dict(found) == pytest.approx(dict(expected), rel=1e-4)


def test_names_of_classes_are_an_asset(fixed, folder, tmp_path):
    del fixed
    shutil.copytree(folder / "net", tmp_path / "net")
    labels = tmp_path / "net" / "assets" / "labels.txt"
    assert labels.read_text().splitlines() == list(NAMES)
    labels.write_text("".join(f"{name.upper()}\n" for name in NAMES))
    serve = tf.saved_model.load(str(tmp_path / "net")).signatures["serve_bytes"]
    [names] = serve(bytes=tf.constant([encode(scene(40, 40))]))["classes"].numpy()
    assert all(name.isupper() for name in names)


def test_graph_has_standard_operations_only(fixed):
    _, signatures = fixed
    kinds = {node.op for signature in signatures.values() for node in _nodes(signature)}
    assert "DecodeJpeg" in kinds
    assert not {"PyFunc", "EagerPyFunc", "PyFuncStateless", "XlaLaunch", "XlaCallModule"} & kinds


def _nodes(signature):
    graph = signature.graph.as_graph_def()
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_those_of_pillow(orientation):
    image = scene(5, 8)
    exif = Image.fromarray(image).getexif()
    exif[0x0112] = orientation
    expected = decode_image(encode(image, exif=exif))
    np.testing.assert_array_equal(upright(tf.constant(image), tf.constant(orientation)), expected)
