"""The picture of an array with tagged buses: rows of PEs on two buses, and chains of sums.

No wire says where an element goes, so the tags of one layer stand in the PEs, the one that it is
drawn for: which channels and filter row a PE works on, and which row of the input.
"""

from ...mapping.placing import Placing
from ...mapping.tagged_mapper import choose_folding
from ...mapping.tagged_mapping import TaggedMapping
from ...reuse.tagged_machine import TaggedMachine
from ...spec.design import Design
from ...spec.layer import Layer
from ..explain_tagged import tagged_sentences
from ..sentences import count_text
from .grid import Grid
from .legend import draw_row, layer_text, nest_lines
from .link_lines import arrow_head, draw_link
from .style import GREY, INK, colours, tints
from .svg import MONO, Svg, text_width

__all__ = ["example_layer", "folding_text", "picture_of", "tagged_picture"]

MARGIN, SIZE, LINE = 24, 11, 15
GAP = (40, 44)
BUS, TAP = 30, 12
"""From a trunk to the next; from a PE's border to where a bus passes in front of it."""
LEAST_WIDTH = 760


def example_layer(
    machine: TaggedMachine, *, q: int = 8, c: int | None = None, k: int | None = None
) -> Layer:
    """A layer of 3 x 3 taps with an output row for each column and, by default, a word of channels.

    ``q``, ``c``, ``k``: columns of outputs, channels, filters.
    """
    operation, roles = machine.operation, machine.roles
    taps = {roles.r: 3, roles.s: min(3, machine.most(roles.s))}
    sizes = dict.fromkeys(operation.dimensions, 1) | taps
    sizes |= {roles.p: machine.design.columns, roles.q: q}
    sizes |= {roles.c: c or machine.block, roles.k: k or machine.block}
    factors = {
        symbol
        for rank in operation.activation.ranks
        for term in rank.terms
        if term.dimension
        for symbol in term.symbols
    }
    symbols = {symbol: int(symbol in factors) for symbol in operation.symbols}
    extents = {
        rank.name: 1 + sum(rank.coefficient(d, symbols) * (sizes[d] - 1) for d in rank.dimensions)
        for rank in operation.activation.ranks
        if not rank.is_plain
    }
    return Layer(
        name="example", operation=operation.name, sizes=sizes, symbols=symbols, extents=extents
    )


def tagged_picture(design: Design) -> str:
    """An SVG of the array, with the tags that :func:`example_layer` gives its PEs.

    Raises
    ------
    SpecError
        If no accelerator can be built: the message says why.
    MappingError
        If the example does not fit it.
    """
    machine = TaggedMachine(design)
    return picture_of(choose_folding(machine, example_layer(machine), Placing()))


def picture_of(mapping: TaggedMapping) -> str:
    """An SVG of the array, with the tags that a mapped layer gives its PEs."""
    return _Picture(mapping).document()


def folding_text(mapping: TaggedMapping) -> str:
    """What of a layer lies on the array at once."""
    fold = mapping.fold
    return (
        f"{count_text(fold.rows, 'row')} of PEs: {count_text(fold.chains, 'chain')} of filters x "
        f"{count_text(fold.groups, 'group')} of channels x {count_text(fold.taps, 'filter row')}; "
        f"each PE has {count_text(fold.filters, 'filter')} of "
        f"{count_text(fold.channels, 'channel')}."
    )


class _Picture:
    def __init__(self, mapping: TaggedMapping):
        self.mapping, self.machine = mapping, mapping.machine
        design, operation = self.machine.design, self.machine.operation
        self.names = (operation.activation.name, operation.weight.name, operation.output.name)
        colour, tint = colours(operation), tints(operation)
        self.colour = [colour[name] for name in self.names]
        self.tint = [tint[name] for name in self.names]
        self.svg = Svg()
        lines = [line for n in range(design.rows) for line in self._lines((n, design.columns - 1))]
        texts = [text for text, _ in lines]
        box = (max(96, max(text_width(text, SIZE) for text in texts) + 26), 4 * LINE + 16)
        left = max(text_width(text, SIZE) for text in self._row_tags(design.rows - 1))
        origin = (MARGIN + 2 * BUS + left + 24, MARGIN + 20)
        self.grid = Grid(design.shape, box, GAP, origin)

    def document(self) -> str:
        right = self.grid.origin[0] + self.grid.size[0]
        width = max(LEAST_WIDTH, right + MARGIN + 60)
        top = self._head((MARGIN, MARGIN), width - 2 * MARGIN)
        below = self.grid.origin[1] + self.grid.size[1] + 70
        with self.svg.group(transform=f"translate(0 {top:.0f})"):
            self._buses()
            self._pes()
            self._chains()
            bottom = self._legend((MARGIN, below), width - 2 * MARGIN)
        return self.svg.document((width, top + bottom + MARGIN), self._title())

    def _title(self) -> str:
        design = self.machine.design
        name = self.machine.operation.name
        return f"{design.name}: {name} on {design.rows} x {design.columns} PEs"

    # What is said

    def _in_chain(self, row: int) -> tuple[int, int, int]:
        """Chain, group of channels and filter row of a row of PEs."""
        fold = self.mapping.fold
        chain, at = divmod(row, fold.chain)
        return chain, at // fold.taps, at % fold.taps

    def _channels(self, group: int) -> str:
        roles, count = self.machine.roles, self.mapping.fold.channels
        return _span(roles.c, group * count, count)

    def _lines(self, pe) -> list[tuple[str, int]]:
        """What a PE has: of the input, of the weights, its sum; with the number of the tensor."""
        fold, roles = self.mapping.fold, self.machine.roles
        chain, group, tap = self._in_chain(pe[0])
        row = next(r for r in self.machine.operation.activation.ranks if roles.p in r.dimensions)
        symbols = self.mapping.layer.symbols
        at = row.offset(symbols) + pe[1] * row.coefficient(roles.p, symbols)
        at += tap * row.coefficient(roles.r, symbols)
        filters = _span(roles.k, chain * fold.filters, fold.filters)
        return [
            (f"{self.names[0]} {row.name}={at} {self._channels(group)}", 0),
            (f"{self.names[1]} {roles.r}={tap} {filters}", 1),
            (f"{self.names[2]} {roles.p}={pe[1]}", 2),
        ]

    def _row_tags(self, row: int) -> tuple[str, str]:
        _, group, _ = self._in_chain(row)
        return f"tag {self._channels(group)}", f"row {row}"

    def _head(self, at, width: float) -> float:
        x, y = at
        self.svg.text((x, y + 8), self._title(), size=17, fill=INK, font_weight="bold")
        y += 30
        flow, layer = self.machine.design.dataflow, self.mapping.layer
        for text in (*nest_lines(flow), layer_text(layer), folding_text(self.mapping)):
            y = draw_row(self.svg, (x, y), width, text, indent=0)
        return y

    # What is drawn

    def _trunk(self, tensor: int) -> float:
        """Where the trunk of a bus stands."""
        return MARGIN + 8 + BUS * tensor

    def _buses(self) -> None:
        """A trunk for each bus, from it a line along every row, past all PEs of it."""
        grid = self.grid
        last = grid.corner((grid.rows[-1], grid.columns[-1]))
        for tensor in (0, 1):
            x, ink = self._trunk(tensor), self.colour[tensor]
            marks = {"class_": "bus", "data_tensor": self.names[tensor]}
            with self.svg.group(**marks):
                top = grid.origin[1] - 24
                ends = [(x, top), (x, last[1] + self._band(tensor))]
                self.svg.line(ends, stroke=ink, stroke_width=2.6)
                name = {"size": SIZE + 1, "fill": ink, "text_anchor": "middle"}
                self.svg.text((x, top - 6), self.names[tensor], **name)
                for row in grid.rows:
                    _, y = grid.corner((row, grid.columns[0]))
                    y += self._band(tensor)
                    self.svg.line([(x, y), (last[0], y)], stroke=ink, stroke_width=1.8)
                    self.svg.element("circle", cx=x, cy=y, r=3.2, fill=ink)
                    at = (grid.origin[0] - 10, y - 4)
                    tag = self._row_tags(row)[tensor]
                    self.svg.text(at, tag, size=SIZE, font=MONO, fill=ink, text_anchor="end")
                    for column in grid.columns:
                        left = grid.corner((row, column))[0]
                        arrow_head(self.svg, (left - 9, y), (left, y), ink)

    def _band(self, tensor: int) -> float:
        return 16 + 26 * tensor

    def _pes(self) -> None:
        grid = self.grid
        for pe in grid.pes:
            x, y = grid.corner(pe)
            idle = pe[0] >= self.mapping.fold.rows or pe[1] >= self.mapping.fold.columns
            with self.svg.group(class_="pe", data_pe=f"{pe[0]},{pe[1]}"):
                look = {"rx": 5, "stroke": INK, "stroke_width": 1.2}
                self.svg.rect((x, y), grid.box, fill="#ffffff" if idle else "#fafafa", **look)
                self.svg.text((x + 12, y + 16), f"PE {pe[0]},{pe[1]}", size=9.5, fill=GREY)
                for n, (text, tensor) in enumerate([] if idle else self._lines(pe)):
                    at = (x + 12, y + 17 + LINE * (n + 1))
                    if tensor < 2:
                        frame = {"fill": self.tint[tensor], "stroke": self.colour[tensor]}
                        wide = text_width(text, SIZE) + 8
                        corner = (at[0] - 4, at[1] - SIZE)
                        self.svg.rect(corner, (wide, LINE - 1), rx=2, stroke_width=0.9, **frame)
                    look = {"font": MONO, "fill": self.colour[tensor]}
                    kind = "holds" if tensor < 2 else "adds"
                    self.svg.text(at, text, size=SIZE, class_=kind, **look)
        self._dots()

    def _dots(self) -> None:
        """Dots where rows and columns are left out."""
        grid = self.grid
        for axis, shown in ((0, grid.rows), (1, grid.columns)):
            if len(shown) == grid.extent[axis]:
                continue
            for other in grid.columns if axis == 0 else grid.rows:
                ends = [(n, other) if axis == 0 else (other, n) for n in shown[-2:]]
                (x0, y0), (x1, y1) = (grid.corner(pe) for pe in ends)
                x, y = (x0 + x1 + grid.box[0]) / 2, (y0 + y1 + grid.box[1]) / 2
                for n in (-1, 0, 1):
                    at = (x + 9 * n * axis, y + 9 * n * (1 - axis))
                    self.svg.element("circle", cx=at[0], cy=at[1], r=2.2, fill=GREY)

    def _chains(self) -> None:
        """Sums from row to row within a chain; out where it ends."""
        grid, fold, ink = self.grid, self.mapping.fold, self.colour[2]
        for row, column in grid.pes:
            if row >= fold.rows or column >= fold.columns:
                continue
            x, y = grid.corner((row, column))
            along, foot = x + grid.box[0] - 16, y + grid.box[1]
            if row % fold.chain == fold.chain - 1:
                with self.svg.group(class_="exit", data_pe=f"{row},{column}"):
                    ends = [(along, foot), (along, foot + 22)]
                    self.svg.line(ends, stroke=ink, stroke_width=1.8)
                    arrow_head(self.svg, *ends, ink)
                    text = f"{self.names[2]} {self.machine.roles.p}={column}"
                    at = (along - 8, foot + 20)
                    self.svg.text(at, text, size=SIZE, font=MONO, fill=ink, text_anchor="end")
            elif grid.shows((row + 1, column)):
                to = grid.corner((row + 1, column))[1]
                marks = {"data_from": f"{row},{column}", "data_to": f"{row + 1},{column}"}
                with self.svg.group(class_="link", data_tensor=self.names[2], **marks):
                    draw_link(self.svg, [(along, foot), (along, to)], "reduce_forward", 1, 0, ink)

    def _legend(self, at, width: float) -> float:
        x, y = at
        y = draw_row(self.svg, (x, y), width, tagged_sentences(self.machine)[0], indent=0)
        for tensor, text in enumerate(tagged_sentences(self.machine)[1:]):
            ink, ends = self.colour[tensor], [(x + 4, y + 2), (x + 54, y + 2)]
            if tensor < 2:
                self.svg.line(ends, stroke=ink, stroke_width=2.6)
                arrow_head(self.svg, *ends, ink)
            else:
                draw_link(self.svg, ends, "reduce_forward", 1, 0, ink)
            y = draw_row(self.svg, (x, y + 6), width, text, fill=ink)
        text = "What is tinted lies in a scratchpad. A box is a register, a plus an adder."
        return draw_row(self.svg, (x, y + 6), width, text, indent=0, fill=GREY)


def _span(name: str, first: int, count: int) -> str:
    return f"{name}={first}" if count == 1 else f"{name}={first}..{first + count - 1}"
