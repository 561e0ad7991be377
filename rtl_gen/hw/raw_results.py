"""Two ways from the accumulators to the output buffer: int8 outputs, and sums as they are."""

from dataclasses import dataclass

from amaranth.hdl import Mux
from amaranth.lib import stream, wiring

from .buffer.buffet import BuffetParams
from .place import place
from .post.raw_words import RawWords

__all__ = ["Results", "either", "place_raw"]


@dataclass(frozen=True)
class Results:
    """Streams of output words, and of what is complete."""

    write: wiring.PureInterface
    commit: wiring.PureInterface


def place_raw(m, platform, params, valid, sums, tag, parameters) -> RawWords:
    """The way of complete sums that leave as they are, as their tag says.

    Parameters
    ----------
    params
        The computing engine's (ComputeParams).
    parameters
        Those of the block of channels, the biases first.
    """
    raw = place(m, platform, "raw_words", RawWords, params.raw, tied={"sums": sums})
    m.d.comb += [
        raw.valid.eq(valid & tag.raw),
        raw.biases.eq(parameters[: len(raw.biases)]),
        raw.tag.out.eq(tag.out),
        raw.tag.stride.eq(tag.raw_stride),
        raw.tag.channel.eq(tag.channel),
        raw.tag.commit.eq(tag.commit),
    ]
    return raw


def either(m, buffet: BuffetParams, raw: RawWords, collector) -> Results:
    """What the one or the other writes: the issue of steps keeps them apart."""
    chosen = Results(
        stream.Signature(buffet.write).create(path=("result_write",)),
        stream.Signature(buffet.commit).create(path=("result_commit",)),
    )
    for name in ("write", "commit"):
        both, own, other = (getattr(one, name) for one in (chosen, raw, collector))
        m.d.comb += [
            both.valid.eq(own.valid | other.valid),
            both.payload.eq(Mux(raw.busy, own.payload, other.payload)),
        ]
    return chosen
