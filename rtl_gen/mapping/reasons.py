"""Why layers of a network do not fit a design: of all of them, not of the first alone."""

from ..reuse.machine import Machine
from .chained import ChainedLayer
from .mapper import choose_mapping
from .mapping import MappingError

__all__ = ["of_all_layers"]


def of_all_layers(
    machine: Machine, layers: list[ChainedLayer], error: MappingError
) -> MappingError:
    """The error of a layer, with those of all layers that fit the design not even alone."""
    reasons = {}
    for chained in layers:
        try:
            if chained.operand is None:  # else where that lies would have to be known
                choose_mapping(machine, chained.layer)
        except MappingError as own:
            reasons.setdefault(chained.layer.name, str(own))
    first = next((name for name in reasons if str(error).startswith(f"{name}:")), None)
    if first is not None:
        reasons[first] = str(error)
    listed = [str(error)] * (first is None) + list(reasons.values())
    if len(listed) == 1:
        return error
    lines = "".join(f"\n  {reason}" for reason in listed)
    return MappingError(f"{machine.design.name} cannot run {len(listed)} layers:{lines}")
