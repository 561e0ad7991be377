"""What a part of an engine gets of the engine's descriptor."""

from amaranth.hdl import Value

__all__ = ["fields_of"]


def fields_of(config, part):
    """The fields of the layout ``part`` out of ``config``, as bits.

    They lie side by side and in the same order in both, so that one slice carries them all.

    Raises
    ------
    ValueError
        If they do not.
    """
    whole = config.shape()
    start = min(whole[name].offset for name, _ in part)
    for name, field in part:
        if (whole[name].offset, whole[name].shape) != (start + field.offset, field.shape):
            raise ValueError(f"the field {name} must lie at bit {start + field.offset}")
    return Value.cast(config)[start : start + part.size]
