"""Several dataflows in one accelerator: layers of different ones in one program, bit-exact."""

import functools
import random
from itertools import pairwise

import numpy as np
import pytest
from designs import ADAPTIVE, CONDITIONS, DATAFLOWS, FETCHED, RESET_EVERY, fused_machine
from random_layers import Limits, draw_case, draw_quantization, random_addition

import rtl_gen
from rtl_gen.mapping.chain import ChainedLayer, chain_layers
from rtl_gen.mapping.cost import estimate
from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.mapping.program import Program
from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.graph import Graph, Node, Port, Tensor
from rtl_gen.nn.to_program import runs_as
from rtl_gen.reuse.fused_machine import machine_of
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import conv2d, matmul
from rtl_gen.spec.layer_text import parse_layer
from rtl_gen.spec.operation import SpecError
from rtl_gen.spec.parse import load_design

SHAPES = {  # with what else is tried there
    (3, 5): {"bus_bits": 64, "post_lanes": 2, "post_add": False},
    (5, 2): {"multiplier_registers": 2, "post_lanes": 4},
    (2, 7): {"block": 8, "bus_bits": 64, "post_lanes": 2, "post_add": False},
    (16, 16): {},
}


@functools.cache
def narrow_adaptive():
    """Weight stationary and depthwise layers on an array that has a row more than a filter has
    taps; its machine, and its simulation built.
    """
    machine = fused_machine(10, 4, file=ADAPTIVE, image=1 * KIB)
    return machine, build_machine(machine)


def limits(machine):
    """Small layers, but more outputs than the array has columns, so that all can be tiled."""
    rows, columns = machine.design.shape
    return Limits(pixels=max(12, columns * 3 // 2), macs=max(60_000, 800 * rows * columns))


def draw_mixed(machine, seed):
    """A program of 2 to 6 layers, each of a random mode, and the output of each."""
    rng, program, outputs, modes = random.Random(seed), Program(), [], []
    small = limits(machine)
    for n in range(rng.randint(2, 6)):
        modes.append(rng.randrange(len(machine.modes)))
        case = draw_case(machine.modes[modes[-1]], 10 * seed + n, tiled=n % 3 == 0, limits=small)
        program.add(case.mapping, case.data, source=case.source)
        operation = case.mapping.machine.operation
        outputs.append(golden_output(operation, case.layer, case.source, case.data))
    return program, outputs, modes


def run_mixed(machine, seeds, build=None):
    """Programs under all conditions, every output exact; returns the pairs of modes in a row."""
    build = build or build_machine(machine)
    drawn = {f"program seed {seed}": draw_mixed(machine, seed) for seed in seeds}
    pairs = set()
    for n, conditions in enumerate(CONDITIONS):
        names = list(drawn)[n :: len(CONDITIONS)]
        results = run_programs(
            Simulation(build, seed=1),
            [(name, drawn[name][0]) for name in names],
            reset_every=RESET_EVERY,
            fetched=FETCHED,
            **conditions,
        )
        for name, done in zip(names, results, strict=True):
            _, outputs, modes = drawn[name]
            assert not done.problems, f"{name}, modes {modes}, {conditions}: {done.problems}"
            for layer, (got, right) in enumerate(zip(done.outputs, outputs, strict=True)):
                said = f"{name}, layer {layer} of modes {modes}, {conditions}"
                np.testing.assert_array_equal(got, right, err_msg=said)
            pairs |= set(pairwise(modes))
    return pairs


def test_layers_of_different_modes_in_one_program():
    pairs = run_mixed(fused_machine(4, 4), range(8))
    assert pairs == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.long
def test_inputs_move_in_one_mode_and_stand_in_the_other():
    machine, build = narrow_adaptive()
    assert (machine.input_reads, machine.moving.size) == (3, 3)
    assert run_mixed(machine, range(8), build) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def pointwise(rng, name, c, k, size):
    return conv2d(
        name=name, c=c, k=k, h=size, w=size, r=1, s=1, quantization=draw_quantization(rng)
    )


def draw_block(machine, seed):
    """An inverted residual's layers, all on chip: 1x1, depthwise, 1x1, and what each gives. Some
    add what a layer before them gave, of whichever dataflow, or an array.
    """
    rng = random.Random(seed)
    size, stride = rng.randint(2, 9), rng.choice([1, 1, 2])
    channels, narrow = rng.choice([rng.randint(1, 40), 16, 32, 48]), rng.randint(1, 20)
    kernel = rng.randint(1, 3)
    pad = (kernel // 2,) * 4 if kernel % 2 else tuple(rng.randint(0, 1) for _ in range(4))
    depthwise = conv2d(
        name="depthwise", k=channels, c=channels, groups=channels, h=size, w=size,
        r=kernel, s=kernel, stride=(stride, stride), pad=pad, quantization=draw_quantization(rng),
    )  # fmt: skip
    depthwise = runs_as(depthwise, machine.modes[1].operation)
    rows, columns = depthwise.sizes["p"], depthwise.sizes["q"]
    last = conv2d(
        name="last", c=channels, k=rng.choice([channels, channels, narrow]), h=rows, w=columns,
        r=1, s=1, quantization=draw_quantization(rng),
    )  # fmt: skip
    chain, outputs = [], []
    for n, layer in enumerate((pointwise(rng, "first", narrow, channels, size), depthwise, last)):
        operation = machine.operation_of(layer)
        array, data = random_data(operation, layer, 3 * seed + n)
        source = outputs[-1].reshape(array.shape) if n else array
        own = golden_output(operation, layer, source, data)
        residual, added = draw_residual(rng, outputs, own)
        how = None if residual is None else random_addition(np.random.default_rng(seed))
        outputs.append(own if how is None else how.golden(own, added.reshape(own.shape)))
        chain.append(ChainedLayer(layer, data, n - 1 if n else array, residual, how))
    return chain, outputs


def draw_residual(rng, outputs, own):
    """Nothing, an array, or the number of an earlier output of the same size; and its values."""
    alike = [n for n, one in enumerate(outputs) if one.squeeze().shape == own.squeeze().shape]
    if alike and rng.random() < 0.7:
        number = rng.choice(alike)
        return number, outputs[number]
    if rng.random() < 0.5:
        return None, None
    array = np.random.default_rng(rng.randrange(1000)).integers(-128, 128, own.shape)
    return array.astype(np.int8), array.astype(np.int8)


def added_across(machine, program):
    """Layers that add, on chip, what one of another dataflow gave; and those that load it."""
    across = loaded = 0
    places = {step.output_place: step for step in program.steps}
    for step in program.steps:
        if step.added and step.added.address is None:
            other = places[step.added.place].mapping.machine
            across += other.mode != step.mapping.machine.mode
        loaded += step.added is not None and step.added.address is not None
    return across, loaded


def run_blocks(machine, seeds, build=None):
    """Blocks under all conditions, stored layer by layer or only at their end; counts layers that
    read on chip, and those that add a tensor of another dataflow, or one that is loaded.
    """
    simulation, resident, added = Simulation(build or build_machine(machine), seed=2), 0, []
    for n, conditions in enumerate(CONDITIONS):
        drawn = [draw_block(machine, seed) for seed in seeds[n :: len(CONDITIONS)]]
        programs = [
            chain_layers(machine, chain, store_all=number % 2 == 0)
            for number, (chain, _) in enumerate(drawn)
        ]
        named = [(f"block {k}", program) for k, program in enumerate(programs)]
        results = run_programs(simulation, named, fetched=FETCHED, **conditions)
        for program, (_, outputs), done in zip(programs, drawn, results, strict=True):
            assert not done.problems, f"{conditions}: {done.problems}"
            resident += sum(step.mapping.placing.source is not None for step in program.steps)
            added.append(added_across(machine, program))
            for got, right in zip(done.outputs, outputs, strict=True):
                if got is not None:
                    np.testing.assert_array_equal(got.reshape(right.shape), right)
    return resident, *(sum(counts) for counts in zip(*added))


def test_inverted_residuals_stay_on_chip():
    machine, build = narrow_adaptive()
    resident, across, loaded = run_blocks(machine, range(16), build)
    assert resident >= 16 and across >= 4 and loaded >= 4


@pytest.mark.long
@pytest.mark.parametrize("shape", [(9, 5), (16, 16)])
def test_adaptive_on_other_shapes(shape):
    machine = fused_machine(*shape, file=ADAPTIVE, image=1 * KIB, post_lanes=4)
    assert run_mixed(machine, range(60)) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    resident, across, loaded = run_blocks(machine, range(100, 160))
    assert resident >= 60 and across >= 15 and loaded >= 15


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
def test_modes_on_every_shape(shape):
    machine = fused_machine(*shape, **SHAPES[shape])
    assert run_mixed(machine, range(40)) == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_each_layer_takes_the_mode_that_costs_least():
    machine = fused_machine(4, 4)
    taken = set()
    # channels for all rows; a single input channel, with which weight stationary uses one row
    for text in ("conv2d:k=4,c=16,h=12,w=12,r=1,s=1", "conv2d:k=8,c=1,h=12,w=12,r=3,s=3"):
        layer = parse_layer(text, operations=machine.design.operations)
        chosen = choose_mapping(machine, layer)
        costs = [estimate(choose_mapping(mode, layer)).cycles for mode in machine.modes]
        assert estimate(chosen).cycles == min(costs)
        assert chosen.machine is machine.modes[costs.index(min(costs))]
        taken.add(chosen.machine.mode)
    assert taken == {0, 1}


@pytest.fixture
def small_adaptive(tmp_path):
    """The adaptive design on 10x4 PEs, as a user writes it."""
    file = tmp_path / "small.yaml"
    flows = ("weight_stationary_upwards", "depthwise")
    names = ", ".join(str(DATAFLOWS / f"{name}.yaml") for name in flows)
    file.write_text(
        f"dataflows: [{names}]\narray: {{rows: 10, columns: 4}}\n"
        "buffers: {input: 2 KiB, weights: 4 KiB, output: 2 KiB, parameters: 1 KiB}\n"
    )
    return rtl_gen.load(file)


def test_a_depthwise_layer_by_its_text_is_mapped_as_such(small_adaptive):
    """It could run as a convolution of many groups too, a channel at a time."""
    texts = ("depthwise:c=32,h=9,w=9,r=3,s=3,pad=1", "conv2d:k=16,c=16,h=9,w=9,r=1,s=1")
    fits = small_adaptive.check(texts)
    steps = 32 // 4 * 9 * 9  # four channels of a pixel a step
    assert all(fit.fits for fit in fits) and steps <= fits[0].cycles < 2 * steps


@pytest.mark.long
def test_a_depthwise_layer_by_its_text_is_simulated_as_such(small_adaptive):
    result = small_adaptive.simulate("depthwise:c=8,h=6,w=6,r=3,s=3,pad=1", seed=1)
    assert result.exact and result.operands.layer.operation == "depthwise"


def separable_network(rng, images):
    """A network like DS-CNN: a convolution, a depthwise and a 1x1 one, a fully connected layer."""
    layers = [
        conv2d(name="conv", n=images, k=20, c=1, h=9, w=7, r=3, s=3, stride=(2, 2), pad=(1,) * 4),
        conv2d(name="depthwise", n=images, k=20, c=20, groups=20, h=5, w=4, r=3, s=3, pad=(1,) * 4),
        conv2d(name="pointwise", n=images, k=8, c=20, h=5, w=4, r=1, s=1),
        matmul(name="dense", m=images, k=8 * 5 * 4, n=10),
    ]
    shapes = [(20, 3, 3, 1), (20, 3, 3, 1), (8, 1, 1, 20), (160, 10)]
    nodes, tensors = [], {"x": Tensor(name="x", shape=(images, 9, 7, 1), scale=1.0, zero=0)}
    for layer, shape in zip(layers, shapes):
        channels = shape[-1] if layer.operation == "matmul" else shape[0]
        node = Node(
            layer=layer,
            weight=rng.integers(-128, 128, shape).astype(np.int8),
            bias=rng.integers(-999, 999, channels).astype(np.int32),
            multiplier=rng.integers(1 << 30, 1 << 31, channels).astype(np.int32),
            shift=np.full(channels, -8, np.int32),
            input=nodes[-1].output if nodes else "x",
            output=layer.name,
        )
        nodes.append(node)
        tensors[node.output] = Tensor(name=node.output, shape=node.output_shape, scale=1.0, zero=0)
    port = Port(name="x", tensor="x", index=np.arange(63).reshape(9, 7, 1))
    return Graph(name="separable", nodes=tuple(nodes), tensors=tensors, inputs=(port,), outputs=())


def test_a_network_runs_layer_by_layer_each_as_what_takes_fewest_cycles():
    rng, images = np.random.default_rng(4), 2
    machine, build = narrow_adaptive()
    x = rng.integers(-128, 128, (images, 9, 7, 1)).astype(np.int8)
    network = map_graph(machine, separable_network(rng, images), {"x": x})
    mappings = [step.mapping for step in network.program.steps]
    ran = [mapping.layer.operation for mapping in mappings]
    assert ran == ["conv2d", "depthwise", "conv2d", "conv2d"]
    assert mappings[0].placing.image and not mappings[2].placing.image
    run = run_network(network, Simulation(build, seed=1))
    assert run.exact, run.problems or run.explain()
    assert all(len(np.unique(output)) > 20 for output in run.checked.outputs[:3])


def test_descriptors_say_the_mode():
    machine = fused_machine(4, 4)
    program, _, modes = draw_mixed(machine, 1)
    for mode, words in zip(modes, program.descriptors(), strict=True):
        for engine in ("feed_input", "feed_weights", "compute"):
            assert machine.records[engine].unpack(words[engine][1:])["mode"] == mode


def test_a_layer_that_no_mode_runs_says_why_for_each():
    machine = fused_machine(4, 4)
    layer = parse_layer("matmul:m=4,k=32,n=8")
    with pytest.raises(MappingError, match="the design computes conv2d, not matmul"):
        choose_mapping(machine, layer)
    layer = parse_layer("conv2d:k=4,c=131072,h=1,w=1,r=1,s=1")
    with pytest.raises(MappingError) as caught:
        choose_mapping(machine, layer)
    for mode in machine.modes:
        assert f"{mode.design.dataflow.name}: a sum of 131072 products" in str(caught.value)


def test_one_dataflow_needs_no_mode():
    machine = machine_of(load_design(DATAFLOWS / "weight_stationary.yaml"))
    assert type(machine) is Machine and machine.mode_fields == {}
    for record in machine.records.values():
        assert "mode" not in {field.name for field in record.fields}


def test_dataflows_that_do_not_go_together(tmp_path):
    names = ["weight_stationary", "input_stationary"]
    listed = ", ".join(str(DATAFLOWS / f"{name}.yaml") for name in names)
    file = tmp_path / "mixed.yaml"
    file.write_text(f"dataflows: [{listed}]\n")
    with pytest.raises(SpecError, match="inputs are held in one and used as they come") as caught:
        machine_of(load_design(file))
    assert caught.value.key == "dataflows[1]"


def test_outputs_that_gather_over_other_sizes_do_not_go_together(tmp_path):
    """2 x 3 and 3 x 2 pixels on the columns: as many words, which would go to other addresses."""
    text = (DATAFLOWS / "input_stationary.yaml").read_text()
    for name, p, q in (("two_rows", 2, 3), ("three_rows", 3, 2)):
        pixels = "".join(
            f"  - {{spatial: {d}, on: columns, size: {n}}}\n" for d, n in (("p", p), ("q", q))
        )
        own = text.replace("  - {spatial: q, on: columns}\n", pixels)
        own = own.replace("rows: 16, columns: 16", "rows: 3, columns: 6")
        (tmp_path / f"{name}.yaml").write_text(
            own.replace("name: input_stationary", f"name: {name}")
        )
        machine_of(load_design(tmp_path / f"{name}.yaml"))
    file = tmp_path / "both.yaml"
    file.write_text("dataflows: [two_rows.yaml, three_rows.yaml]\n")
    with pytest.raises(SpecError, match="output bytes gather otherwise, or over loops of other"):
        machine_of(load_design(file))


def test_a_chain_on_chip_takes_the_mode_that_suits_each_layer():
    """An output that one dataflow wrote is read, and added, by another where it lies, though one
    alone would give it rows of 8 pixels, four at a time, and the other of 7.
    """
    machine = fused_machine(4, 4)
    operation = machine.operation
    texts = ["k=16,c=1,h=10,w=9,r=3,s=3", "k=16,c=16,h=8,w=7,r=1,s=1", "k=4,c=16,h=8,w=7,r=3,s=3"]
    layers = [parse_layer(f"conv2d:{text}", operations=[operation]) for text in texts]
    drawn = [random_data(operation, layer, seed) for seed, layer in enumerate(layers)]
    how, outputs, chain = random_addition(np.random.default_rng(1)), [drawn[0][0]], []
    for n, (layer, (_, data)) in enumerate(zip(layers, drawn)):
        adds = {"residual": 0, "addition": how} if n == 1 else {}
        chain.append(ChainedLayer(layer, data, n - 1 if n else drawn[0][0], **adds))
        own = golden_output(operation, layer, outputs[-1], data)
        outputs.append(how.golden(own, outputs[1]) if adds else own)
    program = chain_layers(machine, chain)
    assert [step.mapping.machine.mode for step in program.steps][:2] == [1, 0]
    assert added_across(machine, program) == (1, 0)
    (done,) = run_programs(Simulation(build_machine(machine), seed=1), [("chain", program)])
    assert not done.problems
    assert [output is None for output in done.outputs] == [True, True, False]
    np.testing.assert_array_equal(done.outputs[-1], outputs[-1])
