"""The buffet against a model that says in each cycle what is ready and what comes out."""

import random

import pytest
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.buffer.buffet import Buffet, BuffetParams

GAPS = [(0, 0, 0), (0, 0, 0.7), (0.7, 0, 0), (0, 0.7, 0), (0.5, 0.5, 0.5)]
"""How often nothing is written, nothing is requested, no response is taken."""


def run(component, testbench):
    simulator = Simulator(component)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


class Model:
    """A buffet of unlimited addresses; ``words`` lacks those that were committed unwritten."""

    def __init__(self, depth):
        self.depth, self.head, self.tail, self.words = depth, 0, 0, {}
        self.response = None
        self.last = None  # word read

    @property
    def filled(self):
        return self.tail - self.head

    @property
    def space(self):
        return self.depth - self.filled

    def ready(self, write, commit, request, response_ready):
        free = self.response is None or response_ready
        return (
            write is not None and write["index"] < self.space,
            commit is not None and commit["count"] <= self.space,
            request is not None
            and free
            and (not request["read"] or request["index"] < self.filled)
            and request["shrink"] <= self.filled,
        )

    def step(self, write, commit, request, response_ready):
        """One clock edge; what is not None was taken."""
        if response_ready:
            self.response = None
        if request is not None:
            if request["read"]:
                self.last = self.words.get(self.head + request["index"])
            self.response = (self.last, request["read"], request["tag"])
        if write is not None:
            place = self.tail + write["index"]
            old = self.words.get(place, 0)
            mask = sum(0xFF << 8 * n for n in range(8) if write["strobe"] >> n & 1)
            self.words[place] = (write["data"] & mask) | (old & ~mask)
        if request is not None:
            self.head += request["shrink"]
        if commit is not None:
            self.tail += commit["count"]


class Producer:
    """Writes tiles in a random order, parts of words too, and commits each with its last word.

    Some tiles are committed unwritten.
    """

    def __init__(self, rng, largest, gaps):
        self.rng, self.largest, self.gaps = rng, largest, gaps
        self.writes, self.size, self.late = [], 0, False

    def next_write(self):
        if not self.writes and not self.size:
            self.size = self.rng.randint(1, self.largest)
            order = list(range(self.size)) if self.rng.random() < 0.8 else []
            self.rng.shuffle(order)
            for index in order:
                part = self.rng.choice((0x0F, 0xF0, 0x55))
                for strobe in self.rng.choice(([0xFF], [0xFF, part])):
                    self.writes.append((index, strobe))
            self.late = self.rng.random() < 0.3
        if not self.writes or self.rng.random() < self.gaps:
            return None
        index, strobe = self.writes.pop(0)
        return {"index": index, "data": self.rng.getrandbits(64), "strobe": strobe}

    def next_commit(self, write, space):
        """The tile's commit, in the cycle in which its last word is taken or later."""
        if self.writes or not self.size:
            return None
        if write is not None and (self.late or write["index"] >= space):
            return None
        size, self.size = self.size, 0
        return {"count": size}


def next_request(rng, need, gaps):
    if rng.random() < gaps:
        return None
    read = rng.random() < 0.8
    shrink = rng.choice((0, 0, 1, rng.randint(0, need)))
    index = rng.randrange(need) if read else rng.randrange(4)
    return {"index": index, "read": read, "shrink": shrink, "tag": rng.getrandbits(5)}


def drive(ctx, port, values):
    ctx.set(port.valid, values is not None)
    for name in values or ():
        if name in port.payload.shape().members:
            ctx.set(getattr(port.payload, name), values[name])


@pytest.mark.parametrize(
    "gaps", [(0, 0, 0), (0, 0, 0.7), (0.7, 0, 0), (0, 0.7, 0), (0.5, 0.5, 0.5)]
)
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 64])
def test_every_cycle_is_that_of_the_model(depth, gaps):
    rng = random.Random(f"{depth} {gaps}")
    dut, model = Buffet(64, depth, tag_bits=5, lanes=8), Model(depth)
    tile = max(1, depth // 2)
    need = depth - tile + 1  # whoever waits for so many words leaves room for a tile
    producer = Producer(rng, tile, gaps[0])
    seen = {"reads": 0, "held": 0, "empty": 0, "both": 0, "wraps": 0}

    async def testbench(ctx):
        write = commit = request = None
        for _ in range(500 + 30 * depth):
            if write is None and commit is None:  # a commit that waits moves the tail first
                write = producer.next_write()
            commit = producer.next_commit(write, model.space) if commit is None else commit
            request = next_request(rng, need, gaps[1]) if request is None else request
            response_ready = rng.random() >= gaps[2]
            for port, values in ((dut.write, write), (dut.commit, commit), (dut.request, request)):
                drive(ctx, port, values)
            ctx.set(dut.response.ready, response_ready)

            assert ctx.get(dut.space) == model.space
            assert ctx.get(dut.filled) == model.filled
            ready = model.ready(write, commit, request, response_ready)
            ports = (dut.write, dut.commit, dut.request)
            assert ready == tuple(bool(ctx.get(p.valid) and ctx.get(p.ready)) for p in ports)
            assert ctx.get(dut.response.valid) == (model.response is not None)
            if model.response is not None:
                word, read, tag = model.response
                assert ctx.get(dut.response.payload.read) == read
                assert ctx.get(dut.response.payload.tag) == tag
                assert word is None or ctx.get(dut.response.payload.data) == word
                seen["reads"] += word is not None and response_ready

            offered = (write, commit, request)
            seen["held"] += any(v is not None and not r for v, r in zip(offered[:2], ready[:2]))
            seen["empty"] += model.filled == 0
            seen["both"] += ready[0] and ready[1]
            seen["wraps"] = model.tail // depth
            takes = [v if r else None for v, r in zip(offered, ready)]
            model.step(*takes, response_ready)
            write, commit, request = (None if r else v for v, r in zip(offered, ready))
            await ctx.tick()

    run(dut, testbench)
    assert seen["reads"] > 60
    assert seen["wraps"] >= 2
    assert seen["both"]
    assert seen["empty"] or not gaps[0]
    assert seen["held"] or not gaps[1]


@pytest.mark.parametrize("depth", [1, 2, 5, 8])
def test_a_tile_may_take_all_of_it(depth):
    dut = Buffet(16, depth)

    async def testbench(ctx):
        ctx.set(dut.response.ready, 1)
        for tile in range(3):
            ctx.set(dut.write.valid, 1)
            for index in reversed(range(depth)):
                ctx.set(dut.write.payload.index, index)
                ctx.set(dut.write.payload.data, 100 * tile + index)
                assert ctx.get(dut.write.ready)
                await ctx.tick()
            assert ctx.get(dut.filled) == 0
            ctx.set(dut.write.valid, 0)
            ctx.set(dut.commit.payload.count, depth)
            ctx.set(dut.commit.valid, 1)
            ctx.set(dut.request.payload, {"index": 0, "read": 1, "shrink": depth})
            assert ctx.get(dut.commit.ready)
            assert not ctx.get(dut.request.ready)
            await ctx.tick()
            ctx.set(dut.commit.payload.count, 1)
            ctx.set(dut.write.payload.index, 0)
            assert not ctx.get(dut.commit.ready), "there is no word left"
            assert not ctx.get(dut.write.ready), "there is no word left"
            ctx.set(dut.commit.valid, 0)
            for index in range(depth):
                last = index == depth - 1
                shrink = depth if last else 0
                ctx.set(dut.request.payload, {"index": index, "read": 1, "shrink": shrink})
                ctx.set(dut.request.valid, 1)
                assert ctx.get(dut.request.ready)
                await ctx.tick()
                assert ctx.get(dut.response.payload.data) == 100 * tile + index
            ctx.set(dut.request.valid, 0)
            assert ctx.get(dut.space) == depth

    run(dut, testbench)


def test_a_sliding_window_keeps_the_words_that_it_does_not_retire():
    depth, window, step, tiles = 7, 5, 2, 30
    dut, got = Buffet(16, depth), []

    async def fill(ctx):
        for n in range(window + step * tiles):
            ctx.set(dut.write.payload, {"index": 0, "data": n})
            ctx.set(dut.commit.payload.count, 1)
            ctx.set(dut.write.valid, 0)
            ctx.set(dut.commit.valid, 0)
            while not ctx.get(dut.space):
                await ctx.tick()
            ctx.set(dut.write.valid, 1)
            ctx.set(dut.commit.valid, 1)
            await ctx.tick()
        ctx.set(dut.write.valid, 0)
        ctx.set(dut.commit.valid, 0)

    async def read(ctx):
        ctx.set(dut.response.ready, 1)
        for _ in range(tiles):
            for index in range(window):
                shrink = step if index == window - 1 else 0
                ctx.set(dut.request.payload, {"index": index, "read": 1, "shrink": shrink})
                ctx.set(dut.request.valid, 1)
                _, _, taken = await ctx.tick().sample(dut.request.ready)
                while not taken:
                    _, _, taken = await ctx.tick().sample(dut.request.ready)
                got.append(ctx.get(dut.response.payload.data))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(fill)
    simulator.add_testbench(read)
    simulator.run_until(5e-6)
    assert got == [tile * step + index for tile in range(tiles) for index in range(window)]


def test_a_word_is_written_and_one_read_in_each_of_ten_thousand_cycles():
    dut, cycles, got = Buffet(32, 5), 10_000, 0

    async def testbench(ctx):
        nonlocal got
        ctx.set(dut.write.valid, 1)
        ctx.set(dut.commit.valid, 1)
        ctx.set(dut.commit.payload.count, 1)
        ctx.set(dut.request.valid, 1)
        ctx.set(dut.request.payload, {"index": 0, "read": 1, "shrink": 1})
        ctx.set(dut.response.ready, 1)
        written = 0
        ctx.set(dut.write.payload.data, written)
        sampled = ctx.tick().sample(
            dut.write.ready, dut.commit.ready, dut.response.valid, dut.response.payload.data
        )
        for _ in range(cycles):
            _, _, ready, committed, valid, word = await sampled
            assert ready == committed
            if valid:
                assert word == got
                got += 1
            if ready:
                written += 1
                ctx.set(dut.write.payload.data, written)

    run(dut, testbench)
    assert got >= cycles - 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((64, 0), "buffet depth must be at least 1 word, not 0"),
        ((0, 4), "buffet width must be at least 1 bit, not 0"),
        ((12, 4, 0, 5), "buffet lanes must divide the width of 12 bits, not 5"),
        ((12, 4, 0, 1, -1), "buffet updates must be 0 or more, not -1"),
        ((16, 4, -1), "buffet tag must be 0 or more, not -1"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        BuffetParams(*arguments)


@pytest.mark.parametrize("arguments", [(128, 8192, 4, 16), (128, 5), (8, 2, 1)])
def test_it_becomes_verilog_with_one_module_for_the_memory(arguments):
    text = emit(Buffet, *arguments)
    assert text.count("endmodule") == 2
    assert "initial" not in text
    assert len(text) < 20_000
