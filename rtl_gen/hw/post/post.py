"""Post-processing: complete sums become int8 outputs."""

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...isa.descriptors import POST
from ..control.delay_line import DelayLine
from ..delayed import delayed
from ..layouts import layout_of
from ..place import place
from .requantize import RequantizeLane, RequantizeParams

__all__ = ["Post", "PostParams"]

BIAS_BITS = 32
MULTIPLIER_BITS = 31


@dataclass(frozen=True, kw_only=True)
class PostParams:
    """What post-processing is built for.

    Parameters
    ----------
    channels
        Channel of each sum in its block, while ``channel`` is 0.
    block
        Channels of a block.
    channel_moves
        Whether ``channel`` is ever anything but 0.
    lanes
        Requantizers.
    acc_bits
        Bits of a sum.
    tag_bits
        Bits that travel with the sums of a step.
    scales
        Whether sums may bring a factor of their own, and multipliers be negative.
    """

    channels: tuple[int, ...]
    block: int
    channel_moves: bool
    lanes: int
    acc_bits: int
    tag_bits: int
    scales: bool = False

    @property
    def phases(self) -> int:
        """Cycles for the sums of a step."""
        return -(-len(self.channels) // self.lanes)

    @property
    def parameter_bits(self) -> int:
        """A block's biases, then multipliers, then shifts: 32, 32 and 8 bits a channel."""
        return 72 * self.block


class Post(wiring.Component):
    """Adds the bias, requantizes and clamps, ``lanes`` sums a cycle.

    Sums may come every ``phases`` cycles. Parameters are those of the present block of channels;
    ``used`` is high in the cycle in which they are needed for the last time.

    Members
    -------
    valid : ``In(1)``, sums : ``In(acc_bits * len(channels))``, channel : ``In(range(block))``
        The sums of a step, all in one cycle; their first channel in the block.
    last : ``In(1)``, tag : ``In(tag_bits)``
        The parameters end here; what goes along with the outputs.
    parameters : ``In(params.parameter_bits)``, layer : ``In(layout_of(POST))``
    scaled : ``In(1)``, multiplier : ``In(31)``, shift : ``In(signed(6))``
        Only with ``scales``, through all phases: the factor of all channels, if ``scaled``.
    used : ``Out(1)``
    out_valid : ``Out(1)``, outputs : ``Out(8 * lanes)``, out_tag : ``Out(tag_bits)``
        The outputs of sums ``phase * lanes`` and following, 4 + ``phase`` cycles after the sums.
    phase : ``Out(range(phases))``
    overflow : ``Out(1)``
        With the outputs: a sum and its bias did not fit, and wrapped.
    """

    def __init__(self, params: PostParams):
        self._params = params
        self.module_name = "post"
        scale = {"scaled": In(1), "multiplier": In(MULTIPLIER_BITS), "shift": In(signed(6))}
        super().__init__(
            (scale if params.scales else {})
            | {
                "valid": In(1),
                "sums": In(params.acc_bits * len(params.channels)),
                "channel": In(range(params.block)),
                "last": In(1),
                "tag": In(params.tag_bits),
                "parameters": In(params.parameter_bits),
                "layer": In(layout_of(POST)),
                "used": Out(1),
                "out_valid": Out(1),
                "outputs": Out(8 * params.lanes),
                "phase": Out(range(max(2, params.phases))),
                "out_tag": Out(params.tag_bits),
                "overflow": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        params = self._params
        lane = RequantizeParams(
            acc_bits=params.acc_bits, bias_bits=BIAS_BITS, signed_multiplier=params.scales
        )
        active, phase, sums, channel, last, tag = self._serialize(m)
        m.d.comb += self.used.eq(active & last & (phase == params.phases - 1))

        delay = place(
            m, platform, "tags", DelayLine, params.tag_bits + len(self.phase), lane.latency
        )
        m.d.comb += [
            delay.valid.eq(active),
            delay.payload.eq(Cat(tag, phase)),
            self.out_valid.eq(delay.late_valid),
            Cat(self.out_tag, self.phase).eq(delay.late_payload),
        ]
        limits = {}
        for name in ("output_zero", "act_min", "act_max"):
            limits[name] = delayed(m, self.layer[name], lane.layer_delay, name=name)
        overflows = Signal(params.lanes)
        for n in range(params.lanes):
            requantizer = place(m, platform, f"lane{n}", RequantizeLane, lane)
            chosen = [k for k in range(n, len(params.channels), params.lanes)]
            value = self._of_phase(phase, [sums[k] for k in chosen])
            at = self._of_phase(phase, [params.channels[k] for k in chosen])
            bias, multiplier, shift = self._parameters(m, n, at, channel, len(chosen) > 1)
            m.d.comb += [
                requantizer.accumulator.eq(value),
                requantizer.bias.eq(bias),
                requantizer.multiplier.eq(multiplier),
                requantizer.shift.eq(shift),
                requantizer.single_rounding.eq(self.layer.single_rounding),
                self.outputs[8 * n : 8 * n + 8].eq(requantizer.output),
                overflows[n].eq(requantizer.overflow & self.out_valid),
            ]
            for name, value in limits.items():
                m.d.comb += getattr(requantizer, name).eq(value)
        m.d.comb += self.overflow.eq(overflows.any())
        return m

    def _serialize(self, m):
        """The sums at hand and the phase; kept over the phases if there are several."""
        params, bits = self._params, self._params.acc_bits
        fields = (self.sums, self.channel, self.last, self.tag)
        active, phase = self.valid, Signal(self.phase.shape(), name="input_phase")
        if params.phases > 1:
            kept = [Signal.like(value, name=f"kept{n}") for n, value in enumerate(fields)]
            working = Signal()
            with m.If(self.valid):
                m.d.sync += [old.eq(new) for old, new in zip(kept, fields)]
            with m.If(self.valid):
                m.d.sync += [phase.eq(1), working.eq(1)]
            with m.Elif(phase == params.phases - 1):
                m.d.sync += [phase.eq(0), working.eq(0)]
            with m.Elif(working):
                m.d.sync += phase.eq(phase + 1)
            active = self.valid | working
            fields = [Mux(self.valid, new, old) for new, old in zip(fields, kept)]
        sums, channel, last, tag = fields
        whole = Signal(self.sums.shape(), name="sums_now")
        m.d.comb += whole.eq(sums)
        values = [whole[k * bits : (k + 1) * bits].as_signed() for k in range(len(params.channels))]
        return active, phase, values, channel, last, tag

    def _of_phase(self, phase, values):
        """The value that belongs to a lane in this phase."""
        return values[0] if len(values) == 1 else Array(values)[phase]

    def _parameters(self, m, n, at, channel, several):
        """Bias, multiplier and shift of a lane's channel."""
        params, block = self._params, self._params.block
        where = at
        if params.channel_moves or several:
            where = Signal(range(block), name=f"channel{n}")
            m.d.comb += where.eq(at + channel if params.channel_moves else at)
        bias = self.parameters[: 32 * block]
        multiplier = self.parameters[32 * block : 64 * block]
        shift = self.parameters[64 * block :]
        own_bias = _word(bias, where, 32)[:BIAS_BITS].as_signed()
        own_multiplier, own_shift = _word(multiplier, where, 32), _word(shift, where, 8)
        own_shift = own_shift[:6].as_signed()
        if not params.scales:
            return own_bias, own_multiplier[:MULTIPLIER_BITS], own_shift
        return (
            own_bias,
            Mux(self.scaled, self.multiplier, own_multiplier.as_signed()),
            Mux(self.scaled, self.shift, own_shift),
        )


def _word(value, number, bits):
    """One of the equal parts of a value."""
    if isinstance(number, int):
        return value[number * bits : (number + 1) * bits]
    return value.word_select(number, bits)
