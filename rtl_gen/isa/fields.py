"""Fields of descriptors and how they lie in 32-bit words."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Field", "Placed", "Record", "nest_fields"]

WORD_BITS = 32


@dataclass(frozen=True)
class Field:
    """A named number of some bits; ``align`` starts it on a new word."""

    name: str
    bits: int
    signed: bool = False
    align: bool = False

    def __post_init__(self):
        if not 1 <= self.bits <= 64:
            raise ValueError(f"field {self.name} must have 1..64 bits, not {self.bits!r}")

    @property
    def range(self) -> range:
        """The values it holds."""
        if self.signed:
            return range(-(1 << (self.bits - 1)), 1 << (self.bits - 1))
        return range(1 << self.bits)


@dataclass(frozen=True)
class Placed:
    """A field at its place: the word it starts in and its lowest bit there."""

    field: Field
    word: int
    bit: int


@dataclass(frozen=True)
class Record:
    """Fields in the order they are sent, packed into words.

    A field of up to 32 bits never crosses a word; a longer one starts on a word and takes two.
    """

    name: str
    fields: tuple[Field, ...]

    @property
    def places(self) -> tuple[Placed, ...]:
        placed, word, bit = [], 0, 0
        for field in self.fields:
            if bit and (field.align or bit + field.bits > WORD_BITS):
                word, bit = word + 1, 0
            placed.append(Placed(field, word, bit))
            bit += field.bits
            word, bit = word + bit // WORD_BITS, bit % WORD_BITS
        return tuple(placed)

    @property
    def words(self) -> int:
        """Words it takes when no trailing field is left out."""
        last = self.places[-1]
        return last.word + -(-(last.bit + last.field.bits) // WORD_BITS)

    def pack(self, values: Mapping[str, int]) -> list[int]:
        """The words that carry ``values``; fields not named are 0, trailing zero words left out.

        Raises
        ------
        ValueError
            If a name is unknown or a value does not fit its field.
        """
        unknown = sorted(set(values) - {field.name for field in self.fields})
        if unknown:
            raise ValueError(f"{self.name} has no field {unknown[0]!r}")
        words = [0] * self.words
        for place in self.places:
            field, value = place.field, int(values.get(place.field.name, 0))
            if value not in field.range:
                raise ValueError(
                    f"{self.name}.{field.name} must be {field.range.start}..{field.range.stop - 1}"
                    f", not {value}"
                )
            bits = (value & ((1 << field.bits) - 1)) << place.bit
            for n in range(-(-(place.bit + field.bits) // WORD_BITS)):
                words[place.word + n] |= (bits >> (WORD_BITS * n)) & 0xFFFF_FFFF
        while len(words) > 1 and not words[-1]:
            words.pop()
        return words

    def unpack(self, words: list[int]) -> dict[str, int]:
        """The inverse of :meth:`pack`; missing words are 0."""
        padded = [*words, *[0] * (self.words + 1 - len(words))]
        values = {}
        for place in self.places:
            field = place.field
            raw = padded[place.word] | padded[place.word + 1] << WORD_BITS
            raw = (raw >> place.bit) & ((1 << field.bits) - 1)
            negative = field.signed and raw >> (field.bits - 1)
            values[field.name] = raw - (1 << field.bits) if negative else raw
        return values


def nest_fields(
    *,
    levels: int,
    forms: Mapping[str, int],
    events: Mapping[str, int],
    masks: tuple[str, ...] = (),
    bound_bits: int = 16,
) -> tuple[Field, ...]:
    """The fields of a nest: what holds for all of it, then a record a level, innermost first.

    Trip counts are stored less one, so that a level that is not named runs once.

    Parameters
    ----------
    forms
        Bits of each signed linear form of the counters.
    events
        Bits of each amount that is given out when a level advances, or at the end.
    masks
        Sets of levels whose first and last trips are reported.
    """
    fields = [Field(f"{name}_base", bits, signed=True) for name, bits in forms.items()]
    fields += [Field(f"{name}_end", bits) for name, bits in events.items()]
    fields += [Field(f"{name}_levels", levels) for name in masks]
    for level in range(levels):
        fields += [
            Field(f"bound{level}", bound_bits, align=True),
            Field(f"last{level}", bound_bits),
            Field(f"parent{level}", max(1, (levels - 1).bit_length())),
        ]
        fields += [Field(f"{name}{level}", bits) for name, bits in events.items()]
        fields += [Field(f"{name}{level}", bits, signed=True) for name, bits in forms.items()]
    return tuple(fields)
