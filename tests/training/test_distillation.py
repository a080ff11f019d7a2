"""Distillation against NumPy, written from Hinton et al. 2015, and runs with a teacher."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import Recipe, create_model, load_data, train
from keras_resnet.distributed.strategies import mirrored
from keras_resnet.run_directory import Run
from keras_resnet.training.building import compile_for
from keras_resnet.training.distillation import Teacher
from tests.marks import few
from tests.training.nets import assert_equal_weights, linear_net, open_net

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (14, 8, 8, 3)).astype("uint8")
SOFT = RANDOM.dirichlet(np.ones(4), 14).astype("float32")
RECIPE = Recipe(
    epochs=0.5, batch_size=16, learning_rate=0.01, distillation_weight=0.3, distillation_temperature=4, seed=3
)


@pytest.fixture(scope="module")
def data(shapes):
    return load_data(shapes)


def compiled(student="softmax", teacher="softmax", recipe=RECIPE, strategy=None):
    """(student, teacher); the teacher is built without the strategy."""
    strategy = strategy or tf.distribute.get_strategy()
    taught_by = linear_net(seed=1, activation=teacher)
    with strategy.scope():
        model = linear_net(activation=student)
        compile_for(model, recipe, teacher=Teacher(taught_by).placed(strategy))
    return model, taught_by


def logits(model):
    """By NumPy, in float64."""
    kernel, bias = (np.asarray(weight, "float64") for weight in model.layers[-1].get_weights())
    return IMAGES.reshape(14, -1) / 255 @ kernel + bias


def log_softmax(scores):
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("student", "teacher"), [("softmax", "softmax"), (None, "softmax"), ("softmax", None)])
def test_loss_and_step_are_the_papers(student, teacher):
    """(1 - a) H(labels, student) + a T^2 KL(teacher_T || student_T); the gradient is that of the cross-entropy of T."""
    model, taught_by = compiled(student, teacher)
    scores, soft_scores, weights = logits(model), logits(taught_by) / 4, model.get_weights()
    hard = -(SOFT * log_softmax(scores)).sum(1)
    difference = log_softmax(soft_scores) - log_softmax(scores / 4)
    divergence = (np.exp(log_softmax(soft_scores)) * difference).sum(1)
    loss = model.train_on_batch(IMAGES, SOFT, return_dict=True)["loss"]
    assert loss == pytest.approx((0.7 * hard + 0.3 * 16 * divergence).mean(), rel=1e-5)
    # d(T^2 cross-entropy) / d(logits) = T (student_T - teacher_T), the paper's equation 2 times T^2.
    softened = np.exp(log_softmax(scores / 4)) - np.exp(log_softmax(soft_scores))
    gradient = (0.7 * (np.exp(log_softmax(scores)) - SOFT) + 0.3 * 4 * softened) / 14
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(bias, weights[1] - 0.01 * gradient.sum(0), rtol=1e-4, atol=1e-7)
    expected = weights[0] - 0.01 * (IMAGES.reshape(14, -1) / 255).T @ gradient
    np.testing.assert_allclose(kernel, expected, rtol=1e-4, atol=1e-6)


def test_equal_models_have_no_distillation_loss():
    model = linear_net(activation="softmax")
    recipe = dataclasses.replace(RECIPE, distillation_weight=1.0)
    compile_for(model, recipe, teacher=Teacher(linear_net(activation="softmax")))
    assert model.train_on_batch(IMAGES, SOFT, return_dict=True)["loss"] == pytest.approx(0, abs=1e-6)


def test_validation_loss_is_of_the_labels_alone():
    model, _ = compiled()
    expected = -(SOFT * log_softmax(logits(model))).sum(1).mean()
    assert model.test_on_batch(IMAGES, SOFT, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("jit_compile", few(["auto", "on"], "auto"))
def test_two_devices_end_with_the_weights_of_one(jit_compile):
    """Batches of 5, 8 and 1: an uneven and an empty shard."""

    def examples():
        for start, end in ((0, 5), (5, 13), (13, 14)):
            yield IMAGES[start:end], SOFT[start:end]

    specs = tf.TensorSpec((None, 8, 8, 3), tf.uint8), tf.TensorSpec((None, 4))
    results = []
    for strategy, recipe in ((None, RECIPE), (mirrored(), dataclasses.replace(RECIPE, jit_compile=jit_compile))):
        model, teacher = compiled(strategy=strategy, recipe=recipe)
        before = teacher.get_weights()
        batches = tf.data.Dataset.from_generator(examples, output_signature=specs).repeat()
        history = model.fit(batches, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0).history
        results.append((model.get_weights(), history))
        for old, new in zip(before, teacher.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    for one, other in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for name, values in results[0][1].items():
        np.testing.assert_allclose(values, results[1][1][name], rtol=1e-5)


def normalized_net(data, seed, **options):
    keras.utils.set_random_seed(seed)
    return create_model(
        "resnet20_cifar", depths=(1, 1), widths=(4, 8), input_shape=data.image_shape, classes=4, **options
    )


def test_teacher_is_a_run_that_stays_as_it_is_and_is_not_saved(data, tmp_path, caplog):
    caplog.set_level("INFO", "keras_resnet")
    plain = Recipe(epochs=0.5, batch_size=16, learning_rate=0.01)
    train(normalized_net(data, 1), data, plain, tmp_path / "teacher", verbose=0)
    before = (tmp_path / "teacher" / "final.keras").read_bytes()
    with mirrored().scope():
        student = normalized_net(data, 2)
    train(student, data, RECIPE, tmp_path / "run", teacher=tmp_path / "teacher", verbose=0)
    assert (tmp_path / "teacher" / "final.keras").read_bytes() == before
    assert f"Teacher: resnet20_cifar from {tmp_path / 'teacher'}." in caplog.text
    recorded = Run(tmp_path / "run").read_json("recipe.json")["teacher"]
    assert recorded.keys() == {"weights", "source"}
    assert recorded["source"] == str(tmp_path / "teacher")
    loaded = keras.saving.load_model(tmp_path / "run" / "final.keras")
    assert_equal_weights(student, loaded)
    assert loaded.loss.teacher is None
    sizes = [(tmp_path / run / "final.keras").stat().st_size for run in ("teacher", "run")]
    assert sizes[1] < sizes[0] + 5_000  # the teacher's weights would be 12 kB more


def test_run_resumes_with_the_same_teacher_alone(data, tmp_path):
    class CrashError(Exception):
        pass

    class Crash(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise CrashError

    teacher, options = linear_net(seed=1), dict(checkpoint_every=2, verbose=0)
    whole, parts = linear_net(), linear_net()
    train(whole, data, RECIPE, tmp_path / "whole", teacher=teacher, **options)
    with pytest.raises(CrashError):
        train(linear_net(), data, RECIPE, tmp_path / "run", teacher=teacher, callbacks=[Crash()], **options)
    with pytest.raises(FileExistsError, match=r"another run \(the teacher's weights differ\)"):
        train(linear_net(), data, RECIPE, tmp_path / "run", teacher=linear_net(seed=2), **options)
    teacher.save(tmp_path / "teacher.keras")  # the same from another place
    train(parts, data, RECIPE, tmp_path / "run", teacher=tmp_path / "teacher.keras", **options)
    assert_equal_weights(whole, parts)


@pytest.mark.exhaustive
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_precision_and_dry_run(precision, data):
    recipe = dataclasses.replace(RECIPE, precision=precision)
    result = keras_resnet.dry_run("resnet20_cifar", data, recipe, teacher=linear_net())
    assert result.steps == 4


def named(*names):
    model = linear_net()
    model.class_names = names
    return model


def plain_net():
    model = linear_net()
    return keras.Model(model.inputs, model.outputs)


def two_class_net():
    inputs = keras.Input((8, 8, 3))
    return keras_resnet.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)), name="two")


WRONG = [
    (dict(), "distillation_weight=0.3 needs a teacher"),
    (dict(recipe=Recipe(), teacher=linear_net()), "no effect with distillation_weight=0"),
    (dict(teacher=3), "teacher=3 must be a Keras model, or the path"),
    (dict(teacher=""), "teacher='' must be a Keras model, or the path"),
    (dict(teacher="nowhere"), "nowhere is neither a run directory"),
    (dict(teacher=two_class_net()), "As a teacher: The model two has outputs of shape"),
    (dict(teacher=linear_net(shape=(4, 4, 3))), "As a teacher: The model linear takes images of shape"),
    (dict(teacher=linear_net(activation="sigmoid")), "ends in a sigmoid; distillation needs a softmax"),
    (dict(teacher=named("cat", "ant", "dog", "bee")), "has other classes than arrays, or in another order"),
    (dict(model=plain_net(), teacher=linear_net()), "is a plain Keras model, which cannot learn"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[message for _, message in WRONG])
@pytest.mark.parametrize("function", ["train", "dry_run"])
def test_what_does_not_fit_is_refused_in_one_sentence(function, arguments, message, shapes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = dict(workdir="run") if function == "train" else {}
    data = load_data(shapes, class_names=["ant", "bee", "cat", "dog"])
    with pytest.raises((ValueError, OSError), match=message) as error:
        getattr(keras_resnet, function)(**{**dict(model=linear_net(), data=data, recipe=RECIPE), **place, **arguments})
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_model_is_not_its_own_teacher(data, tmp_path):
    model = linear_net()
    with pytest.raises(ValueError, match="cannot be its own teacher"):
        train(model, data, RECIPE, tmp_path / "run", teacher=model, verbose=0)


def test_a_saved_model_is_no_teacher(data, tmp_path):
    linear_net().export(tmp_path / "teacher", verbose=False)
    with pytest.raises(ValueError, match=r"teacher' is a SavedModel; give a run directory or a \.keras file\.$"):
        train(linear_net(), data, RECIPE, tmp_path / "run", teacher=str(tmp_path / "teacher"), verbose=0)


@pytest.mark.exhaustive
def test_teacher_of_imagenets_names_fits_data_of_its_ids(tmp_path):
    """As folders of ImageNet have them."""
    ids, names = zip(*keras_resnet.preprocessing.imagenet_classes("imagenet-1k"), strict=True)
    teacher = create_model("resnet20_cifar", input_shape=(8, 8, 3), depths=(1,), widths=(4,), classes=1000)
    teacher.class_names = names
    data = load_data((IMAGES, np.arange(14)), class_names=ids)
    recipe = dataclasses.replace(RECIPE, epochs=1)
    student = create_model("resnet20_cifar", input_shape=(8, 8, 3), depths=(1,), widths=(4,), classes=1000)
    assert train(student, data, recipe, tmp_path / "run", teacher=teacher, verbose=0).images == 14


def test_teacher_of_one_size_is_refused_for_images_of_several(data, tmp_path):
    recipe = dataclasses.replace(RECIPE, early_sizes=(4,), size_milestones=(0.5,))
    with pytest.raises(ValueError, match=r"takes images of \(8, 8, 3\) alone, and early_sizes has others"):
        train(open_net(), data, recipe, tmp_path / "run", teacher=linear_net(), verbose=0)
    assert not (tmp_path / "run").exists()
