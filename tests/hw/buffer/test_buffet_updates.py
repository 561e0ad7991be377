"""Words of a buffet that are read, changed and written back in place."""

import random
from collections import deque

import pytest
from amaranth.sim import Simulator

from rtl_gen.flow.verilog import emit
from rtl_gen.hw.buffer.banks import Banks
from rtl_gen.hw.buffer.buffet import Buffet


def run(component, testbench):
    simulator = Simulator(component)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()


class Window:
    """What a buffet holds, by absolute place; a request is checked when it is taken."""

    def __init__(self):
        self.words, self.head, self.tail = {}, 0, 0
        self.owed = {}  # ticket -> place
        self.expected = deque()

    def take(self, request, ticket_of):
        place = self.head + request["index"]
        if request["read"]:
            assert place < self.tail, "a word was read before it was filled"
            assert place not in self.owed.values(), "a word was read before its update"
            self.expected.append((place, self.words[place], request["will_update"]))
        assert self.head + request["shrink"] <= self.tail, "words left before they were filled"
        leaving = range(self.head, self.head + request["shrink"])
        assert not set(leaving) & set(self.owed.values()), "a word left before its update"
        if request["read"] and request["will_update"]:
            self.owed[ticket_of] = place
        self.head += request["shrink"]


def next_request(rng, most):
    index = rng.randrange(most)
    shrink = rng.choice((0, 0, 1, rng.randint(0, most)))
    marks = rng.random() < 0.5 and index >= shrink  # what leaves cannot be updated
    read = marks or rng.random() < 0.8
    return {"index": index, "read": read, "will_update": marks, "shrink": shrink}


@pytest.mark.parametrize("updates", [1, 2, 5])
@pytest.mark.parametrize("depth", [1, 2, 3, 7, 16])
def test_reads_wait_for_updates_and_see_them(depth, updates):
    rng = random.Random(f"{depth} {updates}")
    dut, model = Buffet(16, depth, updates=updates, in_order=True), Window()
    most = max(1, depth // 2)
    seen = {"updates": 0, "read again": 0, "waited": 0}

    async def testbench(ctx):
        write = request = update = None
        offers, changed = [], set()
        for _ in range(3000):
            if write is None and rng.random() < 0.7:
                write = rng.getrandbits(16)
            request = request or (next_request(rng, most) if rng.random() < 0.8 else None)
            if update is None and offers and rng.random() < 0.5:
                update = offers.pop(rng.randrange(len(offers)))  # in any order
            ctx.set(dut.write.valid, write is not None)
            ctx.set(dut.write.payload, {"data": write or 0})
            ctx.set(dut.request.valid, request is not None)
            if request:
                ctx.set(dut.request.payload, request)
            ctx.set(dut.update.valid, update is not None)
            if update:
                ctx.set(dut.update.payload, update)
            ctx.set(dut.response.ready, rng.random() < 0.8)
            assert ctx.get(dut.filled) == model.tail - model.head
            assert ctx.get(dut.space) == depth - (model.tail - model.head)

            wrote = write is not None and ctx.get(dut.write.ready)
            asked = request is not None and ctx.get(dut.request.ready)
            updated = update is not None and ctx.get(dut.update.ready)
            if ctx.get(dut.response.valid) and ctx.get(dut.response.ready):
                response = dut.response.payload
                if ctx.get(response.read):
                    place, word, marks = model.expected.popleft()
                    assert ctx.get(response.data) == word
                    seen["read again"] += place in changed
                    if marks:
                        ticket = ctx.get(response.ticket)
                        model.owed[ticket] = model.owed.pop(("asked", place))
                        offers.append({"ticket": ticket, "data": rng.getrandbits(16)})
            seen["waited"] += request is not None and not asked
            await ctx.tick()
            # what was taken takes effect together, the request on the window before the update
            if asked:
                model.take(request, ("asked", model.head + request["index"]))
                request = None
            if updated:
                place = model.owed.pop(update["ticket"])
                model.words[place] = update["data"]
                changed.add(place)
                seen["updates"] += 1
                update = None
            if wrote:
                model.words[model.tail] = write
                model.tail += 1
                write = None

    run(dut, testbench)
    assert seen["updates"] > 100
    assert seen["waited"]
    assert seen["read again"] > 10 or depth == 1


def rate(order, depth=16, updates=4, cycles=10_000):
    """Words filled, read and updated in some cycles, each three cycles after its request.

    ``order`` gives the index that each request reads in a window that moves on by one.
    """
    dut = Buffet(32, depth, updates=updates, in_order=True)
    done = {"fills": 0, "reads": 0, "updates": 0}

    async def testbench(ctx):
        pipeline, update, asked = deque([None]), None, 0
        ctx.set(dut.write.valid, 1)
        ctx.set(dut.request.valid, 1)
        for _ in range(cycles):
            index = order(asked)
            ctx.set(dut.request.payload, {"index": index, "read": 1, "will_update": 1, "shrink": 1})
            ctx.set(dut.update.valid, update is not None)
            if update is not None:
                ctx.set(dut.update.payload, {"ticket": update, "data": 0})
            free = update is None or ctx.get(dut.update.ready)
            ctx.set(dut.response.ready, free)
            done["updates"] += update is not None and ctx.get(dut.update.ready)
            done["fills"] += ctx.get(dut.write.ready)
            took = ctx.get(dut.request.ready)
            done["reads"] += took
            asked += took
            answer = None
            if free and ctx.get(dut.response.valid):
                answer = ctx.get(dut.response.payload.ticket)
            await ctx.tick()
            if free:
                pipeline.append(answer)
                update = pipeline.popleft()

    run(dut, testbench)
    return {name: count / cycles for name, count in done.items()}


def test_a_fill_a_read_and_an_update_in_each_of_ten_thousand_cycles():
    rates = rate(lambda n: 8)
    assert min(rates.values()) >= 0.998, rates


def test_updates_in_another_order_stall_as_often_as_stated():
    rng = random.Random(5)
    order = [rng.randint(4, 12) for _ in range(10_001)]
    rates = rate(order.__getitem__)
    # reads wait for words that are still to be updated, fills and updates for their bank
    assert 0.5 <= min(rates.values()) <= 0.65, rates


@pytest.mark.parametrize("addresses", [(1, 3), (2, 2)])
def test_writes_that_meet_in_one_bank_take_turns(addresses):
    """Neither is starved, however long the other goes on."""
    dut, turns = Banks(8, 6), []

    async def testbench(ctx):
        for port, address in zip(("fill", "update"), addresses):
            ctx.set(getattr(dut, f"{port}_enable"), 1)
            ctx.set(getattr(dut, f"{port}_address"), address)
        for _ in range(6):
            turns.append((ctx.get(dut.fill_ready), ctx.get(dut.update_ready)))
            await ctx.tick()

    run(dut, testbench)
    assert turns == [(1, 0), (0, 1)] * 3


def test_it_becomes_verilog():
    text = emit(Buffet, 32, 12, 3, 4, 2)
    assert text.count("\nmodule ") == 4  # buffet, banks, scoreboard, and one kind of memory
