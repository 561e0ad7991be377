"""A host port with a host, for tests."""

from axi_lite_bench import Master, obeys_axi_rules
from control_bench import run

from rtl_gen.hw.control.host import HostPort
from rtl_gen.isa.capabilities import Capabilities
from rtl_gen.isa.registers import BY_NAME
from rtl_gen.isa.widths import Widths

__all__ = ["PRESENT", "WIDTHS", "Bench", "capabilities"]

WIDTHS = Widths(
    levels=12,
    dma_levels=8,
    load_checks=2,
    feed_checks=3,
    input_held=True,
    groups=2,
    input_words=8192,
    weight_words=4096,
    parameter_words=1024,
    output_words=8000,
    accumulators=1024,
    block=16,
)
PRESENT = ("load_input", "compute", "store")


def capabilities(engines=PRESENT):
    return Capabilities(
        rows=12,
        columns=14,
        operand_bits=8,
        accumulator_bits=27,
        bus_bits=128,
        post_lanes=4,
        queue_words=256,
        widths=WIDTHS,
        engines=engines,
        design_hash=0xFEDC_BA98_7654_3210,
    )


class Bench:
    """A host port, a host, and queues that always take."""

    def __init__(self, engines=PRESENT, stall=0.0, seed=0):
        self.dut = HostPort(capabilities(engines))
        self.master = Master(self.dut, seed, stall)

    async def read(self, ctx, name):
        return await self.master.read(ctx, BY_NAME[name].offset)

    async def write(self, ctx, name, data):
        response, _ = await self.master.write(ctx, BY_NAME[name].offset, data)
        return response

    async def status(self, ctx):
        return BY_NAME["STATUS"].unpack(await self.read(ctx, "STATUS"))

    async def layer(self, ctx, interrupt):
        ctx.set(self.dut.layer_done, 1)
        ctx.set(self.dut.layer_interrupt, interrupt)
        await ctx.tick()
        ctx.set(self.dut.layer_done, 0)
        ctx.set(self.dut.layer_interrupt, 0)

    def run(self, *benches, checks=()):
        run(self.dut, *benches, checks=[obeys_axi_rules(self.dut), *checks])
