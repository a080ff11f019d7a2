"""Recipes against the paper's text."""

import dataclasses

import numpy as np
import pytest

from keras_resnet import RECIPES, Recipe, get_recipe
from keras_resnet.training.schedules import rate_factor


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


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_states_its_source_and_expected_accuracy(name):
    assert RECIPES[name].source
    assert RECIPES[name].expected
    assert get_recipe(name) is RECIPES[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(epochs=0), "epochs=0 must be above 0"),
        (dict(epochs=float("nan")), "epochs=nan must be above 0"),
        (dict(batch_size=-1), "batch_size=-1 must be above 0"),
        (dict(learning_rate=0), "learning_rate=0 must be above 0"),
        (dict(momentum=-0.9), "momentum=-0.9 must not be negative"),
        (dict(validation_fraction=1.5), "validation_fraction=1.5 must be between 0 and 1"),
        (dict(milestones=(0.7, 0.5)), "must be increasing numbers between 0 and 1"),
        (dict(schedule="step"), "did you mean 'steps'"),
        (dict(precision="bfloat16"), "did you mean 'mixed_bfloat16'"),
    ],
)
def test_invalid_values_raise_one_clear_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECIPES["cifar_quick"], **change)


def test_unknown_recipe_suggests_similar_names():
    with pytest.raises(ValueError, match="Unknown recipe 'cifar_he2016'; did you mean 'cifar_he2015'"):
        get_recipe("cifar_he2016")
