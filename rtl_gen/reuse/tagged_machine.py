"""Designs whose operands come on tagged buses to scratchpads: what such a nest must be.

Row stationary (Chen, Emer and Sze, ISCA 2016) is one: a PE holds a row of a filter and slides it
over a row of the input. How many channels, filter rows and filters lie in a PE and on the rows is
not fixed by the hardware: each layer brings its own, within the rows and the scratchpads.
"""

from dataclasses import dataclass
from functools import cached_property

from ..isa.fields import Record
from ..isa.tagged import tagged_records
from ..isa.widths import Widths
from ..spec.dataflow import AXES
from ..spec.operation import SpecError
from .machine import Machine

__all__ = ["Roles", "TaggedMachine"]

WEIGHTS_TOGETHER = 4
"""Weights that the filter bus brings in a cycle."""

INPUTS_TOGETHER = 4
"""Inputs that the input bus brings in a cycle: of so many rows, each from a bank of its own."""


@dataclass(frozen=True)
class Roles:
    """Which dimension plays which part, with the names that they have in a convolution.

    Parameters
    ----------
    q, s
        The inner loop, and the taps that slide along it in the PE.
    p, r
        What lies on the columns, and its taps, on the rows.
    c, k
        Along which words of the input, and of the output, lie.
    """

    q: str
    s: str
    p: str
    r: str
    c: str
    k: str


@dataclass(frozen=True, eq=False)
class TaggedMachine(Machine):
    """A design with tagged buses, with everything derived from it.

    Raises
    ------
    SpecError
        If the nest is none that such an array runs, or a buffer or scratchpad is too small.
    """

    def _check_nest(self):
        flow = self.design.dataflow
        operands = {tensor.name for tensor in self.operation.operands}
        if set(flow.tagged) != operands:
            raise SpecError(
                f"on tagged buses come all operands, {' and '.join(sorted(operands))}, or none",
                key="links.tagged",
            )
        for key, given in (("moving", flow.moving), ("phases", flow.phases)):
            if given:
                raise SpecError(
                    f"{given[0]} comes on a tagged bus; no link of it moves or holds in phases",
                    key=f"links.{key}",
                )
        for key, given in (("shift", flow.shift), ("reach", flow.reach)):
            if given:
                name = next(iter(given))
                raise SpecError(
                    f"{name} comes or leaves on a bus; it has no {key}", key=f"links.{key}.{name}"
                )
        if flow.skew is not None:
            raise SpecError(
                "rows of PEs with scratchpads follow each other by whole periods; there is no skew",
                key="links.skew",
            )
        _ = self.roles
        self._check_loops()
        for name in ("input", "weights"):
            if self.idiom(name) != "buffet":
                raise SpecError(
                    f"tagged buses are fed from a buffet, not a {self.idiom(name)}",
                    key=f"buffers.{name}.idiom",
                )
        if self.design.buffers.image:
            raise SpecError(
                "windows of packed images are not folded for tagged buses", key="buffers.image"
            )
        if self.design.post_add:
            raise SpecError("residuals are not added behind tagged buses", key="post.add")
        if self.design.post_raw:
            raise SpecError(
                "results leave as int8 where inputs come on tagged buses", key="post.raw"
            )
        if self.design.multiplier_registers:
            raise SpecError(
                "PEs with scratchpads have one register behind the multiplier",
                key="multiplier_registers",
            )

    @cached_property
    def roles(self) -> Roles:
        """Which dimension plays which part.

        Raises
        ------
        SpecError
            If the nest has not the form that tagged buses serve; the message says what lacks.
        """
        flow, operation = self.design.dataflow, self.operation
        columns = flow.on_axis(1)
        if len(columns) != 1:
            raise SpecError(
                "with tagged buses one loop lies on the columns, over rows of the output",
                key="links.tagged",
            )
        q, s = self._window(flow.inner, "the inner loop", f"nest.for.{flow.inner}")
        p, r = self._window(
            columns[0].dimension, "the columns", f"nest.columns.{columns[0].dimension}"
        )
        found = Roles(
            q=q,
            s=s,
            p=p,
            r=r,
            c=self.blocked_dimension(operation.activation),
            k=self.blocked_dimension(operation.output),
        )
        if p == q or r == s:
            raise SpecError(
                f"with tagged buses the columns and the inner loop must slide over two ranks, not "
                f"both over that of {q!r}",
                key="links.tagged",
            )
        if found.c not in operation.reduced or found.k in operation.reduced:
            raise SpecError(
                f"with tagged buses sums run over the channels of {operation.activation.name}, "
                f"along which its words lie, and not over those of {operation.output.name}; "
                f"{found.c!r} and {found.k!r} are no such",
                key="links.tagged",
            )
        run = operation.activation.rank(self.contiguous_rank) if self.contiguous_rank else None
        if run is None or q not in run.dimensions:
            raise SpecError(
                f"with tagged buses the inner loop must run along the words of "
                f"{operation.activation.name} that lie one behind the other, not over {q!r}",
                key=f"nest.for.{q}",
            )
        rest = set(operation.reduced) - {found.c, found.r, found.s}
        if rest:
            raise SpecError(
                f"with tagged buses sums run over {found.c!r}, {found.r!r} and {found.s!r}, not "
                f"over {sorted(rest)[0]!r} too",
                key="links.tagged",
            )
        return found

    def _window(self, dimension, where, key) -> tuple[str, str]:
        """A dimension of the output and the one that slides over the same rank of the input."""
        for rank in self.operation.activation.ranks:
            others = [d for d in rank.dimensions if d != dimension]
            if dimension in rank.dimensions and not rank.is_plain and len(others) == 1:
                reduced = self.operation.reduced
                forward = all(term.coefficient > 0 for term in rank.terms if term.dimension)
                if dimension not in reduced and others[0] in reduced and forward:
                    return dimension, others[0]
        raise SpecError(
            f"with tagged buses {where} must run over outputs of a window, such as p of h = p + r; "
            f"{dimension!r} is none",
            key=key,
        )

    def _check_loops(self):
        """What may lie on the rows and in the PE."""
        roles, flow = self.roles, self.design.dataflow
        on_rows = (roles.k, roles.c, roles.r)
        for loop in flow.on_axis(0):
            if loop.dimension not in on_rows:
                raise SpecError(
                    f"with tagged buses {', '.join(map(repr, on_rows))} may lie on the rows, whose "
                    f"sums go down a column or begin anew; {loop.dimension!r} may not",
                    key=f"nest.{AXES[0]}.{loop.dimension}",
                )
        order = [loop.dimension for loop in flow.pe]
        inside = (roles.k, roles.c, roles.s)
        for dimension in order:
            if dimension not in inside:
                raise SpecError(
                    f"with tagged buses {', '.join(map(repr, inside))} may lie in the PE, "
                    f"{dimension!r} may not",
                    key=f"nest.pe.{dimension}",
                )
        if roles.k in order[1:]:
            raise SpecError(
                f"a PE with scratchpads adds up one output after the other: {roles.k!r} must be "
                f"its outermost loop",
                key=f"nest.pe.{roles.k}",
            )

    def _check_words(self):
        design, pads = self.design, self.design.scratchpads
        if pads is None:
            raise SpecError(
                "PEs that tagged buses feed need scratchpads: {input: 24, weights: 256} says how "
                "many words they hold",
                key="links.tagged",
            )
        if pads.weights % WEIGHTS_TOGETHER:
            raise SpecError(
                f"{pads.weights} words are no whole groups of {WEIGHTS_TOGETHER}, in which weights "
                f"come",
                key="scratchpads.weights",
            )
        burst, block = (self.burst_words, "a burst of the bus"), "the parameters of a block"
        for name, (words, what) in {
            "input": burst,
            "weights": burst,
            "parameters": max(burst, (self.parameter_words, block)),
        }.items():
            if self.buffer_words(name) < words:
                raise SpecError(
                    f"{self.buffer_words(name)} words of {self.block} bytes are less than {what}; "
                    f"at least {words * self.block} bytes are needed",
                    key=f"buffers.{name}",
                )
        longest = 1 + max(record.words for record in self.records.values())
        if 2 * longest > design.queue_words:
            raise SpecError(
                f"{design.queue_words} words do not hold the descriptors of two layers, "
                f"{longest} words each at {design.levels} levels; at least {2 * longest} are "
                f"needed",
                key="queue_words",
            )
        if design.bus_bits // 8 > self.block:
            raise SpecError(
                f"{design.bus_bits} bits are more than a block of {self.block} bytes; at most "
                f"{8 * self.block} are allowed",
                key="bus.width",
            )

    # What a layer may have

    def most(self, dimension: str) -> int:
        """Trips of a loop in the PE at most; 1 of one that is not there."""
        maxima = {loop.dimension: loop.maximum for loop in self.design.dataflow.pe}
        return maxima.get(dimension, 1)

    def on_rows(self, dimension: str) -> bool:
        return any(loop.dimension == dimension for loop in self.design.dataflow.on_axis(0))

    @property
    def chain_bits(self) -> int:
        """Bits of a sum that goes down all rows."""
        products = self.design.rows * min(255, self.most(self.roles.c) * self.most(self.roles.s))
        return min(self.sum_bits, self.design.formats.bits_for(products))

    # In the terms of a machine with ordinary lanes

    moving = None
    reads_on_chip = False
    input_held = True
    weights_held = False
    input_depth = weight_depth = sums_kept = 0  # scratchpads have addresses of their own
    sums_pieces = False
    input_reads = INPUTS_TOGETHER
    input_words = INPUTS_TOGETHER
    drains = 0
    gathers = True
    weight_vectors = 1
    weight_words = 1
    post_phases = 1

    @property
    def input_read_sizes(self) -> tuple[int, ...]:
        return (self.input_reads,)

    @property
    def accumulators(self) -> int:
        """Entries, each of as many sums as leave the array in a cycle."""
        return self.design.buffers.accumulators

    @property
    def post_lanes(self) -> int:
        """Sums that leave the array in a cycle."""
        return self.design.post_lanes

    @property
    def output_words(self) -> int:
        return self.post_lanes

    @cached_property
    def smallest_tiles(self) -> dict[str, int]:
        weights = -(-self.design.rows * WEIGHTS_TOGETHER // self.block)
        return {
            "input": self.input_reads,
            "weights": weights,
            "parameters": self.parameter_words,
            "output": 1,
        }

    @cached_property
    def widths(self) -> Widths:
        return Widths(
            levels=self.design.levels,
            dma_levels=self.dma_levels,
            load_checks=len(self.loaded_ranks),
            feed_checks=len(self.checked_ranks),
            input_held=True,
            groups=0,
            input_words=self.buffer_words("input"),
            weight_words=self.buffer_words("weights"),
            parameter_words=self.buffer_words("parameters"),
            output_words=self.buffer_words("output"),
            accumulators=self.accumulators,
            block=self.block,
            input_reads=self.input_reads,
            input_loops=1,
        )

    @property
    def sums_together(self) -> int:
        return self.post_lanes

    @property
    def watched(self) -> tuple[str, ...]:
        return (*self.engines, "tagged_buses")

    @cached_property
    def records(self) -> dict[str, Record]:
        return tagged_records(self.widths)
