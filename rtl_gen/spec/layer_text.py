"""Layers as text, ``conv2d:k=32,c=16,p=14,q=14,r=3,s=3,stride=2,pad=1``, and files of them.

Sizes are those of frameworks: k and c count the channels of all groups together.
"""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import layer
from .kinds import Text, nearest
from .layer import Layer, Quantization
from .limits import either, shown
from .operation import Operation, SpecError
from .operations import shipped_operations
from .tables import MapOf
from .yaml_lines import SpecFileError, read_source

__all__ = ["LAYERS_FILE", "find_layer", "load_layers", "parse_layer"]

LAYERS_FILE = Path(__file__).resolve().parents[2] / "examples" / "layers.yaml"

_QUANTIZATION = ("input_zero", "output_zero", "act_min", "act_max", "rounding")
_WINDOW = ("p", "q", "h", "w", "n", "stride", "dilation", "pad")
_KINDS = ("conv2d", "depthwise", "matmul")


def parse_layer(text: str, *, name: str = "", operations: Iterable[Operation] = ()) -> Layer:
    """Read a layer.

    Parameters
    ----------
    text
        ``KIND:key=value,...``. The kinds:

        - ``conv2d``: k, c, r, s and either p, q or h, w; optional n, groups, stride, dilation (a
          number, or ``AxB`` for rows and columns) and pad (also ``TxLxBxR``: above, left, below,
          right). With p and q the input is the smallest that gives them.
        - ``depthwise``: a conv2d with as many groups as c, which designs for either operation
          run; no k, no groups.
        - ``matmul``: m, k, n.
        - any other operation: the size of each dimension, the value of each symbol; optional the
          extent of a rank such as ``w``, else the smallest that holds all indices; of an output's
          rank such as ``q = w - s`` the largest that gets all its products.

        Each may have input_zero, output_zero, act_min, act_max and rounding (double, single).
    name
        The layer's name; the text itself where there is none.
    operations
        Operations of the user's own, which the text calls by their names.

    Raises
    ------
    SpecError
        On one line, with the text.
    """
    try:
        return _parse(text, name or text, operations)
    except SpecError as error:
        raise SpecError(f"layer {shown(text)}: {error.message}", key=error.key) from None


def find_layer(
    text: str,
    layers: Mapping[str, Layer] | None = None,
    *,
    operations: Iterable[Operation] = (),
) -> Layer:
    """The layer of that name among ``layers``, or the one that the text describes.

    Parameters
    ----------
    layers
        By name; by default those of examples/layers.yaml, which is read only for a name.

    Raises
    ------
    SpecError
        For an unknown name with the nearest known one.
    """
    if ":" in text:
        return parse_layer(text, operations=operations)
    if layers is None:
        layers = load_layers()
    if text in layers:
        return layers[text]
    raise SpecError(
        f"the layer {shown(text)} is unknown;{nearest(text, layers)} known: "
        f"{', '.join(layers)}; or text such as matmul:m=4,k=32,n=8"
    )


def load_layers(path: str | Path | None = None) -> dict[str, Layer]:
    """Read a file of layers, ``name: text`` one a line; by default examples/layers.yaml.

    Raises
    ------
    SpecFileError
        On one line: file, line, name, what is wrong, what is allowed.
    SpecError
        If the shipped file is not there, because the package was installed without its checkout.
    """
    if path is None and not LAYERS_FILE.is_file():
        raise SpecError(
            "names of layers stand in examples/layers.yaml of rtl-gen's checkout, which is not "
            "here; rtl-gen runs from its checkout (pip install -e .), or give a layer as text"
        )
    source = read_source(path or LAYERS_FILE)
    texts = MapOf(Text("the text of a layer"), "layers by name").read(source.root, "", source)
    layers = {}
    for name, text in texts.items():
        try:
            layers[name] = _parse(text, name, ())
        except SpecError as error:
            raise SpecFileError(
                error.message, file=source.file, line=source.lines[name], key=name
            ) from None
    return layers


def _parse(text: str, name: str, operations: Iterable[Operation]) -> Layer:
    kind, _, body = text.partition(":")
    kind = kind.strip()
    known = shipped_operations() | {operation.name: operation for operation in operations}
    kinds = [*_KINDS, *(other for other in known if other not in _KINDS)]
    if kind not in kinds:
        raise SpecError(
            f"the kind {shown(kind)} is unknown;{nearest(kind, kinds)} allowed: {either(kinds)}"
        )
    fields = _Fields(kind, body)
    try:
        if kind in ("conv2d", "depthwise"):
            return _window_layer(fields, name, depthwise=kind == "depthwise")
        if kind == "matmul":
            return _matmul_layer(fields, name)
        return _einsum_layer(fields, name, known[kind])
    except SpecError:
        raise
    except ValueError as error:
        raise SpecError(str(error).removeprefix(f"{name}: ")) from None


class _Fields:
    """The ``key=value`` pairs of a layer's text."""

    def __init__(self, kind: str, body: str):
        self._kind = kind
        self._values: dict[str, str] = {}
        for part in body.split(","):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not part.strip():
                raise SpecError(f"a size is missing; key=value is expected, such as {kind}:k=32")
            if not (key and equals and value):
                raise SpecError(f"{shown(part.strip())} must read key=value, such as {kind}:k=32")
            if key in self._values:
                raise SpecError(f"{key} stands twice; once is allowed")
            self._values[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def check(self, required: tuple[str, ...], optional: tuple[str, ...]) -> None:
        """Refuse keys that this kind of layer does not have, or lacks."""
        known = (*required, *optional, *_QUANTIZATION)
        for key in self._values:
            if key not in known:
                raise SpecError(
                    f"unknown key {shown(key)};{nearest(key, known)} "
                    f"{self._kind} has {', '.join(known)}"
                )
        missing = [key for key in required if key not in self._values]
        if missing:
            raise SpecError(f"{missing[0]} is missing; {self._kind} needs {', '.join(required)}")

    def numbers(self, key: str, default: int, counts: tuple[int, ...]) -> tuple[int, ...]:
        """Whole numbers joined by ``x``, as many as one of ``counts``."""
        text = self._values.get(key, str(default))
        if not re.fullmatch(r"-?[0-9]{1,9}(x-?[0-9]{1,9})*", text) or (
            text.count("x") + 1 not in counts
        ):
            forms = {1: "a whole number", 2: "two as AxB", 4: "four as TxLxBxR"}
            allowed = either(forms[count] for count in counts)
            raise SpecError(f"{key} must be {allowed}, not {shown(text)}")
        return tuple(int(number) for number in text.split("x"))

    def number(self, key: str, default: int = 0) -> int:
        return self.numbers(key, default, (1,))[0]

    def size(self, key: str, default: int = 0) -> int:
        value = self.number(key, default)
        if value < 1:
            raise SpecError(f"{key} must be at least 1, not {value}")
        return value

    def pair(self, key: str, default: int) -> tuple[int, int]:
        """Of rows and of columns; one number stands for both."""
        values = self.numbers(key, default, (1, 2))
        return values if len(values) == 2 else values * 2

    def padding(self) -> tuple[int, int, int, int]:
        """Above, left, below, right; one number stands for all, two for rows and columns."""
        values = self.numbers("pad", 0, (1, 2, 4))
        return (values * 4)[:4]

    def quantization(self) -> Quantization:
        given = [key for key in _QUANTIZATION if key in self]
        values = {key: self.number(key) for key in given if key != "rounding"}
        if "rounding" in self:
            values["rounding"] = self._values["rounding"]
        return Quantization(**values)


def _window_layer(fields: _Fields, name: str, *, depthwise: bool) -> Layer:
    if depthwise:
        fields.check(("c", "r", "s"), _WINDOW)
    else:
        fields.check(("k", "c", "r", "s"), (*_WINDOW, "groups"))
    c = fields.size("c")
    window = {key: fields.size(key) for key in ("r", "s")}
    stride, dilation = fields.pair("stride", 1), fields.pair("dilation", 1)
    pad = fields.padding()
    h, w = _image(fields, (window["r"], window["s"]), stride, dilation, pad)
    return layer.conv2d(
        name=name,
        k=c if depthwise else fields.size("k"),
        c=c,
        groups=c if depthwise else fields.size("groups", 1),
        n=fields.size("n", 1),
        h=h,
        w=w,
        **window,
        stride=stride,
        dilation=dilation,
        pad=pad,
        quantization=fields.quantization(),
    )


def _image(fields, filters, stride, dilation, pad) -> tuple[int, int]:
    """Rows and columns of the input, given or the fewest that give p and q."""
    given = [key for key in ("p", "q", "h", "w") if key in fields]
    if given == ["h", "w"]:
        return fields.size("h"), fields.size("w")
    if given != ["p", "q"]:
        raise SpecError(
            f"either p and q or h and w must be given, not {', '.join(given) or 'none'}"
        )
    extents = []
    for axis, (key, size) in enumerate(zip(("p", "q"), filters)):
        steps = (fields.size(key) - 1) * stride[axis] + (size - 1) * dilation[axis]
        extents.append(steps + 1 - pad[axis] - pad[axis + 2])
        if extents[-1] < 1:
            raise SpecError(
                f"{key} = {fields.size(key)} with this padding leaves no input; "
                f"give h and w, or pad less"
            )
    return extents[0], extents[1]


def _matmul_layer(fields: _Fields, name: str) -> Layer:
    fields.check(("m", "k", "n"), ())
    sizes = {key: fields.size(key) for key in ("m", "k", "n")}
    return layer.matmul(name=name, **sizes, quantization=fields.quantization())


def _einsum_layer(fields: _Fields, name: str, operation: Operation) -> Layer:
    ranks = [rank for tensor in operation.tensors for rank in tensor.ranks if not rank.is_plain]
    fields.check((*operation.dimensions, *operation.symbols), tuple(rank.name for rank in ranks))
    sizes = {dimension: fields.size(dimension) for dimension in operation.dimensions}
    symbols = {symbol: fields.number(symbol) for symbol in operation.symbols}
    extents = {}
    for rank in ranks:
        # Of an input what holds all indices; of an output what gets all its products.
        least = -math.inf if rank in operation.scattered else 0
        highest = rank.offset(symbols) + sum(
            max(term.value(symbols) * (sizes[term.dimension] - 1), least)
            for term in rank.terms
            if term.dimension
        )
        extents[rank.name] = fields.size(rank.name, max(highest + 1, 1))
    return Layer(
        name=name,
        operation=operation.name,
        sizes=sizes,
        symbols=symbols,
        extents=extents,
        quantization=fields.quantization(),
    )
