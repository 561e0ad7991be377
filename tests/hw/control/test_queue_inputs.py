"""Words of the host and of a program on their way to the queues."""

import random

import pytest
from amaranth.sim import Simulator
from control_bench import stalls

from rtl_gen.hw.control.queue_inputs import QueueInputs

ENGINES = (0, 2, 5)
QUEUES = len(ENGINES)


@pytest.mark.parametrize("stall", [0, 0.5])
def test_each_word_reaches_its_queue_and_the_hosts_wait_for_the_program(stall):
    """A program of 40 words in the middle of the host's; each has queues that take now and then."""
    dut, rng = QueueInputs(ENGINES), random.Random(stall)
    packets = [(rng.getrandbits(32), rng.randrange(QUEUES)) for _ in range(40)]
    pushed = [(rng.getrandbits(32), rng.randrange(QUEUES)) for _ in range(40)]
    got, order = [[] for _ in range(QUEUES)], []

    async def bench(ctx):
        waits, words, left = stalls(1, stall), list(pushed), list(packets)
        for _ in range(1000):
            fetching = len(words) <= 20 and bool(left)
            ctx.set(dut.fetching, fetching)
            ctx.set(dut.packets.valid, fetching and not next(waits))
            if left:
                ctx.set(dut.packets.payload, {"word": left[0][0], "engine": ENGINES[left[0][1]]})
            for n, host in enumerate(dut.host):
                ctx.set(host.valid, bool(words) and words[0][1] == n)
                ctx.set(host.payload, words[0][0] if words else 0)
            for queue in dut.queues:
                ctx.set(queue.ready, not next(waits))
            ready = [ctx.get(host.ready) for host in dut.host]
            takes = ctx.get(dut.packets.valid) and ctx.get(dut.packets.ready)
            for n, queue in enumerate(dut.queues):
                if ctx.get(queue.valid) and ctx.get(queue.ready):
                    got[n].append(ctx.get(queue.payload))
            if words and ready[words[0][1]]:
                assert not fetching
                order.append(words.pop(0))
            if takes:
                order.append(left.pop(0))
            await ctx.delay(1e-6)

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
    assert order == [*pushed[:20], *packets, *pushed[20:]]
    for n in range(QUEUES):
        assert got[n] == [word for word, engine in order if engine == n]
