"""Results that leave as int32 sums, and weights that come in parts, through RTL."""

import dataclasses

import numpy as np
import pytest
from designs import small_machine

from rtl_gen.mapping.mapper import choose_mapping
from rtl_gen.mapping.mapping import MappingError
from rtl_gen.mapping.placing import OWN_INPUT
from rtl_gen.mapping.program import LayerData, Program
from rtl_gen.sim.job import MemoryTiming
from rtl_gen.sim.layers import check_layers, golden_output, random_data
from rtl_gen.sim.programs import build_machine, run_programs
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.traffic import compare_traffic
from rtl_gen.spec.design import KIB
from rtl_gen.spec.layer import Quantization, conv2d

RAW = Quantization(raw=True, input_zero=-17)
INT8 = Quantization(input_zero=9, output_zero=-3)


def layers(parts: bool = True):
    """Layers of both kinds in turn; sizes that divide neither words nor the array."""
    found = []
    for n, (quantization, k, c, size, taps, count) in enumerate([
        (RAW, 5, 3, 5, 1, 1), (INT8, 6, 4, 4, 1, 1), (RAW, 23, 9, 6, 3, 1), (RAW, 16, 17, 4, 2, 2),
        (INT8, 19, 5, 5, 3, 2), (RAW, 37, 7, 7, 1, 3), (INT8, 4, 33, 3, 1, 2), (RAW, 1, 1, 9, 3, 2),
    ]):  # fmt: skip
        if count > 1 and not parts:
            continue
        layer = conv2d(
            name=f"layer {n}", n=1 + n % 2, k=k, c=c, h=size, w=size + 1, r=taps, s=taps,
            pad=(taps // 2,) * 4, stride=(1 + n % 2, 1), quantization=quantization,
        )  # fmt: skip
        sizes = layer.sizes | {"r": taps * count}
        found.append(dataclasses.replace(layer, sizes=sizes, parts={"r": count}))
    return found


def drawn(machine, layer, seed):
    source, data = random_data(machine.operation_of(layer), layer, seed)
    if layer.quantization.raw:  # of all 32 bits
        bias = np.random.default_rng(seed).integers(-(1 << 31) + 10**7, (1 << 31) - 10**7,
                                                    data.bias.shape)  # fmt: skip
        data = LayerData(data.weights, bias, data.multiplier, data.shift)
    return layer, source, data


@pytest.mark.parametrize(
    ("dataflow", "rows", "columns", "others"),
    [
        ("weight_stationary", 3, 5, {"post_lanes": 2, "post_add": True}),
        pytest.param("output_stationary_transposed", 4, 3, {"post_lanes": 2},
                     marks=pytest.mark.long),
        pytest.param("weight_stationary", 4, 16, {"post_lanes": 16}, marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_layers_of_both_kinds_follow_each_other(dataflow, rows, columns, others):
    machine = small_machine(dataflow, rows, columns, buffers=2 * KIB, post_raw=True, **others)
    chosen = [drawn(machine, layer, n) for n, layer in enumerate(layers())]
    simulation = Simulation(build_machine(machine), seed=4)
    for timing in (MemoryTiming(), MemoryTiming.stalling(300)):
        checks = check_layers(machine, simulation, chosen, reset_every=3, timing=timing,
                              fetched=(False, True))  # fmt: skip
        for check in checks:
            assert check.exact, f"{check.mapping.layer}: {check.wrong}, first {check.first}"
            rows = compare_traffic(check.mapping, check)
            assert all(row.exact for row in rows), [str(row) for row in rows if not row.exact]
    follow_each_other(machine, simulation)


def follow_each_other(machine, simulation):
    """In one program, where outputs of one layer are under way while sums of the next come."""
    small = [
        drawn(machine, conv2d(name=f"short {n}", k=k, c=c, h=1, w=w, r=1, s=1,
                              quantization=quantization), n)
        for n, (k, c, w) in enumerate([(5, 3, 4), (4, 1, 7), (3, 2, 1), (16, 3, 2), (9, 5, 3)])
        for quantization in (INT8, RAW)
    ]  # fmt: skip
    program = Program()
    for layer, source, data in small:
        program.add(choose_mapping(machine, layer, OWN_INPUT), data, source=source)
    (done,) = run_programs(simulation, [("both kinds", program)], fetched=(True,))
    assert not done.problems
    for (layer, source, data), output in zip(small, done.outputs, strict=True):
        golden = golden_output(machine.operation_of(layer), layer, source, data)
        np.testing.assert_array_equal(output, golden, err_msg=str(layer))


def test_a_design_without_them_refuses():
    machine = small_machine("weight_stationary", 3, 5)
    with pytest.raises(MappingError, match=r"^conv2d: gives its sums as int32, which the design "
                                           r"cannot; post\.raw: true is needed"):  # fmt: skip
        choose_mapping(machine, conv2d(k=4, c=4, h=4, w=4, r=1, s=1, quantization=RAW), OWN_INPUT)
