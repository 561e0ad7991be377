"""Weights and parameters in memory against a direct enumeration of their use."""

import numpy as np
import pytest
from mapped_layers import machine_of, walk

from rtl_gen.mapping.images import fold_input_zero, parameter_image, weight_image
from rtl_gen.mapping.linear_engines import parameter_engines, weight_engines
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.spec.layer import Quantization, conv2d

LAYER = {"k": 22, "c": 37, "h": 6, "w": 7, "r": 2, "s": 1}
TILES = {"k": 16, "c": 32, "p": 2, "q": 5}


def mapped(dataflow, rows, columns, layer=None, tiles=None, **others) -> Mapping:
    machine = machine_of(dataflow, rows, columns, **others)
    return Mapping(machine, conv2d(**(layer or LAYER)), tiles or {}, tuple("pkqc"))


def random_weights(layer, seed=1):
    s = layer.sizes
    shape = (s["g"], s["r"], s["s"], s["c"], s["k"])
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def element(mapping, weights, counters, pe):
    """The weight of a PE when the levels stand so; 0 where the piece it works on has no more."""
    left = dict.fromkeys(mapping.layer.sizes, 0)
    room = dict(mapping.layer.sizes)
    for level, counter in zip(mapping.levels, counters):
        left[level.dimension] += level.unit * counter
        room[level.dimension] = min(room[level.dimension] - level.unit * counter, level.unit)
    placement = mapping.machine.reuse.placement
    for loop, unit, index in zip(
        placement.dataflow.spatial, placement.units, placement.indices(pe)
    ):
        left[loop.dimension] += unit * index
        room[loop.dimension] -= unit * index
    if any(room[d] <= 0 for d in "grsck"):
        return 0
    return int(weights[tuple(left[d] for d in "grsck")])


def read_words(mapping, image, counters):
    """The words that the feeding engine reads when the outer levels stand so."""
    engines = weight_engines(mapping)
    data = np.frombuffer(image, np.int8).reshape(-1, mapping.machine.block)
    assert len(data) == engines.image_words
    index = sum(engines.strides.get(n, 0) * x for n, x in zip(engines.used, counters))
    return data[index : index + engines.set_words]


@pytest.mark.parametrize("tiles", [{}, TILES])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (16, 16), (32, 2)])
def test_held_weights(shape, tiles):
    """Weight stationary: a tile is shifted in column by column, the farthest column first."""
    mapping = mapped("weight_stationary", *shape, tiles=tiles)
    weights = random_weights(mapping.layer)
    image = weight_image(mapping, weights)
    rows, columns = shape
    room = 16 // rows * rows if rows <= 16 else 32  # bytes of whole vectors in a word, or words
    for counters in walk(tuple(mapping.levels[n] for n in weight_engines(mapping).used)):
        words = read_words(mapping, image, counters)
        words = words.reshape(-1, max(16, room))[:, :room]
        vectors = words.reshape(-1, room if rows > 16 else rows)[:, :rows]
        for tick, column in enumerate(reversed(range(columns))):
            expected = [element(mapping, weights, counters, (row, column)) for row in range(rows)]
            assert vectors[tick].tolist() == expected, (counters, column)


@pytest.mark.parametrize("tiles", [{}, TILES])
@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (4, 16)])
def test_streamed_weights(shape, tiles):
    """Output stationary: each step its vector, one for each column; a run begins with a word."""
    tiles = tiles and {**tiles, "q": shape[0]}
    mapping = mapped("output_stationary", *shape, tiles=tiles)
    weights = random_weights(mapping.layer)
    image = weight_image(mapping, weights)
    columns = shape[1]
    vectors = 16 // columns
    outside = len(weight_engines(mapping).used)
    run = outside + (vectors > 1)  # where vectors share a word, one more level is walked in it
    for counters in walk(mapping.levels[:run]):
        words = read_words(mapping, image, counters[:outside])
        trip = counters[-1] if vectors > 1 else 0
        got = words[trip // vectors][trip % vectors * columns :][:columns]
        expected = [element(mapping, weights, counters, (0, column)) for column in range(columns)]
        assert got.tolist() == expected, counters


def test_groups_have_their_own_weights():
    layer = {"k": 6, "c": 6, "h": 4, "w": 4, "r": 1, "s": 1, "groups": 3}
    mapping = mapped("weight_stationary", 4, 4, layer)
    weights = random_weights(mapping.layer)
    image = weight_image(mapping, weights)
    assert len(image) == 3 * 16
    for group in range(3):
        lanes = read_words(mapping, image, (group,)).reshape(4, 4)[::-1]  # [column][row]
        np.testing.assert_array_equal(lanes[:2, :2], weights[group, 0, 0].T)
        assert not lanes[2:].any() and not lanes[:, 2:].any()


def test_parameters_of_each_block():
    """Per block of 16 channels its biases, then multipliers, then shifts; pad channels are 0."""
    mapping = mapped("weight_stationary", 4, 4)
    rng = np.random.default_rng(3)
    bias = rng.integers(-(1 << 31), 1 << 31, 22)
    multiplier = rng.integers(1 << 30, 1 << 31, 22)
    shift = rng.integers(-31, 31, 22)
    image = parameter_image(mapping, bias, multiplier, shift)
    assert len(image) == parameter_engines(mapping).image_words * 16 == 2 * 9 * 16
    for block, channels in enumerate([range(16), range(16, 22)]):
        part = image[block * 144 : (block + 1) * 144]
        room = [0] * (16 - len(channels))
        chosen = list(channels)
        assert np.frombuffer(part[:64], np.int32).tolist() == [*bias[chosen], *room]
        assert np.frombuffer(part[64:128], np.uint32).tolist() == [*multiplier[chosen], *room]
        assert np.frombuffer(part[128:], np.int8).tolist() == [*shift[chosen], *room]


def test_the_input_zero_point_goes_into_the_bias():
    quantization = Quantization(input_zero=-7)
    layer = {**LAYER, "k": 44, "c": 38, "groups": 2, "quantization": quantization}
    mapping = mapped("weight_stationary", 4, 4, layer)
    weights = random_weights(mapping.layer)
    bias = np.arange(44)
    folded = fold_input_zero(mapping, weights, bias)
    expected = [
        bias[22 * g + k] + 7 * int(weights[g, :, :, :, k].astype(int).sum())
        for g in range(2)
        for k in range(22)
    ]
    assert folded.reshape(-1).tolist() == expected


@pytest.mark.parametrize(("bias", "fits"), [(2**31 - 2, True), (2**31 - 1, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_bias_beyond_int32_is_refused(sign, bias, fits):
    """The least int32 is one; what is folded in here is the bias' sign."""
    machine = machine_of("weight_stationary", 4, 4)
    layer = conv2d(
        name="wide", k=1, c=1, h=1, w=1, r=1, s=1, quantization=Quantization(input_zero=-sign)
    )
    mapping, bias = Mapping(machine, layer), bias if sign > 0 else -bias - 1
    if fits:
        (folded,) = fold_input_zero(mapping, np.ones((1, 1, 1, 1, 1)), np.array([bias])).ravel()
        assert folded == bias + sign
        assert folded in (2**31 - 1, -(2**31))
        return
    message = r"^wide: a bias without the input's zero point exceeds int32$"
    with pytest.raises(MappingError, match=message):
        fold_input_zero(mapping, np.ones((1, 1, 1, 1, 1)), np.array([bias]))
