"""How a layer runs on a design: tile sizes and loop order, and the program that says so."""

from .mapping import Mapping, MappingError

__all__ = ["Mapping", "MappingError"]
