"""Joining streams."""

from amaranth.hdl import Value

__all__ = ["join"]


def join(m, source, sink) -> None:
    """Let ``source`` flow into ``sink``, both wires of ``m``.

    Raises
    ------
    ValueError
        If their payloads have different widths, which Amaranth would cut or extend silently.
    """
    widths = len(Value.cast(source.payload)), len(Value.cast(sink.payload))
    if widths[0] != widths[1]:
        raise ValueError(f"a stream of {widths[0]} bits cannot flow into one of {widths[1]} bits")
    m.d.comb += [
        Value.cast(sink.payload).eq(Value.cast(source.payload)),
        sink.valid.eq(source.valid),
        source.ready.eq(sink.ready),
    ]
