"""What a run, a model file and weights say about their test images."""

import keras
import numpy as np
import pytest

import keras_resnet
from keras_resnet import Recipe, create_model, load_data, train
from keras_resnet.models.surgery import frozen_through
from keras_resnet.run_directory import Run, recipe_of, run_of
from keras_resnet.view import View

RECIPE = Recipe(epochs=0.5, batch_size=8, image_size=32, crop_fraction=0.8, validation_fraction=0.25)


def test_the_recipe_of_a_run_is_that_of_its_files(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3)).astype("uint8")
    train("resnet8", load_data((images, np.arange(16) % 2), RECIPE), RECIPE, tmp_path / "run", verbose=0)
    for path in (tmp_path / "run", tmp_path / "run" / "final.keras", str(tmp_path / "run" / "best.keras")):
        assert recipe_of(path) == RECIPE
        assert run_of(path).directory == tmp_path / "run"


@pytest.mark.parametrize("name", ["net.keras", "net"])  # a Keras file, and a SavedModel
def test_the_recipe_of_a_file_has_the_view_of_its_model(name, tmp_path):
    model = create_model("resnet8", input_shape=(24, 24, 3))
    model.save(tmp_path / name)
    assert recipe_of(tmp_path / name) is None
    model.view = View((24, 24), 0.75, "bicubic")
    model.save(tmp_path / name)
    assert recipe_of(tmp_path / name) == Recipe(image_size=24, crop_fraction=0.75, interpolation="bicubic")
    assert run_of(tmp_path / name) is None


def test_the_recipe_of_an_export_has_its_view(tmp_path):
    model = create_model("resnet8")
    model.view = View((32, 32), 0.9)
    keras_resnet.export(model, tmp_path / "net.keras")
    assert recipe_of(tmp_path / "net.keras").crop_fraction == 0.9


def test_the_recipe_of_weights_is_that_of_their_publisher():
    recipe = recipe_of("timm/resnet50.a1_in1k")
    assert (recipe.image_size, recipe.crop_fraction, recipe.interpolation) == (288, 1.0, "bicubic")


def test_frozen_parts():
    model = create_model("resnet20_cifar")
    assert frozen_through(model) is None
    assert frozen_through(keras_resnet.freeze(model, "stage2")) == "stage2"
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    assert frozen_through(model) is None


@pytest.mark.parametrize("epochs", [(1, 0), (0, 0)])
def test_a_log_whose_epochs_are_not_in_order_is_damaged(epochs, tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n" + "".join(f"{epoch},0.5\n" for epoch in epochs))
    with pytest.raises(ValueError, match=r"log\.csv is damaged \(its epochs are not in order\)"):
        Run(tmp_path).log()


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    for folder in (tmp_path, tmp_path / "checkpoints"):
        for name in (".writing-a1", "kept"):
            (folder / name).mkdir(parents=True)
            (folder / name / "file").touch()
    Run(tmp_path).remove_scratch()
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("file")) == [
        "checkpoints/kept/file",
        "kept/file",
    ]


def test_a_run_of_arrays_does_not_know_its_images(tmp_path):
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match="does not record where its images are; name their folder"):
        Run(tmp_path).data()
