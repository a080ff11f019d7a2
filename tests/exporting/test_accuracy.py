"""What exports cost in accuracy: counted as NumPy counts, and measured on whole test sets."""

import keras
import numpy as np
import pytest

from keras_resnet import create_model, evaluate, export, fold_batchnorm, load_data
from keras_resnet.exporting.accuracy import compare_accuracy
from keras_resnet.exporting.calibration import calibration_images
from keras_resnet.runtimes import Artifact
from tests.exporting.artifacts import exported, metadata_of
from tests.exporting.nets import small_net
from tests.photos import write_scenes


class Shifted(Artifact):
    """Answers with the class after the model's."""

    runtime = "test"

    def __init__(self, model):
        super().__init__(model.name, metadata_of(model, "test", "int8"), model.input_shape, model.output_shape)
        self.model = model

    def _scores(self, images):
        return np.roll(self.model.predict_on_batch(images), 1, axis=1)


@pytest.fixture(scope="module")
def model():
    return small_net("resnet20_cifar", classes=10)


def arrays_for(model, count=100):
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), "uint8")
    return images, model.predict_on_batch(images.astype("float32")).argmax(axis=1)


def test_counts_are_those_of_numpy(model):
    images, answers = arrays_for(model)
    labels = answers.copy()
    labels[:30] = (labels[:30] + 1) % 10  # what Shifted answers
    metadata = metadata_of(model, "test").class_names
    data = load_data(((images, labels), (images[:50], labels[:50])), class_names=metadata)
    artifact = Shifted(model)
    accuracies = compare_accuracy(model, artifact, data, verbose=0)
    assert str(accuracies) == "float 20, int8 30 of 50 test images"
    assert compare_accuracy(model, artifact, data, "train", verbose=0).images == len(data.train)


def test_folder_of_photos_by_name(model, tmp_path):
    """Through the model's view, with the classes of the folder matched by name."""
    folder = write_scenes(tmp_path / "photos", ["class 7", "class 2"], 6)
    view = metadata_of(model, "test").view
    data = load_data(folder, image_size=32, crop_fraction=view.crop_fraction, interpolation=view.interpolation)
    named = keras.Model(model.inputs, model.outputs)
    named.class_names = metadata_of(model, "test").class_names
    expected = evaluate(named, data, "train", verbose=0).top1_correct
    assert compare_accuracy(model, Shifted(model), folder, "train", verbose=0).correct == expected


def test_mistakes_are_explained(model, tmp_path):
    images, labels = arrays_for(model, 20)
    data = load_data((images, labels % 2), class_names=["class 1", "owl"], validation_fraction=0.0)
    with pytest.raises(ValueError, match="does not know: 'owl'"):
        compare_accuracy(model, Shifted(model), data)
    data = load_data((images, labels % 2), class_names=["class 1", "class 2"], validation_fraction=0.0)
    with pytest.raises(ValueError, match="has no split 'test'; it has train"):
        compare_accuracy(model, Shifted(model), data, "test")
    with pytest.raises(FileNotFoundError):
        compare_accuracy(model, Shifted(model), tmp_path / "nowhere")
    gray = load_data((images[..., :1], labels % 2), class_names=["class 1", "class 2"], validation_fraction=0.0)
    with pytest.raises(ValueError, match=r"takes images of shape \(32, 32, 3\), but .* have shape \(32, 32, 1\)"):
        export(model, tmp_path / "net.keras", data=gray)
    assert not any(tmp_path.iterdir())


def test_split_without_a_readable_image_is_named(model, tmp_path):
    folder = write_scenes(tmp_path / "photos", ["class 7", "class 2"], 2)
    for file in folder.rglob("*.jpg"):
        file.write_bytes(b"no photo")
    with pytest.raises(ValueError, match=r"None of the \d train images of photos is readable"):
        compare_accuracy(model, Shifted(model), folder, "train", verbose=0)


RIGHT = {"resnet20_cifar": 9173, "resnet8": 8719}
FILES = {"resnet20_cifar": "akamaster_cifar10/resnet20.safetensors", "resnet8": "mlperf_tiny/pretrainedResnet.h5"}


@pytest.fixture(scope="module")
def cifar10(local_data):
    return load_data("cifar10", data_dir=local_data / "tfds")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("variant", "form", "precision", "least", "most"),
    [
        ("resnet20_cifar", "onnx", "float32", 9171, 9175),
        ("resnet20_cifar", "litert", "float32", 9171, 9175),
        ("resnet20_cifar", "openvino", "float32", 9171, 9175),
        ("resnet20_cifar", "litert", "float16", 9163, 9183),
        ("resnet20_cifar", "openvino", "bfloat16", 9163, 9183),
        ("resnet20_cifar", "litert", "dynamic", 9143, 9203),
        ("resnet20_cifar", "litert", "int8", 9143, 9203),
        ("resnet20_cifar", "onnx", "int8", 9143, 9203),
        ("resnet20_cifar", "openvino", "int8", 9143, 9203),
        ("resnet8", "litert", "int8", 8697, 8749),  # 8697: MLPerf Tiny's own file
        ("resnet8", "onnx", "int8", 8689, 8749),
        ("resnet8", "openvino", "int8", 8689, 8749),
    ],
)
def test_published_nets_on_cifar10(variant, form, precision, least, most, cifar10, local_data, tmp_path):
    model = create_model(variant, weights=local_data / "weights" / FILES[variant])
    metadata = metadata_of(model, form, precision)
    calibration = calibration_images(cifar10, metadata) if precision == "int8" else None
    artifact = exported(model, tmp_path, form, precision, calibration)
    accuracies = compare_accuracy(fold_batchnorm(model), artifact, cifar10, verbose=0)
    print(form, accuracies)
    assert abs(accuracies.correct - RIGHT[variant]) <= 2
    assert least <= accuracies.exported_correct <= most
