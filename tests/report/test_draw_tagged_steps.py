"""Space and time on tagged buses: every MAC once, weights in the order in which they are sent."""

import dataclasses
import itertools
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from amaranth.sim import Simulator
from test_draw_steps import golden_macs, macs, uses, uses_of_frames

import rtl_gen
from rtl_gen.api import LoadedDesign
from rtl_gen.hw.array.scratchpad_pe import ScratchpadParams
from rtl_gen.hw.array.tagged_array import TaggedArray, TaggedArrayParams
from rtl_gen.mapping.placing import Placing
from rtl_gen.mapping.tagged_engines import tagged_weight_image
from rtl_gen.mapping.tagged_mapper import choose_folding
from rtl_gen.mapping.tagged_mapping import GROUP
from rtl_gen.report.draw.link_trace import small_array
from rtl_gen.report.draw.tagged_trace import TaggedTrace, small_mapping
from rtl_gen.spec.operation import SpecError

FILE = Path(__file__).parents[2] / "dataflows" / "row_stationary.yaml"
LAYERS = {
    (3, 4): "conv2d:k=3,c=2,p=3,q=3,r=3,s=2",
    (6, 4): "conv2d:k=2,c=3,p=5,q=2,r=2,s=2,stride=2,pad=1",
    (5, 3): "conv2d:k=2,c=2,p=2,q=3,r=4,s=1,dilation=2",
}

CHAINS = {  # chains of filters, or groups of channels, or both
    (6, 4): "conv2d:k=2,c=3,p=5,q=2,r=2,s=2,stride=2,pad=1",
    (8, 3): "conv2d:k=8,c=4,p=3,q=3,r=2,s=2",
    (8, 4): "conv2d:k=4,c=8,p=3,q=2,r=2,s=2",
    (12, 3): "conv2d:k=3,c=2,p=3,q=3,r=2,s=2",
}


def loaded(shape):
    design = rtl_gen.load(FILE)
    small = dataclasses.replace(design.design, rows=shape[0], columns=shape[1])
    return LoadedDesign(FILE, small)


@pytest.mark.parametrize("shape, text", LAYERS.items(), ids=str)
def test_every_mac_of_a_layer_once(shape, text):
    design = loaded(shape)
    assert macs(design, uses(design, text)) == golden_macs(design, design.layer(text))


def test_what_row_stationary_means():
    """A filter row stays in a row of PEs, an input row on a diagonal, sums go down a column."""
    design = loaded((3, 4))
    found = uses(design)
    layer = small_mapping(design.machine).layer
    assert macs(design, found) == golden_macs(design, layer)
    for (name, (row, column), _), element in found.items():
        ranks = [rank.name for rank in design.design.dataflow.operation.tensor(name).ranks]
        at = dict(zip(ranks, element))
        assert {"I": ("h", row + column), "W": ("r", row), "O": ("p", column)}[name] in at.items()
    for (name, (row, column), cycle), element in found.items():
        if name == "O" and row:  # the row above did so a period of 4 cycles before
            assert found["O", (row - 1, column), cycle - 4] == element


@pytest.mark.parametrize("shape, text", [*LAYERS.items(), *CHAINS.items()], ids=str)
def test_weights_come_as_the_pe_uses_them(shape, text):
    """Pass by pass, output column by output column, as the memory image has them, which the
    simulation of accelerators reads.
    """
    machine = loaded(shape).machine
    mapping = choose_folding(machine, loaded(shape).layer(text), Placing())
    trace, fold, sizes = TaggedTrace(mapping), mapping.fold, mapping.layer.sizes
    dims = [rank.terms[0].dimension for rank in machine.operation.weight.ranks]
    numbers = np.arange(1, 1 + np.prod([sizes[d] for d in dims])).reshape([sizes[d] for d in dims])
    assert numbers.max() < 256
    image = np.frombuffer(tagged_weight_image(mapping, numbers.astype(np.uint8)), np.uint8)
    sets = image.reshape(-1, mapping.set_words * machine.block)
    for row in range(fold.rows):
        sent = []
        for number, columns in passes(mapping, dims):
            words = sets[number][: mapping.set_groups * fold.rows * GROUP]
            words = words.reshape(-1, fold.rows, GROUP)[:, row].ravel()
            sent += [int(n) for n in words if n] * columns
        used = []
        for cycle in range(trace.cycles):
            step = trace.at(cycle, (row, 0))
            if step and trace.works(step, (row, 0)):
                element = trace.element(machine.operation.weight, step, (row, 0))
                used.append(int(numbers[element]))
        assert used == sent


def passes(mapping, dims):
    """Of each pass which set of weights it takes, and how many output columns it walks."""
    levels, q = list(mapping.levels), mapping.machine.roles.q
    inner = [levels.pop()] if levels and levels[-1].dimension == q and not levels[-1].outer else []
    for trips in itertools.product(*(range(level.bound) for level in levels)):
        number, columns = 0, inner[0].bound if inner else 1
        for level, trip in zip(levels, trips):
            if level.dimension in dims:
                number = number * level.bound + trip
            if level.dimension == q and trip == level.bound - 1 and inner:
                columns = inner[0].last
        yield number, columns


class WatchedArray(TaggedArray):
    """An array whose rows can be looked at."""

    def elaborate(self, platform):
        module = super().elaborate(platform)
        self.all_rows = [getattr(module.submodules, f"row{n}") for n in range(self._params.rows)]
        return module


@pytest.mark.parametrize("shape, text", CHAINS.items(), ids=str)
def test_rows_are_behind_as_in_the_array(shape, text):
    """In simulation: what the first row of a chain is told, the row below does a period later."""
    machine = loaded(shape).machine
    mapping = choose_folding(machine, loaded(shape).layer(text), Placing())
    trace, fold, period = TaggedTrace(mapping), mapping.fold, mapping.period
    assert fold.chains * fold.groups > 1 < fold.chain
    pe = ScratchpadParams(inputs=16, weights=256, operand_bits=8, sum_bits=24)
    array = WatchedArray(TaggedArrayParams(*machine.design.shape, pe))
    seen = []

    async def bench(ctx):
        ctx.set(array.folding, {"chain": fold.chain, "taps": fold.taps})
        ctx.set(array.start, 1)
        await ctx.tick()
        ctx.set(array.start, 0)
        await ctx.tick().until(array.ready)
        for cycle in range(-1, trace.cycles):
            number, at = divmod(cycle + 1, period)
            ctx.set(array.tick.next, at == 0)
            ctx.set(array.lead.valid, number * period < len(trace.steps))
            ctx.set(array.lead.weight_at, number)
            ctx.set(array.tick.mac, cycle % period < mapping.macs)
            if cycle >= 0:
                row = [
                    ctx.get(one.period.weight_at)
                    if ctx.get(one.period.valid & array.tick.mac)
                    else None
                    for one in array.all_rows
                ]
                seen.append(row)
            await ctx.tick()

    simulator = Simulator(array)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    for cycle, found in enumerate(seen):
        for row, number in enumerate(found[: fold.rows]):
            step = trace.at(cycle, (row, 0))
            working = step is not None and step.kind == "step"
            assert number == (step.cycle // period if working else None), (cycle, row)


def test_why_a_period_is_longer_than_its_macs():
    """The text stands in the page's captions and below the chart's head."""
    early = "an accumulator comes again after 4 cycles at the earliest"
    for shape, text, reason in (
        ((6, 4), "conv2d:k=2,c=1,p=3,q=2,r=3,s=3", early),
        ((4, 14), "conv2d:k=4,c=1,p=14,q=2,r=1,s=1", "the sums of the period before still leave"),
    ):
        design = loaded(shape)
        page, chart = design.draw_steps(text), design.draw_steps(text, page=False)
        assert f"the next period waits: {reason}, no PE works" in page
        blank = [x.text for x in ElementTree.fromstring(chart).iter() if "blank" in (x.text or "")]
        assert len(blank) == 1 and blank[0].endswith(f"the next period waits: {reason}.")
    chart = loaded((6, 4)).draw_steps("conv2d:k=2,c=2,p=4,q=2,r=3,s=3", page=False)
    assert "waits" not in chart and "steps reach it later than the first PE" in chart


def test_a_page_with_a_slider():
    design = rtl_gen.load(FILE)
    page, found = design.draw_steps(), uses(design)
    seen, frames = uses_of_frames(page)
    assert seen == found and f'max="{len(frames) - 1}"' in page and 'class="bus"' in page
    rows, columns = small_array(design.design)
    assert len({pe for _, pe, _ in found}) == 3 * columns <= rows * columns


def test_what_is_too_large_is_refused():
    with pytest.raises(SpecError, match="12 x 14 PEs are too many to follow step by step"):
        loaded((12, 14)).draw_steps(array=(12, 14))
