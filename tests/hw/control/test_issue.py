"""The issue of steps: in order, at once where nothing forbids it, never where something does."""

import itertools
import random
from collections import deque

import pytest
from control_bench import run
from test_nest import random_config, walk

from rtl_gen.hw.control.issue import Issue
from rtl_gen.hw.control.issue_params import IssueParams
from rtl_gen.isa.descriptors import records
from rtl_gen.isa.widths import Widths

ROOM = 24  # words of the output buffer
APART = 3  # cycles from a step to the next that may read its accumulator
POST_DELAY, WRITE_DELAY = 4, 2  # from a tag to where its parameters end, to its commit


def make(
    *,
    accumulators=0,
    drain=(),
    phases=1,
    gathered=1,
    gather_loops=0,
    levels=3,
    taps=0,
    pieces=False,
    kept=0,
    tick_steps=False,
    checks=0,
    raw=0,
    settle=0,
):
    """Parameters of an issue for a small design; ``kept``: words and sums that a PE keeps."""
    record = records(
        Widths(
            levels=levels,
            dma_levels=2,
            load_checks=1,
            feed_checks=0,
            input_held=False,
            groups=len(drain) + gather_loops,
            input_words=16,
            weight_words=16,
            parameter_words=16,
            output_words=ROOM,
            accumulators=accumulators,
            block=8,
            input_taps=taps,
            output_checks=checks,
            weight_depth=kept,
            sums_kept=kept,
            sums_pieces=pieces,
            tick_steps=tick_steps,
            raw=raw > 0,
        )
    )["compute"]
    forms = tuple((f.name[:-5], f.bits) for f in record.fields if f.name.endswith("_base"))
    return IssueParams(
        record=record,
        levels=levels,
        forms=forms,
        amount_bits=ROOM.bit_length(),
        accumulators=bool(accumulators),
        drain_sizes=drain,
        post_phases=phases,
        gathered_words=gathered,
        gather_loops=gather_loops,
        taps=taps,
        checks=checks,
        pieces=pieces,
        tick_steps=tick_steps,
        raw_cycles=raw,
        settle_cycles=settle,
    )


KINDS = {
    "accumulators behind the array": make(accumulators=4),
    "slow post-processing": make(accumulators=4, phases=3),
    "gathered words": make(accumulators=6, gathered=4, gather_loops=1),
    "gathered and slow": make(accumulators=2, gathered=5, gather_loops=2, phases=2),
    "sums shifted out": make(drain=(3,)),
    "shifted out along two loops, slowly": make(drain=(2, 3), phases=2),
    "shifted out of one row": make(drain=(1,), phases=3),
    "shifted out and gathered": make(drain=(3,), gathered=6, gather_loops=1),
    "shifted out slowly and gathered": make(drain=(2, 2), gathered=12, gather_loops=2, phases=2),
    "moving inputs": make(accumulators=4, taps=3),
    "moving inputs, sums shifted out": make(drain=(3,), taps=2),
    "moving inputs, several steps a tick": make(accumulators=4, taps=2, tick_steps=True),
    "sums in pieces": make(accumulators=3, pieces=True),
    "sums in pieces of several": make(accumulators=4, pieces=True, kept=5, levels=4),
    "several sums shifted out": make(drain=(3,), kept=3),
    "sums that leave as they are": make(accumulators=4, raw=4, settle=7),
    "the same, shifted out": make(drain=(3,), phases=2, raw=3, settle=9),
    "scattered outputs": make(accumulators=4, checks=1),
    "outputs scattered along two ranks": make(accumulators=3, checks=2, phases=2),
}


def draw_config(rng, params):
    """A configuration whose reductions, accumulators and commits meet often."""
    config = random_config(rng, params.nest)
    for field in params.record.fields:
        config.setdefault(field.name, rng.choice(field.range))
    config["tile_words"] = rng.randint(1, 6)
    for j in range(params.levels):
        config[f"commit{j}"] = rng.choice([0, 0, 1, config["tile_words"]])
        if params.accumulators:
            config[f"accumulator{j}"] = rng.choice([0, 0, 1])
    config["commit_end"] = rng.randint(0, config["tile_words"])
    if params.accumulators:
        config["accumulator_base"] = 0
    config["reduce_levels"] = rng.choice([0, 1, 2, 3, 6])
    if params.pieces:
        config["piece_levels"] = rng.choice([0, 1, 1, 2])
        config["reduce_levels"] &= ~config["piece_levels"]
    for form in {"sum", "weight_register"} & dict(params.forms).keys():
        config[f"{form}_base"] = 0
        config |= {f"{form}{j}": rng.choice([0, 1]) for j in range(params.levels)}
    for n in range(params.checks):
        config |= {f"z{n}_base": rng.randint(-2, 2), f"z{n}_limit": rng.randint(1, 5)}
        config |= {f"z{n}{j}": rng.randint(-1, 2) for j in range(params.levels)}
    if params.taps:
        config |= {f"ticks_{when}": rng.choice([0, 0, 1, 4]) for when in ("begin", "run", "step")}
        config["run_levels"] = rng.choice([0, 1, 3])
        if params.tick_steps:
            config["tick_levels"] = rng.choice([0, 1, 1, 3])
        config |= {"x_base": rng.randint(-4, 4), "x_tap": rng.randint(1, 3)}
        config |= {f"x{j}": rng.randint(-2, 2) for j in range(params.levels)}
        config["x_limit"] = rng.randint(1, 9)
    return config


def signed(value, bits):
    return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def belongs(params, config, item) -> bool:
    """Whether the products of a step belong to an output."""
    return all(0 <= item[f"z{n}"] < config[f"z{n}_limit"] for n in range(params.checks))


def tags_of(params, config, item):
    """The tags of a step: its own, or, where it completes sums that are shifted out, the ticks'."""
    bits = dict(params.forms)["out"]
    tag = {
        "first": item["reduce_first"],
        "emit": item["reduce_last"],
        "parameters_done": item["reduce_last"] and item["parameters_last"],
        "word_done": item["word_last"],
        "commit": item["commit"] if item["reduce_last"] else 0,
        "out": item["out"],
        "channel": item["channel"],
    }
    if params.accumulators:
        tag["accumulator"] = item["accumulator"]
    loops = len(params.drain_sizes)
    strides = [config[f"stride{n}"] for n in range(loops + params.gather_loops)]
    if params.gather_loops:
        mask = (1 << bits) - 1
        parts = [(s & mask) << (bits * n) for n, s in enumerate(strides)]
        tag["strides"] = sum(parts)
    if params.raw_cycles:
        tag |= {name: config[name] for name in ("raw", "raw_stride")}
    if (params.pieces and not item["piece_last"]) or not belongs(params, config, item):
        return []
    if not params.drain_sizes:
        return [tag]
    if not item["reduce_last"]:
        return []
    trips = list(itertools.product(*(range(n) for n in params.drain_sizes)))
    found = []
    for n, trip in enumerate(trips):
        out = item["out"] + config["start"] + sum(a * b for a, b in zip(trip, strides))
        end = n == len(trips) - 1
        found.append(
            tag
            | {
                "out": signed(out, bits),
                "commit": tag["commit"] if end else 0,
                "word_done": tag["word_done"] and end,
                "parameters_done": tag["parameters_done"] and end,
            }
        )
    return found


class Surroundings:
    """The output buffer, the parameters and what lies behind the array, for one run."""

    def __init__(self, rng, params, generous):
        self.rng, self.params, self.generous = rng, params, generous
        self.cycle = 0
        self.space = ROOM
        self.sets = 2 if generous else 0
        self.promised = 0
        self.owed = 0
        self.commits = deque()  # (cycle, words) on their way
        self.uses = deque()  # cycles in which a set of parameters is used up
        self.stored = deque()  # words that the store engine will give back
        self.touched = {}  # accumulator: cycle of its last step that did not complete it
        self.last_emitted = self.last_gathered = self.last_raw = self.last_int8 = -99

    def drive(self, ctx, dut, due=True):
        """What the ports carry in this cycle."""
        assert ctx.get(dut.pending) == (self.promised != 0)
        self.committed = self.used = 0
        if self.commits and self.commits[0][0] <= self.cycle:
            self.committed = self.commits.popleft()[1]
        if self.uses and self.uses[0] <= self.cycle:
            self.used = 1
            self.uses.popleft()
        self.ready = self.generous or self.rng.random() < 0.7
        ctx.set(dut.operands_ready, self.ready and due)
        if self.params.taps:
            self.fed = self.ready or self.rng.random() < 0.7
            ctx.set(dut.input_ready, self.fed)
        ctx.set(dut.space, self.space)
        ctx.set(dut.committed, self.committed)
        ctx.set(dut.parameter_sets, self.sets)
        ctx.set(dut.parameters_used, self.used)

    def may_emit(self, config, tag) -> bool:
        """Whether a complete sum may leave in this cycle."""
        return (
            self.space >= config["tile_words"] + self.promised
            and self.sets > self.owed
            and self.cycle - self.last_emitted >= self.params.post_phases
            and self.cycle - self.last_raw >= self.params.raw_cycles
            and (not tag.get("raw") or self.cycle - self.last_int8 >= self.params.settle_cycles)
            and (
                not tag["word_done"]
                or self.cycle - self.last_gathered >= self.params.gathered_words
            )
        )

    def hazard(self, item) -> bool:
        """Whether a step would read an accumulator that is not yet written back."""
        if not self.params.accumulators or item["reduce_first"]:
            return False
        if self.params.pieces and not item["piece_last"]:
            return False
        return self.cycle - self.touched.get(item["accumulator"], -99) < APART

    def note(self, tag):
        """A tag went."""
        if not tag["emit"]:
            return
        self.last_emitted = self.cycle
        if tag.get("raw"):
            self.last_raw = self.cycle
        else:
            self.last_int8 = self.cycle
        if tag["word_done"]:
            self.last_gathered = self.cycle
        self.promised += tag["commit"]
        if tag["commit"]:
            last = self.commits[-1][0] if self.commits else 0
            due = max(last + 1, self.cycle + WRITE_DELAY + self.rng.randint(0, 3))
            self.commits.append((due, tag["commit"]))
        if tag["parameters_done"]:
            self.owed += 1
            last = self.uses[-1] if self.uses else 0
            self.uses.append(max(last + 1, self.cycle + POST_DELAY))

    def advance(self):
        """The clock edge."""
        self.promised -= self.committed
        self.space -= self.committed
        self.owed -= self.used
        self.sets -= self.used
        self.stored.extend([1] * self.committed)
        while self.stored and (self.generous or self.rng.random() < 0.4):
            self.space += self.stored.popleft()
        if self.sets < 2 and (self.generous or self.rng.random() < 0.2):
            self.sets += 1
        self.cycle += 1


async def walk_layer(ctx, dut, params, config, outside):
    """One layer: every step and every tag in order, each in the first cycle in which it may go."""
    names = [name for name, _ in params.tag]
    for n, item in enumerate(walk(params.nest, config)):
        tags = tags_of(params, config, item)
        draining = False
        for _ in range(ticks_before(params, config, item, n)):
            await idle_tick(ctx, dut, outside)
        while True:
            outside.drive(ctx, dut)
            assert ctx.get(dut.busy)
            if params.taps:
                assert ctx.get(dut.due) or draining
                ends = not params.tick_steps or item["tick_last"]
                assert ctx.get(dut.tick) == (ctx.get(dut.go) and ends)
            touches = not params.pieces or item["piece_last"]
            gives = touches and belongs(params, config, item)
            completes = item["reduce_last"] and gives and not params.drain_sizes
            if not draining:
                go = outside.ready and not outside.hazard(item)
                go = go and (not completes or outside.may_emit(config, tags[0]))
                assert ctx.get(dut.go) == go, f"cycle {outside.cycle}: {item}"
                assert not ctx.get(dut.drain)
                tag_goes = go and gives and not params.drain_sizes
            else:
                go = False
                tag_goes = outside.may_emit(config, tags[0])
                assert not ctx.get(dut.go)
                assert ctx.get(dut.drain) == tag_goes, f"cycle {outside.cycle}: {tags[0]}"
                if "sum" in dict(params.forms):
                    assert ctx.get(dut.step)["sum"] == item["sum"], "of the sum that is shifted out"
            assert ctx.get(dut.tag_valid) == tag_goes
            if go:
                check_step(ctx, dut, params, config, item)
                if params.accumulators and touches and not item["reduce_last"]:
                    outside.touched[item["accumulator"]] = outside.cycle
            if tag_goes:
                found = ctx.get(dut.tag)
                want = tags.pop(0)
                assert {name: found[name] for name in names} == want, f"cycle {outside.cycle}"
                outside.note(want)
            await ctx.tick()
            ctx.set(dut.start, 0)
            outside.advance()
            if go or draining:
                draining = bool(tags)
                if not tags:
                    break


def ticks_before(params, config, item, n) -> int:
    """Ticks without a step before the n-th step."""
    if not params.taps or (n and params.tick_steps and not item["tick_first"]):
        return 0
    when = "begin" if n == 0 else "run" if item["run_first"] else "step"
    return config[f"ticks_{when}"]


async def idle_tick(ctx, dut, outside):
    """A tick without a step, when the input is there; it asks for nothing else."""
    went = False
    while not went:
        outside.drive(ctx, dut, due=False)
        assert ctx.get(dut.busy) and not ctx.get(dut.due) and not ctx.get(dut.go)
        assert not ctx.get(dut.tag_valid) and not ctx.get(dut.drain)
        went = outside.fed
        assert ctx.get(dut.tick) == went
        await ctx.tick()
        ctx.set(dut.start, 0)
        outside.advance()


def check_step(ctx, dut, params, config, item):
    shape = dict(params.forms)
    step = ctx.get(dut.step)
    assert step["first"] == item["piece_first" if params.pieces else "reduce_first"]
    assert step["input_done"] == item["input_last"]
    assert step["weights_done"] == item["weights_last"]
    assert step["weight_align"] == item["weight_run_last"]
    for name in {"byte", "weight_register", "sum"} & shape.keys():
        assert step[name] == item[name]
    if "x" in shape:
        places = [item["x"] + tap * config["x_tap"] for tap in range(params.taps)]
        outside = [not 0 <= at < config["x_limit"] for at in places]
        assert step["outside"] == sum(bit << tap for tap, bit in enumerate(outside))


@pytest.mark.parametrize("generous", [True, False], ids=["room", "stalls"])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_go_when_they_may(kind, generous):
    params, rng = KINDS[kind], random.Random(f"{kind} {generous}")
    dut, outside = Issue(params), Surroundings(rng, params, generous)

    async def bench(ctx):
        for _ in range(14):
            config = draw_config(rng, params)
            ctx.set(dut.config, {f.name: config[f.name] for f in params.record.fields})
            ctx.set(dut.start, 1)
            outside.drive(ctx, dut)
            ctx.set(dut.operands_ready, 0)
            await ctx.tick()
            ctx.set(dut.start, 0)
            outside.advance()
            await walk_layer(ctx, dut, params, config, outside)
            assert not ctx.get(dut.busy)

    run(dut, bench, cycles=60_000)


def test_a_step_each_cycle_where_nothing_forbids_it():
    params = KINDS["accumulators behind the array"]
    dut = Issue(params)
    config = {f.name: 0 for f in params.record.fields}
    config |= {"bound0": 3, "last0": 3, "bound1": 5, "last1": 5}
    config |= {"accumulator0": 1, "reduce_levels": 2, "parameters_levels": 3}

    async def bench(ctx):
        ctx.set(dut.config, config)
        ctx.set(dut.operands_ready, 1)
        ctx.set(dut.parameter_sets, 1)
        ctx.set(dut.space, ROOM)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(4 * 6):
            assert ctx.get(dut.go)
            await ctx.tick()
        assert not ctx.get(dut.busy) and not ctx.get(dut.go)

    run(dut, bench)
