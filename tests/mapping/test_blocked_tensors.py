"""Activations in memory: [batch ranks][blocks][other ranks][block]."""

import numpy as np
import pytest
from mapped_layers import machine_of

from rtl_gen.mapping.tensors import BlockedTensor
from rtl_gen.spec.layer import conv2d, matmul


def convolution_tensors(block=16, **layer):
    machine = machine_of("weight_stationary", 4, 4, block=block, bus_bits=64, post_lanes=8)
    layer = conv2d(**layer)
    operation = machine.operation
    return [BlockedTensor(machine, layer, t) for t in (operation.activation, operation.output)]


def test_where_an_element_lies():
    """[n][g][C/L][h][w][L], and pad elements are 0."""
    source, _ = convolution_tensors(n=2, groups=3, k=3, c=3 * 20, h=4, w=5, r=1, s=1)
    array = np.random.default_rng(1).integers(-128, 128, (2, 3, 4, 5, 20)).astype(np.int8)
    packed = np.frombuffer(source.pack(array), np.int8)
    assert packed.size == source.bytes == 2 * 3 * 2 * 4 * 5 * 16
    expected = np.zeros(packed.size, np.int8)
    for n in range(2):
        for g in range(3):
            for h in range(4):
                for w in range(5):
                    for c in range(20):
                        word = (((n * 3 + g) * 2 + c // 16) * 4 + h) * 5 + w
                        expected[16 * word + c % 16] = array[n, g, h, w, c]
    np.testing.assert_array_equal(packed, expected)


def test_strides_are_in_words():
    source, _ = convolution_tensors(n=2, groups=3, k=3, c=3 * 20, h=4, w=5, r=1, s=1)
    assert source.strides == {"w": 1, "h": 5, "c": 20, "g": 40, "n": 120}
    assert source.words == 240


@pytest.mark.parametrize("block", [8, 16, 64])
@pytest.mark.parametrize("channels", [1, 4, 16, 17, 70])
def test_unpack_is_the_inverse(block, channels):
    _, output = convolution_tensors(block, n=2, k=channels, c=1, h=3, w=4, r=1, s=1)
    array = np.random.default_rng(2).integers(-128, 128, output.shape).astype(np.int8)
    np.testing.assert_array_equal(output.unpack(output.pack(array)), array)


def test_pad_elements_mean_nothing():
    """The hardware writes anything there."""
    _, output = convolution_tensors(k=17, c=1, h=2, w=2, r=1, s=1)
    array = np.arange(17 * 4, dtype=np.int8).reshape(output.shape)
    written = np.frombuffer(output.pack(array), np.int8).copy().reshape(-1, 16)
    written[4:, 1:] = 99
    np.testing.assert_array_equal(output.unpack(written.tobytes()), array)


def test_matrices_have_their_last_rank_in_words():
    machine = machine_of("matmul_weight_stationary", 4, 4)
    tensor = BlockedTensor(machine, matmul(m=3, k=18, n=5), machine.operation.activation)
    array = np.arange(3 * 18, dtype=np.int8).reshape(3, 18)
    packed = np.frombuffer(tensor.pack(array), np.int8).reshape(2, 3, 16)
    np.testing.assert_array_equal(packed[0], array[:, :16])
    np.testing.assert_array_equal(packed[1, :, :2], array[:, 16:])
    assert not packed[1, :, 2:].any()


def test_an_array_of_another_size_is_refused():
    source, _ = convolution_tensors(k=1, c=3, h=4, w=5, r=1, s=1)
    with pytest.raises(ValueError, match="reshape"):
        source.pack(np.zeros((1, 1, 4, 5, 4), np.int8))


ALIKE = [  # images, groups and channels of a group of two outputs; whether they lie alike
    ((1, 1, 20), (1, 1, 20), True),
    ((2, 1, 10), (1, 2, 10), True),  # what lies outside the blocks has no name there
    ((1, 2, 10), (1, 1, 20), False),  # two blocks both, but with 6 pad elements each, or 12 in one
    ((1, 3, 17), (1, 6, 16), False),
]


@pytest.mark.parametrize("one, other, alike", ALIKE)
def test_tensors_that_lie_alike_have_their_elements_in_the_same_places(one, other, alike):
    tensors = [
        convolution_tensors(n=n, groups=g, k=g * k, c=g, h=3, w=4, r=1, s=1)[1]
        for n, g, k in (one, other)
    ]
    places = [tensor.pack(np.ones(tensor.shape, np.int8)) for tensor in tensors]
    assert (places[0] == places[1]) == alike
    for mine, its in (tensors, tensors[::-1]):
        assert mine.lies_like(its) == alike
