"""Recipes against the paper's text."""

import dataclasses
import json

import numpy as np
import pytest

from keras_resnet import RECIPES, Recipe, get_recipe
from keras_resnet.data.batches import count_steps
from keras_resnet.recipes import override, rate_factor, recipe_from_json, setting_fields, settings


def test_cifar_he2015_is_section_4_2_of_the_paper():
    recipe = RECIPES["cifar_he2015"]
    assert (recipe.batch_size, recipe.learning_rate, recipe.momentum, recipe.weight_decay) == (128, 0.1, 0.9, 1e-4)
    assert (recipe.pad, recipe.flip, recipe.per_pixel_mean, recipe.nesterov) == (4, True, True, False)
    assert round(50_000 * recipe.validation_fraction) == 5_000
    steps_per_epoch = -(-45_000 // recipe.batch_size)
    assert round(recipe.epochs * steps_per_epoch) == 64_000
    rates = {step: recipe.learning_rate * rate_factor(recipe, step / 64_000) for step in (0, 31_999, 32_000, 47_999)}
    assert rates == pytest.approx({0: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01})
    assert recipe.learning_rate * rate_factor(recipe, 48_000 / 64_000) == pytest.approx(0.001)
    assert (recipe.warmup_learning_rate, recipe.warmup_until_error, recipe.warmup_min_layers) == (0.01, 0.8, 110)


def test_cosine_schedule_rises_then_falls_to_zero():
    recipe = Recipe(schedule="cosine", warmup_fraction=0.25)
    factors = [rate_factor(recipe, step / 100) for step in range(101)]
    np.testing.assert_allclose(factors[:26], np.arange(26) / 25)
    np.testing.assert_allclose(factors[25:], 0.5 * (1 + np.cos(np.linspace(0, np.pi, 76))), atol=1e-12)


def test_linear_schedule_falls_to_zero_after_a_warmup_from_a_fraction():
    recipe = Recipe(schedule="linear", warmup_fraction=0.25, warmup_start=0.4)
    factors = [rate_factor(recipe, step / 100) for step in range(101)]
    np.testing.assert_allclose(factors[:26], np.linspace(0.4, 1, 26))
    np.testing.assert_allclose(factors[25:], np.linspace(1, 0, 76), atol=1e-12)
    assert rate_factor(Recipe(schedule="linear"), 0.3) == pytest.approx(0.7)


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_states_its_source(name):
    assert RECIPES[name].source
    assert get_recipe(name) is RECIPES[name]


@pytest.mark.parametrize("name", [name for name in RECIPES if "https://" in RECIPES[name].source])
def test_each_recipe_of_a_paper_or_project_states_the_published_accuracy(name):
    assert "%" in RECIPES[name].published


@pytest.mark.parametrize(
    ("images", "steps", "warmup", "milestones", "mixup"),
    [  # of BiT's bit_hyperrule.py: supports = [warm-up, three decays, end]
        (1_000, 500, 100, (200, 300, 400), 0.0),
        (50_000, 10_000, 500, (3_000, 6_000, 9_000), 0.1),
        (1_281_167, 20_000, 500, (6_000, 12_000, 18_000), 0.1),
    ],
)
def test_bit_hyperrule_is_that_of_the_authors(images, steps, warmup, milestones, mixup):
    recipe = get_recipe("bit_hyperrule", images=images)
    assert recipe.epochs * count_steps(images, recipe.batch_size) == pytest.approx(steps)
    assert recipe.warmup_fraction * steps == pytest.approx(warmup)
    assert np.multiply(recipe.milestones, steps) == pytest.approx(milestones)
    assert (recipe.mixup, recipe.learning_rate, recipe.momentum, recipe.weight_decay) == (mixup, 0.003, 0.9, 0)
    assert (recipe.image_size, recipe.scale_jitter) == (480, (512 / 480, 512 / 480))


@pytest.mark.parametrize(("name", "steps"), [("bit_hyperrule", 500), ("finetune", 400)])
@pytest.mark.parametrize("images", [1, 20, 33, 512, 513])
def test_small_batches_at_the_end_of_epochs_are_steps(name, steps, images):
    recipe = get_recipe(name, images=images)
    assert recipe.epochs * count_steps(images, recipe.batch_size) == pytest.approx(steps)


def test_goyal2017_is_section_5_1_of_the_paper():
    recipe = RECIPES["goyal2017"]
    assert recipe.base_rate == pytest.approx(0.1 * 8192 / 256)
    rates = [recipe.base_rate * rate_factor(recipe, epoch / 90) for epoch in (0, 5, 29, 30, 60, 80)]
    assert rates == pytest.approx([0.1, 3.2, 3.2, 0.32, 0.032, 0.0032])
    assert (recipe.nesterov, recipe.momentum, recipe.weight_decay) == (True, 0.9, 1e-4)
    assert (recipe.decayed_weights, recipe.zero_init_residual) == ("kernels", True)


def test_resnet_strikes_back_is_table_2_of_the_paper():
    rows = {name: RECIPES[f"rsb_{name}"] for name in ("a1", "a2", "a3")}
    assert {recipe.optimizer for recipe in rows.values()} == {"lamb"}
    assert {recipe.loss for recipe in rows.values()} == {"binary_cross_entropy"}
    columns = ("image_size", "epochs", "learning_rate", "weight_decay", "label_smoothing", "drop_path", "mixup")
    assert [tuple(getattr(recipe, column) for column in columns) for recipe in rows.values()] == [
        (224, 600, 5e-3, 0.01, 0.1, 0.05, 0.2),
        (224, 300, 5e-3, 0.02, 0.0, 0.05, 0.1),
        (160, 100, 8e-3, 0.02, 0.0, 0.0, 0.1),
    ]
    assert [recipe.repeated_augmentation for recipe in rows.values()] == [3, 3, 1]
    # timm's magnitudes 7, 7 and 6 of 10, each operation with its default probability; --bce-target-thresh=0.2
    assert [recipe.randaugment_magnitude for recipe in rows.values()] == [21, 21, 18]
    assert {recipe.randaugment_probability for recipe in rows.values()} == {0.5}
    assert {recipe.bce_threshold for recipe in rows.values()} == {0.2}


def test_torchvision_v2_has_the_reference_script_s_rates_and_sizes():
    recipe = RECIPES["torchvision_v2"]
    assert recipe.base_rate == pytest.approx(0.5)
    assert (recipe.image_size, recipe.test_size, round(recipe.test_size / recipe.crop_fraction)) == (176, 224, 232)
    # 1 - (1 - 0.99998) * 8 workers * 128 images * 32 steps / 600 epochs, every 32 steps
    assert recipe.ema_decay == pytest.approx((1 - 2e-5 * 8 * 128 * 32 / 600) ** (1 / 32), abs=5e-6)


def test_fast16_has_the_rates_and_sizes_of_ffcv():
    recipe = RECIPES["fast16"]
    assert recipe.base_rate == pytest.approx(1.7)
    assert (recipe.sizes, recipe.test_size, recipe.test_protocol) == ((160, 192), 256, "flip")
    # ffcv's size at the start of each epoch: from 160 at epoch 11 to 192 at epoch 13, in multiples of 32
    sizes = [32 * round(np.interp(epoch, [11, 13], [160, 192]) / 32) for epoch in range(16)]
    assert [160 if epoch / 16 < recipe.size_milestones[0] else 192 for epoch in range(16)] == sizes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(epochs=0), "epochs=0 must be above 0"),
        (dict(epochs=float("nan")), "epochs=nan must be a finite number"),
        (dict(learning_rate=float("inf")), "learning_rate=inf must be a finite number"),
        (dict(learning_rate=1e39), "learning_rate=1e[+]39 must be a finite number"),  # infinite in float32
        (dict(epochs=10**400), "epochs=1000.* must be a finite number"),
        (dict(epochs=1e30), "epochs=1e[+]30 must be at most"),
        (dict(batch_size=1.5), "batch_size=1.5 must be a whole number"),
        (dict(batch_size=True), "batch_size=True must be a whole number"),
        (dict(epochs=None), "epochs=None must be a finite number"),
        (dict(flip=1), "flip=1 must be True or False"),
        (dict(schedule=3), "schedule=3 must be a string"),
        (dict(crop_area="all"), "crop_area='all' must be a list of finite numbers"),
        (dict(momentum=2), "momentum=2 must be below 1"),
        (dict(seed=2**31), "seed=2147483648 must be between 0 and 2147483647"),
        (dict(crop_fraction=0.0001), "crop_fraction=0.0001 must be between 0.0625 and 1"),
        (dict(auto_augment="randaugment", randaugment_magnitude=100), "magnitude=100 must be between 0 and 30"),
        (dict(randaugment_magnitude=5), "randaugment_magnitude=5 has no effect with auto_augment='none'"),
        (
            dict(milestones=(0.5,)),
            r"has no effect with schedule='cosine'; schedule must be 'steps', or leave milestones",
        ),
        (dict(schedule="steps"), "schedule='steps' needs milestones"),
        (dict(plateau_patience=3), "plateau_patience=3 has no effect with schedule='cosine'"),
        (dict(warmup_until_error=0.5), "has no effect with warmup_learning_rate=0.0"),
        (dict(crop_area=(0.5, 1.0)), "has no effect with crop='center'"),
        (dict(momentum=0), "nesterov=True has no effect with momentum=0"),
        (dict(optimizer="muon", momentum=0, nesterov=False), "optimizer='muon' needs a momentum above 0"),
        (dict(batch_size=-1), "batch_size=-1 must be above 0"),
        (dict(learning_rate=0), "learning_rate=0 must be above 0"),
        (dict(momentum=-0.9), "momentum=-0.9 must not be negative"),
        (dict(validation_fraction=1.5), "validation_fraction=1.5 must be between 0 and 1"),
        (dict(schedule="steps", milestones=(0.7, 0.5)), "must be increasing numbers between 0 and 1"),
        (dict(schedule="step"), "did you mean 'steps'"),
        (dict(optimizer="adamw"), r"nesterov=True has no effect with optimizer='adamw'"),
        (dict(optimizer="lamb", nesterov=False, momentum=0.5), "momentum=0.5 has no effect with optimizer='lamb'"),
        (dict(other_optimizer="adamw"), "has no effect with optimizer='sgd'"),
        (dict(early_sizes=(16,)), r"early_sizes=\(16,\) needs as many size_milestones"),
        (dict(early_sizes=(16.5,), size_milestones=(0.5,)), "must be whole numbers of pixels"),
        (dict(size_milestones=(0.5,)), r"size_milestones=\(0.5,\) has no effect with early_sizes=\(\)"),
        (dict(per_pixel_mean=True, test_size=256), "per_pixel_mean has the size of the images"),
        (dict(distillation_weight=0.5, loss="binary_cross_entropy"), "needs loss='cross_entropy'"),
        (dict(distillation_temperature=2.0), "has no effect with distillation_weight=0"),
        (dict(ema_decay=1.0), "ema_decay=1.0 must be below 1"),
        (dict(unfreeze_milestones=(0.5, 0.2)), "must be increasing numbers between 0 and 1"),
        (dict(decayed_weights="kernels", weight_decay=0), "decayed_weights=kernels has no effect"),
        (dict(precision="bfloat16"), "did you mean 'mixed_bfloat16'"),
        (dict(crop="scale_jitter", scale_jitter=(0.5, 1.5)), "0.5, 1.5. must start at 1 or above, so that the crop"),
        (
            dict(schedule="plateau", plateau_patience=5, early_stopping_patience=5),
            "early_stopping_patience=5 ends the run before plateau_patience=5 can lower the rate; raise it",
        ),
        (dict(jit_compile="on", sync_batch_norm=True), "jit_compile='on' cannot compile sync_batch_norm"),
    ],
)
def test_invalid_values_raise_one_clear_sentence(change, message):
    with pytest.raises(ValueError, match=message) as error:
        dataclasses.replace(RECIPES["cifar_quick"], **change)

    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


VALUES = [None, "", "x" * 100_000, float("nan"), float("inf"), -1, 0, 10**5000, 1.5, True, [], [3], {}, object(), b"x"]


@pytest.mark.parametrize("field", setting_fields(), ids=lambda field: field.name)
def test_a_setting_of_any_value_is_accepted_or_refused_in_one_sentence(field):
    refusals = []
    for value in VALUES:
        try:
            recipe = Recipe(**{field.name: value})
        except ValueError as error:
            refusals.append(str(error))
        else:
            hash(recipe)
            json.dumps(settings(recipe), allow_nan=False)
    assert len(refusals) >= 10
    assert all(len(refusal) < 300 and "\n" not in refusal for refusal in refusals)


@pytest.mark.parametrize("wrong", [None, 3, ["cifar_quick"], {}, Recipe])
def test_what_is_no_recipe_is_refused(wrong):
    with pytest.raises(ValueError, match="must be a Recipe or the name of one"):
        get_recipe(wrong)


@pytest.mark.parametrize("name", RECIPES)
def test_repr_shows_what_differs_from_the_defaults(name):
    shown = repr(RECIPES[name])
    assert eval(shown) == RECIPES[name]
    assert len(shown) < 500
    assert ("randaugment_operations" in shown) == (RECIPES[name].randaugment_operations != 2)
    assert repr(Recipe(epochs=3, seed=2)) == "Recipe(epochs=3, seed=2)"


def test_numbers_of_numpy_and_lists_become_pythons():
    recipe = Recipe(batch_size=np.int64(8), epochs=np.float32(2), schedule="steps", milestones=[np.float64(0.5)])
    assert recipe == Recipe(batch_size=8, epochs=2, schedule="steps", milestones=(0.5,))
    assert json.dumps(settings(recipe))


def test_settings_that_another_replaces_return_to_their_defaults():
    """As on the command line: --recipe=fb2016 --schedule=cosine."""
    expected = dataclasses.replace(RECIPES["fb2016"], schedule="cosine", milestones=())
    assert override(RECIPES["fb2016"], schedule="cosine") == expected
    assert get_recipe("fb2016", schedule="cosine") == get_recipe(RECIPES["fb2016"], schedule="cosine") == expected
    with pytest.raises(ValueError, match=r"milestones=.* has no effect with schedule='cosine'"):
        override(RECIPES["fb2016"], schedule="cosine", milestones=(0.5,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "Unknown setting 'epoch'; did you mean 'epochs'"),
        ({"source": "mine"}, "Unknown setting 'source'"),
        ({"early_sizes": None}, "recipe: early_sizes=None must be"),
        ({"epochs": "30"}, "recipe: epochs='30' must be"),
    ],
)
def test_changes_that_are_no_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        get_recipe("fb2016", **change)


def test_a_recipe_by_the_number_of_images_is_changed_too():
    assert get_recipe("finetune", 50_000, seed=3) == dataclasses.replace(get_recipe("finetune", 50_000), seed=3)


def test_recipe_of_an_earlier_version_is_read_without_settings_of_no_effect():
    saved = {**settings(RECIPES["fb2016"]), "schedule": "cosine", "randaugment_magnitude": 5}
    assert recipe_from_json(json.loads(json.dumps(saved))) == override(RECIPES["fb2016"], schedule="cosine")
    assert recipe_from_json({"schedule": "steps", "schedule_steps": []}) == Recipe()
    with pytest.raises(ValueError, match="unknown settings: frobnicate"):
        recipe_from_json({"frobnicate": 1})


def test_unknown_recipe_suggests_similar_names():
    with pytest.raises(ValueError, match="Unknown recipe 'cifar_he2016'; did you mean 'cifar_he2015'"):
        get_recipe("cifar_he2016")
