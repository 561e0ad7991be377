"""Layer normalization in integers against real numbers; tables against the functions they hold."""

import math

import numpy as np
import pytest

from rtl_gen.golden.layer_norm import (
    layer_norm,
    layer_norm_factors,
    normalize,
    reciprocal_root,
)
from rtl_gen.golden.table import FUNCTIONS, apply_table, function_table, leaky_relu


def _real(x, gamma, beta, epsilon, scale):
    x = x.astype(np.float64) * scale
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return gamma * centred / np.sqrt(variance + epsilon) + beta


@pytest.mark.parametrize("count", [1, 2, 7, 16, 128, 768, 4095])
def test_layer_norm_is_that_of_real_numbers(count):
    """Never more than one unit away, and away at all only next to a tie: within 0.01 of it."""
    random = np.random.default_rng(count)
    for scale in (0.003, 0.1, 1.7):
        gamma, beta = random.normal(0, 1, count), random.normal(0, 1, count)
        gamma[::5], beta[::7] = 0, 0
        x = random.integers(-128, 128, (40, count), dtype=np.int8)
        x[1], x[2] = 5, random.integers(3, 5, count)  # hardly any variance
        few = np.arange(40) == 2 if count < 128 else np.zeros(40, bool)
        want = _real(x, gamma, beta, 1e-5, scale)
        output_scale = max(float(np.abs(want).max()), 1e-3) / 127
        factors = layer_norm_factors(
            gamma, beta, epsilon=1e-5, input_scale=scale, output_scale=output_scale
        )
        got = layer_norm(x, **factors._asdict(), output_zero=0)
        error = np.abs(got - np.clip(want / output_scale, -128, 127))
        # Where gamma is 0 or tiny, what stands in for it moves the result by up to a quarter.
        own = np.abs(gamma) * 2**10 > np.abs(beta)
        assert error[~few][:, own].max(initial=0) < 0.51, (count, scale)
        assert error[~few].max() < 0.76, (count, scale)
        # A constant is whole, which short rows of two neighbouring values feel.
        assert error[few].max(initial=0) < 0.5 + 127 / 4 / max(1, count - 1), (count, scale)


def test_layer_norm_of_extremes():
    """The largest sums and the smallest variances that there are."""
    assert not normalize(np.full((2, 9), 7, np.int8), 0).any()
    for row in ([-128] * 4095, [127] * 4095, [-128] * 2047 + [127] * 2048, [0] * 4094 + [1]):
        x = np.array([row], np.int8)
        centred = x - x.mean()
        want = centred / np.sqrt((centred**2).mean() + 1 / 4095**2)
        got = normalize(x, 1) / 2**16
        assert np.allclose(got, want, rtol=2**-16, atol=2**-16), row[-1]


def test_reciprocal_roots():
    values = np.array([1, 2, 3, 4, 5, 2**30 - 1, 2**30, 2**32 - 1, 2**32, 2**39, 2**40 - 1])
    values = np.concatenate([values, np.random.default_rng(1).integers(1, 2**40, 10000)])
    root, half_exponent = reciprocal_root(values)
    real = root * 2.0 ** (half_exponent - 15 - 17)
    assert np.abs(real * np.sqrt(values) - 1).max() < 2.0**-16
    assert root.max() < 2**18


def test_layer_norm_refuses():
    x = np.zeros((1, 4096), np.int8)
    with pytest.raises(ValueError, match="a row must have 1 to 4095 elements, not 4096"):
        normalize(x, 1)
    with pytest.raises(ValueError, match="the constant must be 0"):
        normalize(x[:, :3], -1)
    with pytest.raises(ValueError, match="epsilon must be 0 or more"):
        layer_norm_factors([1.0], [0.0], epsilon=-1, input_scale=1, output_scale=1)


@pytest.mark.parametrize("name", [*FUNCTIONS, "leaky_relu"])
def test_tables_hold_the_nearest_value(name):
    function = FUNCTIONS.get(name, leaky_relu(0.1))
    scales = {"input_scale": 0.05, "input_zero": 3, "output_scale": 0.04, "output_zero": -7}
    table = function_table(function, **scales)
    for x in range(-128, 128):
        exact = function(0.05 * (x - 3)) / 0.04 - 7
        assert abs(table[x + 128] - min(max(exact, -128), 127)) <= 0.5 + 1e-9
    assert apply_table(np.array([[-128, 127]], np.int8), table).tolist() == [[table[0], table[255]]]


def test_sigmoid_of_far_values():
    assert FUNCTIONS["sigmoid"](-800.0) == 0 and FUNCTIONS["sigmoid"](800.0) == 1
    assert math.isclose(FUNCTIONS["gelu"](1.0), 0.8413447460685429)


def test_a_table_has_256_bytes():
    with pytest.raises(ValueError, match="a table must be int8"):
        apply_table(np.int8(0), np.zeros(255, np.int8))
