"""Encoding a mapped layer: the words of each engine's descriptor."""

from dataclasses import dataclass

from ..isa.descriptors import header
from ..isa.fields import Record
from .addition import Addition
from .input_engines import InputEngines
from .linear_engines import parameter_engines, weight_engines
from .mapping import Mapping, MappingError
from .output_engines import OutputEngines
from .placing import Place, whole_memory
from .tagged_engines import TaggedInput, TaggedOutput
from .tagged_mapping import TaggedMapping

__all__ = ["AddedTensor", "encode_layer", "engines_of"]


@dataclass(frozen=True)
class AddedTensor:
    """A residual and how it is added.

    Parameters
    ----------
    addition
        Factors and zero points.
    place
        Where it lies on chip; or the region into which it is loaded tile by tile.
    address
        Where it is loaded from; None: it is on chip.
    after
        How many layers of the program must be complete before it is loaded.
    images
        Words from one image to the next where it is a part of another tensor in main memory; 0:
        its own.
    """

    addition: Addition
    place: Place
    address: int | None = None
    after: int = 0
    images: int = 0


def encode_layer(
    mapping: Mapping,
    *,
    input_address: int = 0,
    output_address: int | None = 0,
    weight_address: int = 0,
    parameter_address: int = 0,
    after: int = 0,
    last: bool = False,
    input_place: Place | None = None,
    output_place: Place | None = None,
    added: AddedTensor | None = None,
) -> dict[str, list[int]]:
    """The words for the queue of each engine that has something to do, header first.

    Parameters
    ----------
    output_address
        None: the output stays on chip.
    after
        How many layers of the program must be complete before the input is loaded, or read on chip.
    last
        Whether the interrupt follows.
    input_place, output_place
        Where tiles of the input and of the output lie; None: in the input's, the output's memory.
    added
        The residual.

    Raises
    ------
    MappingError
        If a tile does not fit a buffer, or a number its field.
    """
    source, result = engines_of(mapping)
    source.check()
    result.check()
    weights, parameters = weight_engines(mapping), parameter_engines(mapping)
    quantization = mapping.layer.quantization
    mode, fence, values = mapping.machine.mode_fields, _fence(after), {}
    feed = {"pad_value": quantization.input_zero} | mode
    if source.resident:
        memory = source.resident.place.memory
        feed |= fence | {"resident": 1, "resident_memory": memory}
    else:
        place = _region(input_place or whole_memory(mapping.machine, 0))
        values["load_input"] = source.loader.load() | fence | place | {"base": input_address}
    if source.image:
        values["unfold_input"] = source.loader.unfold()
    if weights.image_words or mapping.placing.operand:
        values["load_weights"] = weights.load() | _weights_at(mapping, weight_address)
        values["feed_weights"] = weights.feed() | mapping.machine.weight_fields
    values |= {
        "load_parameters": parameters.load() | {"base": parameter_address},
        "feed_input": source.feed() | feed,
        "feed_parameters": parameters.feed()
        | {
            "output_zero": quantization.output_zero,
            "act_min": quantization.act_min,
            "act_max": quantization.act_max,
            "single_rounding": int(quantization.rounding == "single"),
        },
        "compute": result.compute()
        | mode
        | _region(output_place or whole_memory(mapping.machine, 1))
        | {"region_anew": int(mapping.placing.whole)},
        "store": result.store()
        | {
            "base": output_address or 0,
            "interrupt": int(last),
            "keep": int(output_address is None),
        },
    }
    if added:
        values["compute"] |= added.addition.fields()
        if added.address is None:
            values["compute"] |= {
                "residual_resident": 1,
                "residual_memory": added.place.memory,
                "residual_first": added.place.first,
            }
        else:
            values["load_residual"] = result.load_residual() | _fence(added.after)
            values["load_residual"] |= _region(added.place) | {"base": added.address}
    records = mapping.machine.records
    words = {
        name: _pack(mapping, records[name], values[name]) for name in records if name in values
    }
    return {name: [header(name, len(body)), *body] for name, body in words.items()}


def engines_of(mapping: Mapping) -> tuple[InputEngines, OutputEngines]:
    """What the input's engines and those of the output do."""
    if isinstance(mapping, TaggedMapping):
        return TaggedInput(mapping), TaggedOutput(mapping)
    return InputEngines(mapping), OutputEngines(mapping)


def _fence(after: int) -> dict[str, int]:
    return {"fence": after, "fenced": int(after > 0)}


def _weights_at(mapping: Mapping, address: int) -> dict[str, int]:
    """Where the weights lie, and, of an activation in their place, what it waits for."""
    operand = mapping.placing.operand
    if operand is None:
        return {"base": address}
    return _fence(operand.after) | {"base": operand.address}


def _region(place: Place) -> dict[str, int]:
    return {
        "region_memory": place.memory,
        "region_first": place.first,
        "region_size": place.words,
    }


def _pack(mapping: Mapping, record: Record, values: dict[str, int]) -> list[int]:
    """The words of a descriptor, with a message for a user where a value does not fit."""
    try:
        return record.pack(values)
    except ValueError as error:
        raise MappingError(f"{mapping.layer.name}: {error}") from None
