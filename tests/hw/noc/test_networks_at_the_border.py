"""Networks of fixed routes: words at their outputs when they should be there, and sums of some."""

import random

import pytest
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

from rtl_gen.hw.noc.adder_tree import AdderTree
from rtl_gen.hw.noc.collection import Collection
from rtl_gen.hw.noc.distribution import Distribution
from rtl_gen.hw.noc.network import Routes, Tap
from rtl_gen.hw.place import ModuleLibrary


def check(dut, routes: Routes, seed: str, cycles: int = 60) -> None:
    """Compare the outputs with the sums of what came in, for words of all kinds."""
    rng, sent = random.Random(seed), []
    width, mask = routes.width, (1 << routes.width) - 1
    kinds = (0, mask, 1 << (width - 1), mask >> 1)

    async def bench(ctx):
        for time in range(cycles):
            words = [rng.choice((*kinds, rng.getrandbits(width))) for _ in range(routes.inputs)]
            sent.append(words)
            ctx.set(dut.i, sum(word << (width * n) for n, word in enumerate(words)))
            got = ctx.get(dut.o)
            for k, taps in enumerate(routes.outputs):
                parts = [sent[time - d][n] if time >= d else 0 for n, d in taps]
                want = sum(parts) & mask
                assert got >> (width * k) & mask == want, f"{seed}: output {k} at {time}"
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("delays", [(0, 1, 2, 3), (3, 0, 0, 5, 1), (2,), (0, 0), (4, 4, 4)])
@pytest.mark.parametrize("width", [1, 8, 19])
def test_each_lane_has_its_delay(delays, width):
    """A word for each lane: the systolic edge."""
    routes, words = Routes.from_lanes(width, [*range(len(delays))], [*delays])
    assert words == [*range(len(delays))]
    check(Distribution(routes), routes, f"{delays} {width}")


@pytest.mark.parametrize("seed", range(5))
def test_lanes_of_one_word_take_from_one_chain(seed):
    """Broadcast, trees, and words that nobody takes late."""
    rng = random.Random(seed)
    words = [rng.choice("abc") for _ in range(7)]
    delays = [rng.randrange(5) for _ in words]
    routes, distinct = Routes.from_lanes(7, words, delays)
    assert distinct == sorted(distinct, key=words.index)
    check(Distribution(routes), routes, f"{seed}: {words} {delays}")
    longest = {word: max(d for w, d in zip(words, delays) if w == word) for word in distinct}
    assert _flip_flops(Distribution, routes) == 7 * sum(longest.values())


@pytest.mark.parametrize("seed", range(8))
def test_a_collection_adds_what_belongs_together(seed):
    rng = random.Random(f"collection {seed}")
    inputs, width = rng.choice([1, 5, 11]), rng.choice([2, 13, 20])
    outputs = []
    for _ in range(rng.randint(1, 4)):
        chosen = rng.sample(range(inputs), rng.randint(1, inputs))
        outputs.append(tuple(Tap(n, rng.randrange(4)) for n in chosen))
    routes = Routes(width, inputs, tuple(outputs))
    check(Collection(routes), routes, f"{seed}: {outputs}")
    waits = [max(tap.delay for tap in taps) for taps in outputs]
    assert _flip_flops(Collection, routes) == width * sum(waits)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_adder_tree(count):
    dut = AdderTree(count, 11)
    check(dut, Routes(11, count, (tuple(Tap(n, 0) for n in range(count)),)), f"{count}")


def test_routes_that_cannot_be():
    with pytest.raises(ValueError, match="output 1 is made of no input"):
        Routes(8, 1, ((Tap(0, 0),), ()))
    with pytest.raises(ValueError, match="output 0: there is no input 1"):
        Routes(8, 1, ((Tap(1, 0),),))
    with pytest.raises(ValueError, match="a delay of -1 cycles is in the past"):
        Routes(8, 1, ((Tap(0, -1),),))
    with pytest.raises(ValueError, match="each lane carries one word"):
        Distribution(Routes(8, 2, ((Tap(0, 0), Tap(1, 0)),))).elaborate(None)


def _flip_flops(kind, routes: Routes) -> int:
    """Bits of the registers that a network becomes."""
    library = ModuleLibrary()
    text = library.modules[library.component(kind, routes).module_name]
    lines = text.splitlines()
    found = 0
    for n, line in enumerate(lines):
        if line.strip().startswith("cell $dff"):
            found += int(next(x for x in lines[n:] if "\\WIDTH" in x).split()[-1])
    return found
