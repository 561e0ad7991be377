"""How arrays lie in memory: axes are found, and they say what the program's own packing does."""

import numpy as np
import pytest
from small_networks import PROJECT, TINY, digits, flat, two_inputs, upsampled

from rtl_gen.api import load
from rtl_gen.host.compile import compile_network
from rtl_gen.host.layout import LayoutError, axes_of, gather, positions_of, scatter
from rtl_gen.isa.program_file import Axis
from rtl_gen.mapping.chain import chain_layers


def placed(shape: tuple[int, ...], blocks: int, seed: int) -> np.ndarray:
    """Bytes of an array whose last rank is cut into blocks that lie outside all other ranks."""
    *outer, channels = shape
    rng = np.random.default_rng(seed)
    count = -(-channels // blocks)
    free = np.arange(count * int(np.prod(outer)) * blocks) + int(rng.integers(100))
    split = free.reshape(count, *outer, blocks)
    merged = np.moveaxis(split, 0, -2).reshape(*outer, count * blocks)
    return merged[..., :channels].transpose(rng.permutation(len(shape)))


@pytest.mark.parametrize("seed", range(12))
def test_blocked_arrays_are_axes(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 24, int(rng.integers(1, 5))))
    positions = placed(shape, int(rng.choice([3, 8, 16])), seed)
    first, axes = axes_of(positions)
    np.testing.assert_array_equal(positions_of(axes, positions.shape) + first, positions)
    # A flat view of the same is axes, too: more of them.
    groups = positions.reshape(-1)
    again, axes = axes_of(groups) if len(shape) < 3 else (first, axes)
    assert again == first
    array = rng.integers(-128, 128, positions.shape).astype(np.int8)
    memory = np.zeros(int(positions.max()) + 1, np.int8)
    memory[positions] = array
    found = scatter(array, axes_of(positions)[1], len(memory) - first)
    assert found == memory[first:].tobytes()
    np.testing.assert_array_equal(
        gather(memory[first:].tobytes(), axes_of(positions)[1], positions.shape), array
    )


def test_ragged_blocks_within_a_rank():
    """Two groups of 20 channels, in blocks of 16, along one rank of 40."""
    one = np.r_[0:16, 64:68]
    assert axes_of(np.r_[one, one + 128])[1] == (Axis(2, 2, 128), Axis(20, 16, 1, 64))


@pytest.mark.parametrize(
    "positions, message",
    [
        ([[0, 1], [2, 4]], "independently"),
        ([3, 2, 1], "backwards"),
        ([0, 1, 5, 6, 8], "without a rule"),
        (np.zeros((0, 2)), "no elements"),
    ],
)
def test_what_axes_do_not_say(positions, message):
    with pytest.raises(LayoutError, match=message):
        axes_of(np.array(positions))


ADAPTIVE = PROJECT / "dataflows" / "adaptive.yaml"


@pytest.mark.parametrize(
    "file, make",
    [
        (TINY, lambda folder: digits(3)),
        (TINY, flat),
        (ADAPTIVE, lambda folder: digits(2)),  # its windows are folded
        (ADAPTIVE, two_inputs),
        (TINY, upsampled),  # six layers give its output
    ],
)
def test_the_file_says_how_the_program_packs(file, make, tmp_path):
    """Inputs: byte by byte as a program packs them. Outputs: as it unpacks what it wrote."""
    machine, graph = load(file).machine, make(tmp_path)
    compiled = compile_network(machine, graph)
    rng = np.random.default_rng(6)
    names = compiled.file.named("input")
    given = {n: rng.integers(-128, 128, t[0].shape).astype(np.int8) for n, t in names.items()}
    stored = {
        p.tensor: p.convert(given[p.name]).reshape(graph.tensors[p.tensor].shape)
        for p in graph.inputs
    }
    program = chain_layers(machine, compiled.lowered.chain(stored), given=compiled.lowered.given)
    found = {
        t.offset + program.base: scatter(given[name], t.layout, t.bytes)
        for name, places in names.items()
        for t in places
    }
    assert found == program.inputs
    for port in graph.outputs:
        (tensor,) = compiled.file.named("output")[port.name]
        steps = {n: program.steps[n] for n in compiled.lowered.layers_of(port.tensor)}
        begin = min(step.output_address for step in steps.values())
        memory, outputs = rng.bytes(1 << 16), {}
        for n, step in steps.items():
            own = memory[step.output_address - begin :][: step.output.tensor.bytes]
            outputs[n] = step.output.tensor.unpack(own)
        whole = compiled.lowered.assemble(port.tensor, outputs)
        expected = port.convert(whole).reshape(tensor.shape)
        first = tensor.offset - (begin - program.base)
        np.testing.assert_array_equal(gather(memory[first:], tensor.layout, tensor.shape), expected)
