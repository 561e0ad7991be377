"""What the unfold unit is built for."""

from dataclasses import dataclass

from ...isa.descriptors import UNFOLD_MASKS
from ...isa.fields import Record
from ..buffer.buffet import BuffetParams
from ..control.nest import NestParams
from .image_rows import ImageParams

__all__ = ["UnfoldParams"]


@dataclass(frozen=True, kw_only=True)
class UnfoldParams:
    """The record, the image rows and the buffet of the unfold unit.

    Parameters
    ----------
    record
        Fields of its descriptor.
    levels
        Loops.
    image
        What it holds of an image.
    buffet
        That of the words it makes.
    """

    record: Record
    levels: int
    image: ImageParams
    buffet: BuffetParams

    @property
    def nest(self) -> NestParams:
        fields = {field.name: field.bits for field in self.record.fields}
        forms = tuple(
            (name.removesuffix("_base"), bits)
            for name, bits in fields.items()
            if name.endswith("_base")
        )
        return NestParams(levels=self.levels, forms=forms, masks=UNFOLD_MASKS)

    @property
    def checks(self) -> int:
        """Ranks beside that along which a row lies."""
        return sum(name.startswith("y") for name, _ in self.nest.forms)
