"""The recipes' optimizers against the formulas of the papers, in NumPy, on the weights of a small net."""

import functools

import keras
import numpy as np
import pytest

from keras_resnet import Recipe, create_model
from keras_resnet.training.muon import orthogonal
from keras_resnet.training.optimizers import OF_RECIPE, recipe_optimizer, set_weight_decay
from tests.training.nets import linear_net

RATES = (0.1, 0.1, 0.02, 0.05, 0.01)
MOMENTUM = 0.8


@pytest.fixture(scope="module")
def net():
    return create_model("resnet20_cifar", depths=(1, 1), widths=(3, 4), input_shape=(8, 8, 3), classes=5)


def assert_follows(net, recipe, rule_of, rates=RATES, update_rates=None, prepared=None, factor_of=None):
    """From random weights, updates by the recipe's optimizer with random gradients end with the weights of a rule.

    Args:
        net: to train.
        recipe: with the optimizer.
        rule_of: (path, initial weight) -> a function (gradient, rate) -> the next weight.
        rates: of the steps.
        update_rates: of the updates; default: of the steps.
        prepared: gradients of the steps -> of the updates.
        factor_of: path -> factor on the rate.
    """
    random, variables, optimizer = np.random.default_rng(1), net.trainable_variables, recipe_optimizer(recipe, net)
    for variable in variables:  # but one, for trust ratios
        variable.assign(random.normal(0, 0.3, variable.shape) * (variable.path != "logits/bias"))
    gradients = [{variable.path: random.normal(0, 0.3, variable.shape) for variable in variables} for _ in rates]
    rules = {variable.path: rule_of(variable.path, variable.numpy().astype("float64")) for variable in variables}
    for rate, step in zip(rates, gradients, strict=True):
        optimizer.learning_rate = rate
        optimizer.apply(
            [keras.ops.convert_to_tensor(step[variable.path], "float32") for variable in variables], variables
        )
    for rate, step in zip(update_rates or rates, prepared(gradients) if prepared else gradients, strict=True):
        expected = {
            path: rule(step[path], rate * (factor_of(path) if factor_of else 1)) for path, rule in rules.items()
        }
    for variable in variables:  # in float32, 1 - 0.999 has four digits
        np.testing.assert_allclose(variable.numpy(), expected[variable.path], atol=1e-5, err_msg=variable.path)


def sgd(path, weight, nesterov=False, decay=0.0):
    """Sutskever et al. 2013, with the rate in the velocity."""
    velocity = np.zeros_like(weight)

    def update(gradient, rate):
        nonlocal weight, velocity
        gradient = gradient + decay * weight
        velocity = MOMENTUM * velocity - rate * gradient
        weight = weight + (MOMENTUM * velocity - rate * gradient if nesterov else velocity)
        return weight

    return update


def pytorch_sgd(path, weight, nesterov=False):
    """The formula in the documentation of torch.optim.SGD."""
    buffer = np.zeros_like(weight)

    def update(gradient, rate):
        nonlocal weight, buffer
        buffer = MOMENTUM * buffer + gradient
        weight = weight - rate * (gradient + MOMENTUM * buffer if nesterov else buffer)
        return weight

    return update


def adam_direction(weight):
    """Kingma and Ba 2015, algorithm 1: (gradient, epsilon) -> the direction."""
    m, v, t = np.zeros_like(weight), np.zeros_like(weight), 0

    def direction(gradient, epsilon):
        nonlocal m, v, t
        m, v, t = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2, t + 1
        return m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + epsilon(t))

    return direction


def epsilon_hat(t):
    """Keras's 1e-7 is epsilon hat of Kingma and Ba, section 2: epsilon times the root of the correction."""
    return 1e-7 / np.sqrt(1 - 0.999**t)


def adamw(path, weight, decay=0.0, kernels=False, epsilon=epsilon_hat):
    """Loshchilov and Hutter 2019, algorithm 2, with the decay at the learning rate."""
    direction = adam_direction(weight)
    decay = 0 if kernels and weight.ndim == 1 else decay

    def update(gradient, rate):
        nonlocal weight
        weight = weight - rate * decay * weight - rate * direction(gradient, epsilon)
        return weight

    return update


def lamb(path, weight, decay=0.0, kernels=False):
    """You et al. 2019, algorithm 2; weights that are excluded from decay as in timm."""
    direction = adam_direction(weight)
    excluded = kernels and weight.ndim == 1

    def update(gradient, rate):
        nonlocal weight
        step = direction(gradient, lambda t: 1e-6) + (0 if excluded else decay) * weight
        norm = np.linalg.norm(weight)
        ratio = norm / np.linalg.norm(step) if norm and not excluded else 1
        weight = weight - rate * ratio * step
        return weight

    return update


def newton_schulz(matrix):
    """The function of that name in https://kellerjordan.github.io/posts/muon, in float64."""
    x = matrix / (np.linalg.norm(matrix) + 1e-7)
    if matrix.shape[0] > matrix.shape[1]:
        x = x.T
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def muon(path, weight, nesterov=False, other=sgd, ratio=1.0, kernel_decay=0.0, **options):
    """Jordan et al. 2024, with the factor and the decay of Liu et al. 2025, equation 4."""
    if weight.ndim != 4 or path.startswith("stem"):
        other = other(path, weight, **options)
        return lambda gradient, rate: other(gradient, ratio * rate)
    buffer, rows, columns = np.zeros_like(weight), weight[..., 0].size, weight.shape[-1]

    def update(gradient, rate):
        nonlocal weight, buffer
        buffer = MOMENTUM * buffer + gradient
        step = gradient + MOMENTUM * buffer if nesterov else buffer
        orthogonal = newton_schulz(step.reshape(rows, columns)).reshape(weight.shape)
        weight = weight - rate * (0.2 * np.sqrt(max(rows, columns)) * orthogonal + kernel_decay * weight)
        return weight

    return update


RULES = {
    "sgd": (dict(), sgd, dict()),
    "nesterov": (dict(nesterov=True), sgd, dict(nesterov=True)),
    "pytorch": (dict(momentum_form="pytorch"), pytorch_sgd, dict()),
    "pytorch_nesterov": (dict(momentum_form="pytorch", nesterov=True), pytorch_sgd, dict(nesterov=True)),
    "adamw": (dict(optimizer="adamw", weight_decay=0.5), adamw, dict(decay=0.5)),
    "adamw_kernels": (
        dict(optimizer="adamw", weight_decay=0.5, decayed_weights="kernels"),
        adamw,
        dict(decay=0.5, kernels=True),
    ),
    "lamb": (dict(optimizer="lamb", weight_decay=0.5), lamb, dict(decay=0.5)),
    "lamb_without_decay": (dict(optimizer="lamb"), lamb, dict()),
    "lamb_kernels": (
        dict(optimizer="lamb", weight_decay=0.5, decayed_weights="kernels"),
        lamb,
        dict(decay=0.5, kernels=True),
    ),
    "muon": (dict(optimizer="muon"), muon, dict()),
    "muon_sgd": (
        dict(optimizer="muon", nesterov=True, weight_decay=0.5, other_learning_rate_ratio=0.3, muon_weight_decay=0.7),
        muon,
        dict(nesterov=True, ratio=0.3, decay=0.5, kernel_decay=0.7, other=functools.partial(sgd, nesterov=True)),
    ),
    "muon_adamw": (
        dict(optimizer="muon", weight_decay=0.5, decayed_weights="kernels", other_optimizer="adamw"),
        muon,
        dict(decay=0.5, kernels=True, other=functools.partial(adamw, epsilon=lambda t: 1e-7)),
    ),
}


def recipe_and_rule(name, **settings):
    options, rule, of_rule = RULES[name]
    momentum = {} if options.get("optimizer") in ("adamw", "lamb") else {"momentum": MOMENTUM}
    return Recipe(**options, **momentum, **settings), functools.partial(rule, **of_rule)


@pytest.mark.parametrize("name", RULES)
def test_updates_follow_the_formulas_while_the_learning_rate_changes(net, name):
    assert_follows(net, *recipe_and_rule(name))


@pytest.mark.parametrize("name", ["sgd", "pytorch_nesterov", "adamw", "lamb", "muon_sgd"])
def test_earlier_stages_learn_at_lower_rates(net, name):
    factors = {"stage2": 0.5, "stage1": 0.5**2, "stem": 0.5**3}
    recipe, rule = recipe_and_rule(name, stage_rate_decay=0.5)
    assert_follows(net, recipe, rule, factor_of=lambda path: factors.get(path.split("_")[0], 1.0))


@pytest.mark.parametrize("name", ["nesterov", "adamw_kernels", "lamb", "muon_adamw"])
def test_gradients_are_clipped_by_their_norm_over_all_weights(net, name):
    def clipped(gradients):
        norms = [np.sqrt(sum((gradient**2).sum() for gradient in step.values())) for step in gradients]
        assert min(norms) > 2
        return [{path: 2 / norm * value for path, value in step.items()}
                for step, norm in zip(gradients, norms, strict=True)]  # fmt: skip

    assert_follows(net, *recipe_and_rule(name, clip_norm=2), prepared=clipped)


def test_gradients_below_the_norm_are_not_clipped(net):
    assert_follows(net, *recipe_and_rule("sgd", clip_norm=1000))


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb_kernels", "muon_adamw"])
def test_accumulated_steps_are_one_update_with_the_mean_gradient_at_the_rate_of_the_last(net, name):
    def means(gradients):
        pairs = zip(gradients[::2], gradients[1::2], strict=True)
        return [{path: (one[path] + other[path]) / 2 for path in one} for one, other in pairs]

    assert_follows(
        net,
        *recipe_and_rule(name, accumulation_steps=2),
        rates=(9, 0.1, 9, 0.02, 9, 0.05),
        update_rates=(0.1, 0.02, 0.05),
        prepared=means,
    )


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (16, 16)])
def test_newton_schulz_keeps_the_singular_vectors_and_equalizes_the_singular_values(shape):
    random = np.random.default_rng(0)
    left, _, right = np.linalg.svd(random.normal(size=shape), full_matrices=False)
    values = 1e3 * np.geomspace(1, 0.01, min(shape))
    found = left.T @ np.asarray(orthogonal(keras.ops.convert_to_tensor(left * values @ right))) @ right.T
    assert (np.diag(found) > 0.65).all()
    assert (np.diag(found) < 1.25).all()
    np.testing.assert_allclose(found, np.diag(np.diag(found)), atol=1e-3)


@pytest.mark.parametrize(
    ("recipe", "of_kernels", "of_vectors"),
    [
        (Recipe(weight_decay=0.4), 0.2, 0.2),
        (Recipe(weight_decay=0.4, decayed_weights="kernels"), 0.2, 0),
        (Recipe(optimizer="adamw", weight_decay=0.4), 0, 0),
        (Recipe(), 0, 0),
    ],
)
def test_only_sgds_weight_decay_is_a_part_of_the_loss(net, recipe, of_kernels, of_vectors):
    set_weight_decay(net, Recipe(weight_decay=7))  # of an earlier training
    set_weight_decay(net, recipe)
    weights = [variable.numpy() for variable in net.trainable_variables]
    expected = sum((of_kernels if weight.ndim > 1 else of_vectors) * (weight**2).sum() for weight in weights)
    assert float(sum(net.losses)) == pytest.approx(expected, rel=1e-5)


def test_stage_rates_need_stages():
    with pytest.raises(ValueError, match=r"stage_rate_decay=0\.5 needs a model of this package.* linear has none"):
        recipe_optimizer(Recipe(stage_rate_decay=0.5), linear_net())


def test_weights_of_the_head_keep_the_full_rate():
    """Those of v2's last normalization, too."""
    model = create_model("resnetv2_110_cifar", depths=(1, 1), widths=(3, 4), input_shape=(8, 8, 3), classes=5)
    optimizer = recipe_optimizer(Recipe(stage_rate_decay=0.5), model)
    optimizer.build(model.trainable_variables)
    factors = dict(zip((variable.path for variable in model.trainable_variables), optimizer.factors, strict=True))
    full = {path for path, factor in factors.items() if factor == 1}
    assert full == {"head_bn/gamma", "head_bn/beta", "logits/kernel", "logits/bias"}
    assert factors["stem_conv/kernel"] == 0.5**3


@pytest.mark.parametrize("name", ["pytorch", "adamw_kernels", "lamb_kernels", "muon_adamw"])
def test_models_are_saved_with_keras_own_optimizer_of_that_name(net, name):
    """So that the file opens without this package."""
    recipe, _ = recipe_and_rule(name, stage_rate_decay=0.5, clip_norm=1, accumulation_steps=2)
    optimizer = recipe_optimizer(recipe, net)
    saved = keras.saving.serialize_keras_object(optimizer)
    stock = getattr(keras.optimizers, saved["class_name"])
    assert saved["module"] == stock.__module__
    opened = stock.from_config(saved["config"])
    assert (opened.name, opened.global_clipnorm, opened.gradient_accumulation_steps) == (OF_RECIPE, 1, 2)
    assert type(type(optimizer).from_config(optimizer.get_config())) is type(optimizer)
