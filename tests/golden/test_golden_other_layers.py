"""Residual addition, pools and softmax, without TFLite's vectors."""

import numpy as np
import pytest

from rtl_gen.golden.elementwise import add, add_factors
from rtl_gen.golden.pooling import average_pool, max_pool
from rtl_gen.golden.softmax import exponential, reciprocal, softmax, softmax_factor

# --- addition ---------------------------------------------------------------------------------


def test_add_factors_by_hand():
    factors = add_factors(0.25, 0.5, 1.0)
    # Common scale 1: a quarter, a half, and 2^-20.
    assert factors == ((2**30, -1), (2**30, 0), (2**30, -19))


@pytest.mark.parametrize("rounding", ["double", "single"])
def test_add_is_the_sum_of_the_real_values(rounding):
    rng = np.random.default_rng(2)
    first, second = rng.integers(-128, 128, (2, 3, 50, 7)).astype(np.int8)
    scales = 0.03, 0.11, 0.09
    result = add(
        first,
        second,
        add_factors(*scales),
        first_zero=5,
        second_zero=-20,
        output_zero=11,
        act_min=-90,
        act_max=120,
        rounding=rounding,
    )
    real = ((first - 5.0) * scales[0] + (second + 20.0) * scales[1]) / scales[2] + 11
    clamped = np.clip(real, -90, 120)
    assert result.dtype == np.int8
    # 20 bits of headroom: no farther from the real sum than half a step.
    assert np.abs(result - clamped).max() <= 0.5 + 1e-4


def test_add_rounds_its_last_tie_by_mode():
    # (1 + 0) / 2 and (-1 + 0) / 2: a tie in the last of the two roundings.
    first, second = np.array([1, -1, 3, -3], np.int8), np.zeros(4, np.int8)
    factors = add_factors(0.5, 0.5, 1.0)
    assert add(first, second, factors).tolist() == [1, -1, 2, -2]
    assert add(first, second, factors, rounding="single").tolist() == [1, 0, 2, -1]


def test_add_at_the_extremes_stays_in_int32():
    low, high = np.array([-128], np.int8), np.array([127], np.int8)
    factors = add_factors(1.0, 1.0, 1.0)
    assert add(low, low, factors, first_zero=127, second_zero=127).tolist() == [-128]
    assert add(high, high, factors, first_zero=-128, second_zero=-128).tolist() == [127]
    assert add(low, high, factors).tolist() == [-1]


def test_add_defaults():
    # One operand is 0: what comes out is the other, to the ends of int8.
    first = np.arange(-128, 128).astype(np.int8)
    result = add(first, np.zeros(256, np.int8), add_factors(1.0, 1.0, 1.0))
    assert result.tolist() == first.tolist()


def test_add_refuses_other_shapes():
    message = r"^operands must have one shape, not \(2,\) and \(3,\)$"
    with pytest.raises(ValueError, match=message):
        add(np.zeros(2, np.int8), np.zeros(3, np.int8), add_factors(1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"first": np.array([128])}, r"^first must be -128\.\.127, not 128$"),
        ({"second": np.array([-129])}, r"^second must be -128\.\.127, not -129$"),
        ({"second": np.array([0.5])}, r"^second must be integers, not float64$"),
        ({"first_zero": -129}, r"^first_zero must be -128\.\.127, not -129$"),
        ({"output_zero": 200}, r"^output_zero must be -128\.\.127, not 200$"),
    ],
)
def test_addition_takes_int8_only(change, message):
    good = {"first": np.array([1]), "second": np.array([2])}
    with pytest.raises(ValueError, match=message):
        add(**good | change, factors=add_factors(1.0, 1.0, 1.0))


# --- pools ------------------------------------------------------------------------------------


def brute_pool(x, kernel, stride, pad, reduce):
    rows, columns = x.shape[1:3]
    p = (rows + pad[0] + pad[2] - kernel[0]) // stride[0] + 1
    q = (columns + pad[1] + pad[3] - kernel[1]) // stride[1] + 1
    y = np.zeros((x.shape[0], p, q, x.shape[3]), int)
    for n, i, j, c in np.ndindex(y.shape):
        row, column = i * stride[0] - pad[0], j * stride[1] - pad[1]
        part = x[
            n,
            max(row, 0) : row + kernel[0],
            max(column, 0) : column + kernel[1],
            c,
        ]
        y[n, i, j, c] = reduce([int(v) for v in part.ravel()])
    return y


def truncating_mean(values):
    total, n = sum(values), len(values)
    return int((total + n // 2) / n) if total > 0 else int((total - n // 2) / n)


@pytest.mark.parametrize("pool, reduce", [(max_pool, max), (average_pool, truncating_mean)])
@pytest.mark.parametrize("seed", range(10))
def test_pools_are_their_loops(seed, pool, reduce):
    rng = np.random.default_rng(seed)
    kernel = tuple(int(v) for v in rng.integers(1, 5, 2))
    stride = tuple(int(v) for v in rng.integers(1, 4, 2))
    pad = tuple(int(rng.integers(0, kernel[side % 2])) for side in range(4))
    x = rng.integers(-128, 128, (2, kernel[0] + seed % 4, kernel[1] + 2, 3)).astype(np.int8)
    expected = brute_pool(x, kernel, stride, pad, reduce)
    result = pool(x, kernel=kernel, stride=stride, pad=pad)
    assert result.dtype == np.int8
    np.testing.assert_array_equal(result, expected)
    clamped = pool(x, kernel=kernel, stride=stride, pad=pad, act_min=-20, act_max=30)
    np.testing.assert_array_equal(clamped, np.clip(expected, -20, 30))


@pytest.mark.parametrize("pool", [max_pool, average_pool])
def test_pool_defaults(pool):
    x = np.array([-128, 127, 3, -5], np.int8).reshape(1, 4, 1, 1)
    assert pool(x, kernel=(1, 1)).tolist() == x.tolist()


def test_average_rounds_ties_away_from_zero():
    x = np.array([[1, 2], [-1, -2], [1, 0], [-1, 0]], np.int8).reshape(4, 1, 2, 1)
    assert average_pool(x, kernel=(1, 2)).ravel().tolist() == [2, -2, 1, -1]


def test_maximum_of_the_lowest_is_not_the_padding():
    x = np.full((1, 2, 2, 1), -128, np.int8)
    assert max_pool(x, kernel=(2, 2), pad=(1, 1, 1, 1)).ravel().tolist() == [-128] * 9


@pytest.mark.parametrize("pool", [max_pool, average_pool])
def test_a_window_of_padding_alone_is_refused(pool):
    message = (
        r"^padding must be less than the window: at output \(0, 2\) a window of \(1, 2\) "
        r"with padding \(0, 0, 0, 3\) covers no element$"
    )
    with pytest.raises(ValueError, match=message):
        pool(np.zeros((1, 1, 2, 1), np.int8), kernel=(1, 2), pad=(0, 0, 0, 3))


# --- softmax ----------------------------------------------------------------------------------


def run_softmax(x, scale, beta=1.0):
    multiplier, left_shift, diff_min = softmax_factor(scale, beta)
    return softmax(x, multiplier=multiplier, left_shift=left_shift, diff_min=diff_min)


@pytest.mark.parametrize("scale, beta", [(0.17, 1.0), (0.01, 1.0), (1.3, 1.0), (0.05, 2.5)])
def test_softmax_is_close_to_the_real_one(scale, beta):
    x = np.random.default_rng(4).integers(-128, 128, (500, 12)).astype(np.int8)
    exponential = np.exp(beta * scale * (x - x.max(axis=1, keepdims=True).astype(float)))
    real = exponential / exponential.sum(axis=1, keepdims=True) * 256 - 128
    result = run_softmax(x, scale, beta)
    assert result.dtype == np.int8
    # Half a code of rounding, and hardly any error of the fixed point.
    assert np.abs(result - np.minimum(real, 127)).max() < 0.501


@pytest.mark.parametrize(
    "row, expected",
    [
        ([0], [127]),  # probability 1 saturates
        ([5, 5], [0, 0]),
        ([-128] * 4, [-64] * 4),
        ([127] * 256, [-127] * 256),
        ([127, -128], [127, -128]),
    ],
)
def test_softmax_by_hand(row, expected):
    assert run_softmax(np.array([row], np.int8), 0.25).tolist() == [expected]


def test_softmax_works_on_the_last_axis():
    x = np.random.default_rng(5).integers(-128, 128, (2, 3, 9)).astype(np.int8)
    np.testing.assert_array_equal(run_softmax(x, 0.1)[1, 2], run_softmax(x[1, 2], 0.1))


def test_exponential_in_fixed_point():
    rng = np.random.default_rng(6)
    a = -np.concatenate([np.arange(1 << 16), rng.integers(0, 1 << 31, 100_000)])
    # Four terms of the series are off by (1/8)^5 / 5! at most.
    assert np.abs(exponential(a) - np.exp(a / 2**26) * 2**31).max() < 2**31 / 8**5 / 120 + 3
    # What TFLite's kernel works out on the way, as its outputs confirm.
    exact = {0: 2**31 - 1, -1: 2147483124, -(2**24): 1672462419, -(2**26): 790015308}
    exact |= {-3 * 2**26 - 12345: 106897225, -(2**30): 242, -(2**31): 0}
    assert exponential(np.array(list(exact))).tolist() == list(exact.values())


def test_reciprocal_in_fixed_point():
    rng = np.random.default_rng(7)
    total = np.concatenate(
        [np.arange(1 << 19, 1 << 20, 31), rng.integers(1 << 19, 1 << 31, 50_000)]
    )
    result, bits = reciprocal(total)
    assert np.abs(result - 2.0 ** (31 + 19 + bits) / total).max() < 7
    result, bits = reciprocal(np.array([2**19, 2**19 + 1, 3 * 2**18, 12345678, 2**31 - 1]))
    assert result.tolist() == [2**31 - 1, 2147479552, 1431655762, 1459166394, 1073741820]
    assert bits.tolist() == [0, 0, 0, 4, 11]


def test_softmax_factor_by_hand():
    # 1/4 x 2^26 = 2^24: half of 2^25. 31 is the largest difference, 124 steps of 1/4.
    assert softmax_factor(0.25) == (2**30, 25, -62)
    assert softmax_factor(0.125, beta=2.0) == (2**30, 25, -62)
    assert softmax_factor(1.5 * 2.0**-26) == (3 * 2**29, 1, -(31 << 25))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: softmax_factor(2.0**-26),
            r"beta x input_scale must be above 2\^-26 and below 16, not 1\.49\d*e-08",
        ),
        (
            lambda: softmax_factor(8.0, beta=2.0),
            r"beta x input_scale must be above 2\^-26 and below 16, not 16\.0",
        ),
        (
            lambda: run_softmax(np.zeros((1, 4096), np.int8), 0.1),
            r"a row must have at most 4095 elements, not 4096",
        ),
    ],
)
def test_softmax_refuses(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()
