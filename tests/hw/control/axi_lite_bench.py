"""An AXI4-Lite master for Amaranth's simulator: address and data apart, random stalls, checks."""

import random

OKAY, SLVERR = 0, 2
CHANNELS = {
    "aw": ("awaddr",),
    "w": ("wdata", "wstrb"),
    "b": ("bresp",),
    "ar": ("araddr",),
    "r": ("rdata", "rresp"),
}


class Master:
    """Writes and reads registers of ``dut``; each of its waits is bounded."""

    def __init__(self, dut, seed=0, stall=0.0, bound=2_000):
        self.dut, self.stall, self.bound = dut, stall, bound
        self.rng = random.Random(seed)

    def pin(self, name):
        return getattr(self.dut, f"s_axi_{name}")

    def _stalls(self):
        return self.rng.random() < self.stall

    async def write(self, ctx, address, data, strobes=0b1111):
        """Write; return the response and the cycles it took."""
        due = {"aw": {"awaddr": address}, "w": {"wdata": data, "wstrb": strobes}}
        for cycles in range(self.bound):
            for channel, pins in due.items():
                if not ctx.get(self.pin(f"{channel}valid")) and not self._stalls():
                    for name, value in pins.items():
                        ctx.set(self.pin(name), value)
                    ctx.set(self.pin(f"{channel}valid"), 1)
            ctx.set(self.pin("bready"), not self._stalls())
            sampled = await self._tick(ctx, ("aw", "w", "b"), ("bresp",))
            for channel in ("aw", "w"):
                if sampled[channel]:
                    del due[channel]
                    ctx.set(self.pin(f"{channel}valid"), 0)
            if sampled["b"]:
                assert not due, "a response before address and data"
                ctx.set(self.pin("bready"), 0)
                return sampled["bresp"], cycles + 1
        raise TimeoutError(f"write to {address:#x}: no response in {self.bound} cycles")

    async def read(self, ctx, address):
        """Read; return the data."""
        due = True
        for _ in range(self.bound):
            if due and not ctx.get(self.pin("arvalid")) and not self._stalls():
                ctx.set(self.pin("araddr"), address)
                ctx.set(self.pin("arvalid"), 1)
            ctx.set(self.pin("rready"), not self._stalls())
            sampled = await self._tick(ctx, ("ar", "r"), ("rdata", "rresp"))
            if sampled["ar"]:
                due = False
                ctx.set(self.pin("arvalid"), 0)
            if sampled["r"]:
                assert not due, "data before the address"
                assert sampled["rresp"] == OKAY
                ctx.set(self.pin("rready"), 0)
                return sampled["rdata"]
        raise TimeoutError(f"read of {address:#x}: no data in {self.bound} cycles")

    async def _tick(self, ctx, channels, values):
        """One cycle; which channels transferred, and some pins, as of its end."""
        taken = [self.pin(f"{c}valid") & self.pin(f"{c}ready") for c in channels]
        _, _, *sampled = await ctx.tick().sample(*taken, *map(self.pin, values))
        return dict(zip((*channels, *values), sampled))


def obeys_axi_rules(dut):
    """What the slave offers holds until it is taken; its outputs see no input of their cycle."""

    async def testbench(ctx):
        held = {}
        while True:
            pins = [getattr(dut, f"s_axi_{name}") for c in ("b", "r") for name in CHANNELS[c]]
            valid = [dut.s_axi_bvalid, dut.s_axi_bready, dut.s_axi_rvalid, dut.s_axi_rready]
            _, _, bv, br, rv, rr, bresp, rdata, rresp = await ctx.tick().sample(*valid, *pins)
            offers = {"b": (bv, br, (bresp,)), "r": (rv, rr, (rdata, rresp))}
            for channel, (is_valid, ready, payload) in offers.items():
                if channel in held:
                    assert is_valid, f"{channel}valid dropped before the transfer"
                    assert payload == held[channel], f"{channel} changed before the transfer"
                held.pop(channel, None)
                if is_valid and not ready:
                    held[channel] = payload

    return testbench
