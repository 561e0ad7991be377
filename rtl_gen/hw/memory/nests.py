"""The nest that an engine's record describes."""

from ...isa.fields import Record
from ..control.nest import NestParams

__all__ = ["nest_of"]


def nest_of(record: Record) -> NestParams:
    """The nest whose fields are in the record; its innermost level is handed out as a run.

    Raises
    ------
    ValueError
        If the record lacks a field of the nest that its names describe.
    """
    bits = {field.name: field.bits for field in record.fields}

    def named(suffix):
        return tuple(
            (name.removesuffix(suffix), bits[name]) for name in bits if name.endswith(suffix)
        )

    params = NestParams(
        levels=sum(name.removeprefix("bound").isdigit() for name in bits),
        forms=named("_base"),
        events=named("_end"),
        run=True,
        bound_bits=bits.get("bound0", 0),
    )
    missing = [field.name for field in params.fields if field not in record.fields]
    if missing:
        raise ValueError(f"record {record.name} must have the field {missing[0]} of its nest")
    return params
