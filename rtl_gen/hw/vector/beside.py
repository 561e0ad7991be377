"""A vector unit beside the array of a computing engine: its wires to what they share."""

from amaranth.hdl import Cat, Mux

from ...isa.vector import VECTOR
from ..control.configure import fields_of
from ..layouts import layout_of
from ..place import place
from .part import VectorPart
from .unit import STEP

__all__ = ["join_sums", "place_vector", "tell_word"]


def place_vector(m, platform, params, issue, compute):
    """The vector unit of a computing engine, if it has one; its words are still to be told."""
    if not params.machine.widths.vector:
        return None
    config = fields_of(compute.config, layout_of(VECTOR))
    tied = {"words": compute.weights, "config": config}
    vector = place(m, platform, "vector", VectorPart, params.vector, tied=tied)
    m.d.comb += [
        vector.start.eq(compute.start),
        vector.issuing.eq(issue.busy),
        vector.pending.eq(issue.pending),
        *(vector.step[name].eq(issue.step[name]) for name in STEP.members),
        vector.channel.eq(issue.tag.channel),
        vector.go.eq(issue.go),
        vector.tag_valid.eq(issue.tag_valid),
        vector.tag.eq(issue.tag),
    ]
    return vector


def tell_word(m, vector, block, words, byte):
    """The first word of the next step to the vector unit, if there is one."""
    if vector:
        m.d.comb += [
            vector.word.eq(words.words[: 8 * block]),
            vector.byte.eq(byte),
            vector.inside.eq(words.inside),
        ]


def join_sums(params, vector, valid, sums, tag):
    """Sums of the array or of the vector unit, which never come together, and their tag."""
    bits, own = params.post_sum_bits, len(sums) // len(params.post.channels)
    parts = [sums[n : n + own].as_signed() for n in range(0, len(sums), own)]
    wide = [Cat(part, part[-1].replicate(bits - own)) for part in parts]
    return (
        valid | vector.valid,
        Mux(vector.valid, vector.sums, Cat(wide)),
        params.issue.tag(Mux(vector.valid, vector.sums_tag, tag.as_value())),
    )
