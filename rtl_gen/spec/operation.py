"""Operations: an einsum over named dimensions, with an affine projection for each tensor rank."""

import re
from collections import Counter
from dataclasses import dataclass, replace

__all__ = ["Operation", "Rank", "SpecError", "Tensor", "Term", "parse_einsum"]


class SpecError(ValueError):
    """What a user wrote cannot be built; the message says what, where, and what would be right.

    Parameters
    ----------
    message
        One line: what is wrong; what is allowed.
    key
        What it is about, as a dotted key of the dataflow or design file, so that the file's reader
        can add file and line: ``buffers.input``, ``links.shift.W``, ``nest.for.k``. May be empty.
    """

    def __init__(self, message: str, *, key: str = ""):
        super().__init__(message)
        self.message = message
        self.key = key

    def __str__(self):
        return f"{self.key}: {self.message}" if self.key else self.message


@dataclass(frozen=True)
class Term:
    """``coefficient * symbols * dimension``: one addend of a projection.

    Parameters
    ----------
    dimension
        Name of a dimension, or None for a constant offset such as padding.
    coefficient
        An integer, may be negative.
    symbols
        Names of run-time factors (stride, dilation), sorted.
    """

    dimension: str | None
    coefficient: int = 1
    symbols: tuple[str, ...] = ()

    def value(self, symbols: dict[str, int]) -> int:
        """The factor of the dimension, with every symbol given its run-time value."""
        product = self.coefficient
        for name in self.symbols:
            product *= symbols[name]
        return product

    def __str__(self):
        names = [*self.symbols, *([self.dimension] if self.dimension else [])]
        if abs(self.coefficient) != 1 or not names:
            names.insert(0, str(abs(self.coefficient)))
        return ("-" if self.coefficient < 0 else "") + "*".join(names)


@dataclass(frozen=True)
class Rank:
    """One rank of a tensor: a name and the affine form of dimensions that indexes it."""

    name: str
    terms: tuple[Term, ...]

    @property
    def is_plain(self) -> bool:
        """Whether the rank is one dimension as it is, so that its extent is that dimension's."""
        dimension = self.terms[0].dimension
        return dimension is not None and self.terms == (Term(dimension),)

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(term.dimension for term in self.terms if term.dimension)

    @property
    def lead(self) -> str | None:
        """The dimension that the rank follows: it alone, or less multiples of others, as ``w`` in
        ``q = w - e*s``; None: the rank has no such form.
        """
        leads = [term for term in self.terms if term == Term(term.dimension) and term.dimension]
        others = [term for term in self.terms if term not in leads]
        fits = len(leads) == 1 and all(t.dimension and t.coefficient < 0 for t in others)
        alone = len(set(self.dimensions)) == len(self.dimensions)
        return leads[0].dimension if fits and alone else None

    def coefficient(self, dimension: str, symbols: dict[str, int]) -> int:
        """By how much the index grows when ``dimension`` grows by one."""
        return sum(t.value(symbols) for t in self.terms if t.dimension == dimension)

    def offset(self, symbols: dict[str, int]) -> int:
        """The index when every dimension is 0 (minus the padding, where there is any)."""
        return sum(t.value(symbols) for t in self.terms if t.dimension is None)

    def __str__(self):
        form = "".join(
            f"{'' if n == 0 or t.coefficient < 0 else '+'}{t}" for n, t in enumerate(self.terms)
        )
        return form if self.is_plain and self.name == form else f"{self.name}={form}"


@dataclass(frozen=True)
class Tensor:
    """A tensor of an operation: its name and ranks; ``blocked`` names the rank split into words."""

    name: str
    ranks: tuple[Rank, ...]
    blocked: str

    @property
    def dimensions(self) -> frozenset[str]:
        return frozenset(d for rank in self.ranks for d in rank.dimensions)

    def rank(self, name: str) -> Rank:
        return next(rank for rank in self.ranks if rank.name == name)

    def __str__(self):
        return f"{self.name}[{', '.join(map(str, self.ranks))}]"


@dataclass(frozen=True)
class Operation:
    """A sum of products over named dimensions.

    Parameters
    ----------
    name
        For messages and for ``Layer.operation``.
    output
        The tensor that is summed into.
    operands
        The tensors that are multiplied, two or more.
    symbols
        Names in the projections that are known only at run time: strides, dilations, padding.
    weights
        Name of an operand that is laid out offline, in the order of its use. Of more than two
        operands all are but the first beside it.
    batch
        Dimensions whose ranks lie outside the channel blocks in memory.

    Raises
    ------
    SpecError
        If a tensor named does not exist, or a dimension occurs in no operand.
    """

    name: str
    output: Tensor
    operands: tuple[Tensor, ...]
    symbols: tuple[str, ...] = ()
    weights: str = ""
    batch: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.weights:
            object.__setattr__(self, "weights", self.operands[-1].name)
        self._check_tensors()
        self._check_names()

    def _check_tensors(self):
        names = [tensor.name for tensor in self.operands]
        if self.weights not in names:
            raise SpecError(
                f"must be one of the operands {', '.join(names)}, not {self.weights!r}",
                key="operation.weights",
            )
        doubled = [name for name, n in Counter([*names, self.output.name]).items() if n > 1]
        if doubled:
            raise SpecError(
                f"each tensor must have a name of its own; {doubled[0]} stands twice",
                key="operation.einsum",
            )
        read = frozenset().union(*(tensor.dimensions for tensor in self.operands))
        unread = sorted(self.output.dimensions - read)
        if unread:
            raise SpecError(
                f"dimension {unread[0]!r} of the output indexes no operand; each must index one",
                key="operation.einsum",
            )

    def _check_names(self):
        for dimension in self.batch:
            if dimension not in self.dimensions:
                raise SpecError(
                    f"{self.name} has no dimension {dimension!r}; it has "
                    f"{', '.join(self.dimensions)}",
                    key="operation.batch",
                )
        terms = [term for tensor in self.tensors for rank in tensor.ranks for term in rank.terms]
        used = {symbol for term in terms for symbol in term.symbols}
        for symbol in self.symbols:
            if symbol not in used:
                raise SpecError(
                    f"{symbol!r} occurs in no rank of {self.einsum}", key="operation.symbols"
                )

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The operands in their order, then the output."""
        return (*self.operands, self.output)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Every dimension once, the output's first, in the order they are written."""
        seen = dict.fromkeys(d for rank in self.output.ranks for d in rank.dimensions)
        for tensor in self.operands:
            seen |= dict.fromkeys(d for rank in tensor.ranks for d in rank.dimensions)
        return tuple(seen)

    @property
    def reduced(self) -> tuple[str, ...]:
        """Dimensions that are summed over: those the output lacks."""
        return tuple(d for d in self.dimensions if d not in self.output.dimensions)

    @property
    def scattered(self) -> tuple[Rank, ...]:
        """Ranks of the output that are no dimension as it is: as one of its dimensions advances,
        the products of a step go to other outputs.
        """
        return tuple(rank for rank in self.output.ranks if not rank.is_plain)

    @property
    def summed(self) -> tuple[str, ...]:
        """Dimensions along which the products of one output follow each other: those the output
        lacks and, of a scattered rank, all but the one that it follows.
        """
        others = {d for rank in self.scattered for d in rank.dimensions if d != rank.lead}
        return tuple(d for d in self.dimensions if d in self.reduced or d in others)

    @property
    def channels(self) -> tuple[str, ...]:
        """Dimensions of the output that index the weights as they are: each of their values has
        parameters of its own.
        """
        plain = {r.terms[0].dimension for t in self.offline for r in t.ranks if r.is_plain}
        named = [r.terms[0].dimension for r in self.output.ranks if r.is_plain]
        return tuple(d for d in named if d in plain)

    @property
    def activation(self) -> Tensor:
        """The first operand that is not laid out offline."""
        return next(t for t in self.operands if t.name != self.weights)

    @property
    def offline(self) -> tuple[Tensor, ...]:
        """The operands that are laid out offline: all but the activation."""
        return tuple(t for t in self.operands if t.name != self.activation.name)

    @property
    def weight(self) -> Tensor:
        """The operand that is named as laid out offline."""
        return self.tensor(self.weights)

    @property
    def einsum(self) -> str:
        return f"{self.output} += {' * '.join(map(str, self.operands))}"

    def tensor(self, name: str) -> Tensor:
        return next(tensor for tensor in self.tensors if tensor.name == name)


_EINSUM = "operation.einsum"
_TENSOR = re.compile(r"\s*([A-Za-z_]\w*)\s*\[([^\[\]]*)\]\s*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}")


def parse_einsum(
    text: str,
    *,
    name: str,
    symbols: tuple[str, ...] = (),
    weights: str = "",
    batch: tuple[str, ...] = (),
    blocked: dict[str, str] | None = None,
) -> Operation:
    """Read ``O[p,k] += I[h=u*p+r-t, c] * W[r,c,k]``.

    A rank is an affine form; one that is not a plain dimension has a name before an equals sign.
    ``symbols`` says which names are run-time factors or offsets; all others are dimensions.
    ``blocked`` names the rank of a tensor that is split into memory words (default: the last).

    Raises
    ------
    SpecError
        With the part of the text that cannot be read and the form that is expected.
    """
    sides = text.split("+=")
    if len(sides) != 2:
        raise SpecError(f"an einsum reads OUT[...] += A[...] * B[...], not {text!r}", key=_EINSUM)
    output = _parse_tensor(sides[0], symbols)
    factors = re.split(r"\*(?=\s*[A-Za-z_]\w*\s*\[)", sides[1])
    operands = [_parse_tensor(part, symbols) for part in factors]
    if len(operands) < 2:
        raise SpecError(
            f"an einsum multiplies two or more tensors; {sides[1].strip()!r} is one", key=_EINSUM
        )
    output, *operands = _block([output, *operands], blocked or {})
    return Operation(name, output, tuple(operands), symbols, weights, batch)


def _block(tensors: list[Tensor], blocked: dict[str, str]) -> list[Tensor]:
    """The tensors with the ranks chosen by ``blocked``."""
    names = [tensor.name for tensor in tensors]
    for name in blocked:
        if name not in names:
            raise SpecError(
                f"there is no tensor {name!r}, only {', '.join(names)}",
                key=f"operation.blocked.{name}",
            )
    return [_block_one(tensor, blocked.get(tensor.name, tensor.blocked)) for tensor in tensors]


def _block_one(tensor: Tensor, rank: str) -> Tensor:
    names = [other.name for other in tensor.ranks]
    if rank not in names:
        raise SpecError(
            f"{tensor.name} has no rank {rank!r} to block, only {', '.join(names)}",
            key=f"operation.blocked.{tensor.name}",
        )
    return replace(tensor, blocked=rank)


def _parse_tensor(text, symbols) -> Tensor:
    match = _TENSOR.fullmatch(text)
    if not match:
        raise SpecError(f"a tensor reads NAME[rank, rank, ...], not {text.strip()!r}", key=_EINSUM)
    name, inside = match.groups()
    ranks = tuple(_parse_rank(part, symbols) for part in inside.split(","))
    names = [rank.name for rank in ranks]
    if len(set(names)) < len(names):
        raise SpecError(
            f"the ranks of {name} must have different names, not {', '.join(names)}", key=_EINSUM
        )
    return Tensor(name, ranks, names[-1])


def _parse_rank(text, symbols) -> Rank:
    label, equals, form = (part.strip() for part in text.rpartition("="))
    # Signs and what follows each; pieces that do not make up the whole mean a sign too many.
    pieces = re.findall(r"([+-]?)\s*([^\s+-][^+-]*)", form)
    if not pieces or _squeezed("".join(map("".join, pieces))) != _squeezed(form):
        raise SpecError(
            f"a rank reads name = 2*p + u*r - t or a dimension, not {text.strip()!r}", key=_EINSUM
        )
    rank = Rank(label, tuple(_parse_term(sign, body.strip(), symbols) for sign, body in pieces))
    if equals and not _NAME.fullmatch(label):
        raise SpecError(f"a rank's name must be a word, not {label!r}", key=_EINSUM)
    if not equals and not rank.is_plain:
        raise SpecError(f"the rank {form!r} needs a name: NAME = {form}", key=_EINSUM)
    return rank if equals else replace(rank, name=rank.terms[0].dimension)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _parse_term(sign, body, symbols) -> Term:
    coefficient, factors, dimension = (-1 if sign == "-" else 1), [], None
    for part in (piece.strip() for piece in body.split("*")):
        if _NUMBER.fullmatch(part) and int(part) > 0:
            coefficient *= int(part)
        elif part in symbols:
            factors.append(part)
        elif _NAME.fullmatch(part) and dimension is None:
            dimension = part
        else:
            raise SpecError(
                f"{body!r} must be a product of positive numbers, symbols and one dimension",
                key=_EINSUM,
            )
    return Term(dimension, coefficient, tuple(sorted(factors)))
