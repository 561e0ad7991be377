"""Encoding a mapped layer: the words of each engine's descriptor."""

from ..isa.descriptors import ENGINES, header
from ..isa.fields import Record
from .input_engines import InputEngines
from .linear_engines import parameter_engines, weight_engines
from .mapping import Mapping, MappingError
from .output_engines import OutputEngines

__all__ = ["encode_layer"]


def encode_layer(
    mapping: Mapping,
    *,
    input_address: int = 0,
    output_address: int = 0,
    weight_address: int = 0,
    parameter_address: int = 0,
    after: int = 0,
    last: bool = False,
) -> dict[str, list[int]]:
    """The words for each engine's queue, header first.

    Parameters
    ----------
    after
        How many layers of the program must be complete before the input is loaded.
    last
        Whether the interrupt follows.

    Raises
    ------
    MappingError
        If a tile does not fit a buffer, or a number its field.
    """
    source, result = InputEngines(mapping), OutputEngines(mapping)
    source.check()
    result.check()
    weights, parameters = weight_engines(mapping), parameter_engines(mapping)
    quantization = mapping.layer.quantization
    fence = {"fence": after, "fenced": int(after > 0)}
    values = {
        "load_input": source.load() | fence | {"base": input_address},
        "load_weights": weights.load() | {"base": weight_address},
        "load_parameters": parameters.load() | {"base": parameter_address},
        "feed_input": source.feed() | {"pad_value": quantization.input_zero},
        "feed_weights": weights.feed(),
        "feed_parameters": parameters.feed()
        | {
            "output_zero": quantization.output_zero,
            "act_min": quantization.act_min,
            "act_max": quantization.act_max,
            "single_rounding": int(quantization.rounding == "single"),
        },
        "compute": result.compute(),
        "store": result.store() | {"base": output_address, "interrupt": int(last)},
    }
    records = mapping.machine.records
    words = {name: _pack(mapping, records[name], values[name]) for name in ENGINES}
    return {name: [header(name, len(body)), *body] for name, body in words.items()}


def _pack(mapping: Mapping, record: Record, values: dict[str, int]) -> list[int]:
    """The words of a descriptor, with a message for a user where a value does not fit."""
    try:
        return record.pack(values)
    except ValueError as error:
        raise MappingError(f"{mapping.layer.name}: {error}") from None
