"""Handing a part of an engine its fields of the descriptor."""

from amaranth.hdl import Value

__all__ = ["configure"]


def configure(m, part, config):
    """Drive ``part.config`` from the fields of the same names in ``config``.

    They lie side by side and in the same order in both, so that one slice carries them all.

    Raises
    ------
    ValueError
        If they do not.
    """
    inner, outer = part.config.shape(), config.shape()
    start = min(outer[name].offset for name, _ in inner)
    for name, field in inner:
        if (outer[name].offset, outer[name].shape) != (start + field.offset, field.shape):
            raise ValueError(f"the field {name} must lie at bit {field.offset} of the part's own")
    m.d.comb += Value.cast(part.config).eq(Value.cast(config)[start : start + inner.size])
