"""An activation in the weights' place: the words that are fed are those that weights laid out
offline would be, whichever way it lies.
"""

from dataclasses import replace

import numpy as np
import pytest
from attention import attention_machine, product_layer
from nest_walk import walk_feed, walk_load

from rtl_gen.mapping.images import weight_image
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.operand import operand_tensor, zero_passes
from rtl_gen.mapping.placing import PlacedOperand, Placing
from rtl_gen.spec.layer import Quantization


def fed(mapping: Mapping, memory: dict[int, bytes]) -> list[bytes]:
    """The words that the feeder reads of a buffet that the load engine fills from a memory."""
    block, room = mapping.machine.block, mapping.machine.buffer_words("weights")
    loaded = []
    for run in walk_load(mapping, "weights"):
        first = run["offset"] // block
        loaded += [memory[first + n] for n in range(run["words"])]
    words, head, reach = [], 0, 0
    for item in walk_feed(mapping, "weights"):
        reach = max(reach, item["index"])
        words.append(loaded[head + item["index"]])
        head += item["shrink"]
    assert head == len(loaded), "all that is loaded is given back"
    assert reach < room
    return words


def by_word(data: bytes, block: int, first: int = 0) -> dict[int, bytes]:
    return {first + n: data[n * block :][:block] for n in range(len(data) // block)}


@pytest.mark.parametrize("along", "ck")
@pytest.mark.parametrize("zeros", [(0, 0), (9, 0), (-128, 7), (5, -128)])
@pytest.mark.parametrize("sides", [(8, 8), (16, 8)])
def test_fed_words_are_those_of_weights(along, zeros, sides):
    """Heads, images, tiles, both zero points, loads of one word and of two."""
    rng = np.random.default_rng(1)
    machine = attention_machine(*sides, buffers=1024)
    mode = machine.modes[along == "k"]
    given = product_layer("it", rows=2, c=32, k=32, heads=2, batch=2, quantization=Quantization())
    passes = zero_passes(mode.operation, given, *zeros)
    layer, sizes = passes.layer, passes.layer.sizes
    tensor = operand_tensor(mode, layer, along)
    operand = rng.integers(-128, 128, tensor.shape).astype(np.int8)
    strides = {rank.name: tensor.strides[rank.name] for rank in tensor.tensor.ranks}
    memory = by_word(tensor.pack(operand), machine.block)
    weights = np.empty((2, 2, sizes["r"], sizes["s"], 32, 32), np.int8)
    weights[:] = operand[:, :, None, None]
    if passes.constant:
        tap, value = passes.constant
        strides[tap] = tensor.words + 3
        weights[:, :, :, 1:] = value
        for n in range(1, sizes[tap]):
            constant = np.full(tensor.bytes, value, np.int8).tobytes()
            memory |= by_word(constant, machine.block, n * strides[tap])
    found = []
    cases = (
        ({}, ()),
        ({"n": 1, "k": 16, "c": 16}, ("n", "k", "c")),
        ({"n": 1, "g": 1, "q": 1}, ("n", "g", "q")),  # operands of a head stay for several rows
    )
    for tiles, order in cases:
        whole = Mapping(
            mode, layer, tiles, order, Placing(operand=PlacedOperand(0, along, strides))
        )
        words = fed(whole, memory)
        right = []
        for image in range(2):
            one = replace(layer, sizes=sizes | {"n": 1})
            mapping = Mapping(mode, one, tiles, order)
            data = weight_image(mapping, weights[image])
            right += fed(mapping, by_word(data, machine.block))
        assert words == right
        found.append(words)
    assert len(set(map(tuple, found))) > 1, "else the cases are one"


def test_taps_are_refused_where_there_are_taps():
    machine = attention_machine()
    layer = product_layer("it", rows=4, c=8, k=8)
    taps = replace(layer, sizes=layer.sizes | {"r": 3})
    with pytest.raises(MappingError, match="it: a product of two activations must have no taps, "):
        zero_passes(machine.modes[0].operation, taps, 1, 0)
    tall = replace(layer, sizes=layer.sizes | {"p": 2}, extents={"h": 2, "w": 2})
    with pytest.raises(MappingError, match="it: input_zero must be 0, for the operation has no fi"):
        zero_passes(machine.modes[0].operation, tall, 1, 0)


@pytest.mark.parametrize("zero", [-128, -127, -1, 1, 100, 127])
def test_taps_take_zero_points_out(zero):
    """What taps outside read as, and the constant of taps inside, in the sums of products."""
    operation = attention_machine().modes[0].operation
    layer = product_layer("it", rows=4, c=8, k=8)
    passes = zero_passes(operation, layer, zero, 0)
    more = passes.layer.sizes["r"] - 1
    assert more * passes.layer.quantization.input_zero == -zero and passes.constant is None
    passes = zero_passes(operation, layer, 0, zero)
    tap, value = passes.constant
    assert (passes.layer.sizes[tap] - 1) * value == -zero and passes.layer.symbols["e"] == 0
    assert zero_passes(operation, layer, 0, 0).layer.sizes == layer.sizes
