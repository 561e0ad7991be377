"""From the reuse of several dataflows to the wires of one array: the union of theirs.

Each mode is joined alone; then what drives a port in one mode and what in another are brought
together: equal drivers are one wire, others meet in a multiplexer of the PE.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...reuse import Fusion, HeldOperand, Mode
from .fused_pe import KEPT, FusedOperand, FusedPEParams
from .netlist import NOTHING, Coordinate, Driver, Edge, Netlist, join_control, netlist

__all__ = ["fused_netlist"]

ZERO = ("zero",)


@dataclass(frozen=True)
class _Part:
    """The netlist of one mode, in the places and ports of the array."""

    mode: Mode
    net: Netlist

    @property
    def keeps(self) -> bool:
        """Whether the mode sums in the PEs."""
        return self.mode.reuse.output.depth > 0

    def held(self, n: int) -> bool:
        """Whether it holds an operand of the array."""
        return isinstance(self._operand(n), HeldOperand)

    def depth(self, n: int) -> int:
        return self._operand(n).depth if self.held(n) else 0

    def tap(self, n: int, pe: Coordinate) -> int | None:
        """Which place of an operand that may be masked a PE is; None: it is none."""
        if not self.mode.uses(pe):
            return None
        kind = self.net.kinds[self.mode.own(pe)].operands[self.mode.operands.index(n)]
        return kind.tap if kind.taps else None

    def taps(self, n: int) -> int:
        own = self.mode.operands.index(n)
        return max(kind.operands[own].taps for kind in self.net.kinds.values())

    def moves(self, n: int) -> bool:
        """Whether words of an operand move from PE to PE with its ticks."""
        return not self.held(n) and self._operand(n).moves

    def _operand(self, n):
        return self.mode.reuse.operands[self.mode.operands.index(n)]

    def word(self, n: int, pe: Coordinate) -> Driver | None:
        """What drives an operand of a PE: ``("lane", PE)`` or ``("pe", PE, port)``."""
        if not self.mode.uses(pe):
            return None
        own = self.mode.operands.index(n)
        driver = self.net.sources[self.mode.own(pe), f"a{own}"]
        if driver[0] == "lane":
            return ("lane", self.mode.on_array(self.net.lanes[f"a{own}"][driver[2]].pe))
        source, port = driver[1:]
        kind = self.net.kinds[source].operands[own]
        if port.endswith("shift"):
            name = f"a{n}_shift_d{kind.shift}"
        else:
            ticks, delay = kind.forwards[int(port.rpartition("f")[2])]
            name = f"a{n}_t{ticks}_d{delay}"
        return ("pe", self.mode.on_array(source), name)

    def elements(self, n: int) -> dict[Coordinate, int]:
        """The number of the element on each of its lanes."""
        own = self.mode.operands.index(n)
        edges, elements = self.net.lanes[f"a{own}"], self.net.elements[f"a{own}"]
        return {self.mode.on_array(edge.pe): e for edge, (e,) in zip(edges, elements)}

    @cached_property
    def sums(self) -> dict[Coordinate, list[Driver]]:
        """For each PE the sums of neighbours that it adds."""
        found = {}
        for pe in self.net.kinds:
            drivers = [
                self.net.sources[pe, f"psum{k}"] for k in range(self.net.kinds[pe].psum_inputs)
            ]
            found[self.mode.on_array(pe)] = [
                ("pe", self.mode.on_array(driver[1]), f"psum_d{self._psum_delay(driver[1])}")
                for driver in drivers
                if driver != ZERO
            ]
        return found

    def _psum_delay(self, own: Coordinate) -> int:
        return self.net.kinds[own].psum_delay

    def drained(self, pe: Coordinate) -> Driver | None:
        """Whose sum a PE takes when sums are shifted; None if it does not matter."""
        if not self.mode.uses(pe):
            return None
        driver = self.net.sources.get((self.mode.own(pe), "drain_in"), ZERO)
        if driver == ZERO:
            return None
        delay = self.net.kinds[driver[1]].drain
        return ("pe", self.mode.on_array(driver[1]), f"drain_d{delay}")

    @property
    def exits(self) -> list[Driver]:
        """Where its sums leave, in its order."""
        found = []
        for port, edges in self.net.exits.items():
            for edge in edges:
                kind = self.net.kinds[edge.pe]
                drained = port == "drain_out"
                name = f"drain_d{kind.drain}" if drained else f"psum_d{kind.psum_delay}"
                found.append(("pe", self.mode.on_array(edge.pe), name))
        return found


def fused_netlist(
    fusion: Fusion, *, multiplier_registers: int = 0, bits: int = 8, masked: Sequence = ()
) -> Netlist:
    """Join the PEs of an array so that it runs each of its modes; for ``masked``, a mode each, see
    ``ArrayParams``.
    """
    options = {"multiplier_registers": multiplier_registers, "bits": bits}
    parts = [
        _Part(mode, netlist(mode.reuse, masked=mask, **options))
        for mode, mask in zip(fusion.modes, masked or [None] * len(fusion.modes), strict=True)
    ]
    return _Joiner(fusion, parts, multiplier_registers, bits).net()


class _Joiner:
    """Brings the netlists of modes together."""

    def __init__(
        self, fusion: Fusion, parts: Sequence[_Part], multiplier_registers: int, bits: int
    ):
        self.grid, self.parts = fusion.grid, parts
        self.registers, self.bits, self.psum_bits = multiplier_registers, bits, fusion.psum_bits
        self.count = len(parts[0].mode.operands)
        self.accumulators = max(part.mode.reuse.output.depth for part in parts)
        self.ticked = [any(part.moves(n) for part in parts) for n in range(self.count)]
        # Sums that only shifting hands on are as wide as need be; all others go from PE to PE.
        chained = [
            part.mode.reuse.psum_bits for part in parts if part.mode.reuse.output.drain is None
        ]
        self.chain_bits = max(chained, default=self.psum_bits)
        self.drained = any(part.mode.reuse.output.drain is not None for part in parts)
        self.sources: dict[tuple[Coordinate, str], Driver] = {}
        self.lanes: dict[str, tuple[Edge, ...]] = {}
        self.elements: dict[str, tuple] = {}
        # what drives each PE in each mode, where it has work; sums and exits likewise
        self.words = [
            {pe: [part.word(n, pe) for part in parts] for pe in self.grid.pes}
            for n in range(self.count)
        ]
        self.sums = {pe: [part.sums.get(pe) for part in parts] for pe in self.grid.pes}
        self.exits = [part.exits for part in parts]
        self.silent: set[tuple[int, int, Coordinate]] = set()  # (mode, operand, lane that is 0)

    def net(self) -> Netlist:
        for m in range(len(self.parts)):
            self._lengthen(m)
        self._share_exits()
        for n in range(self.count):
            self._join_lanes(n)
        routes = [
            {pe: self._route(pe, f"a{n}", words) for pe, words in self.words[n].items()}
            for n in range(self.count)
        ]
        addends = {pe: self._addends(pe) for pe in self.grid.pes}
        drains = {pe: self._drain_route(pe) for pe in self.grid.pes}
        control_delays = join_control(self.grid, self.sources, self.lanes)
        exits, outputs = self._leave()
        taken: dict[Coordinate, set[str]] = {pe: set() for pe in self.grid.pes}
        for _, pe, port in (d for d in self.sources.values() if d[0] == "pe"):
            taken[pe].add(port)
        for port, edges in exits.items():
            for edge in edges:
                taken[edge.pe].add(port)
        kinds = {}
        for pe in self.grid.pes:
            given = taken[pe]
            kinds[pe] = FusedPEParams(
                operands=tuple(
                    self._operand(n, pe, routes[n][pe], given) for n in range(self.count)
                ),
                addends=addends[pe],
                psum_delays=_numbers(given, "psum_d"),
                chain_bits=self.chain_bits,
                bits=self.bits,
                psum_bits=self.psum_bits,
                accumulators=self.accumulators,
                drain_route=drains[pe],
                drains=_numbers(given, "drain_d"),
                multiplier_registers=self.registers,
                control_delay=control_delays[pe],
            )
        return Netlist(
            self.grid.extent, kinds, self.sources, self.lanes, self.elements, exits, outputs
        )

    # Operands

    def _join_lanes(self, n: int) -> None:
        """A lane for each PE that is one in any mode; PEs by wire to one take that."""
        elements = [part.elements(n) for part in self.parts]
        lanes = sorted({pe for own in elements for pe in own})
        carried = {}
        for lane in lanes:
            found = []
            for m, driver in enumerate(self.words[n][lane]):
                at = driver[1] if driver and driver[0] == "lane" else None
                if (m, n, at) in self.silent:
                    found.append(NOTHING)
                else:
                    found.append(None if at is None else elements[m][at])
            carried[lane] = found
        for pe, words in self.words[n].items():
            at = {m: driver[1] for m, driver in enumerate(words) if driver and driver[0] == "lane"}
            wanted = {
                m: NOTHING if (m, n, lane) in self.silent else elements[m][lane]
                for m, lane in at.items()
            }
            # One lane for all modes, if any carries what each wants when it wants it.
            for lane in (pe, *at.values()):
                carries = carried.get(lane)
                if carries and all(carries[m] == element for m, element in wanted.items()):
                    for m in at:
                        words[m] = ("lane", lane)
                    break
        number = {lane: k for k, lane in enumerate(lanes)}
        for words in self.words[n].values():
            words[:] = [
                ("lane", f"a{n}", number[driver[1]]) if driver and driver[0] == "lane" else driver
                for driver in words
            ]
        self.lanes[f"a{n}"] = tuple(Edge(lane, self.grid.delay(lane)) for lane in lanes)
        self.elements[f"a{n}"] = tuple(tuple(carried[lane]) for lane in lanes)

    def _route(self, pe: Coordinate, port: str, drivers) -> tuple[int, ...]:
        """Give a port's sources their drivers; returns which each mode takes."""
        distinct = list(dict.fromkeys(d for d in drivers if d is not None)) or [ZERO]
        for k, driver in enumerate(distinct):
            self.sources[pe, f"{port}_{k}"] = driver
        return tuple(0 if d is None else distinct.index(d) for d in drivers)

    def _operand(self, n: int, pe: Coordinate, route, given: set[str]) -> FusedOperand:
        names = [port.split("_t")[1] for port in given if port.startswith(f"a{n}_t")]
        forwards = sorted(tuple(map(int, name.split("_d"))) for name in names)
        return FusedOperand(
            route=route,
            held=tuple(part.held(n) for part in self.parts),
            depth=max(part.depth(n) for part in self.parts),
            forwards=tuple(forwards),
            shifts=_numbers(given, f"a{n}_shift_d"),
            ticked=self.ticked[n],
            taps=max(part.taps(n) for part in self.parts),
            tap=tuple(part.tap(n, pe) for part in self.parts),
        )

    # Sums

    def _addends(self, pe: Coordinate) -> tuple:
        """What a PE adds to its product, place by place; equal drivers of modes in one place."""
        places: list[list] = []
        for m, (part, drivers) in enumerate(zip(self.parts, self.sums[pe])):
            first = 1 if part.keeps else 0
            for driver in drivers or ():
                free = [k for k in range(first, len(places)) if places[k][m] is None]
                like = [k for k in free if driver in places[k]]
                at = (like or free or [max(first, len(places))])[0]
                while len(places) <= at:
                    places.append([None] * len(self.parts))
                places[at][m] = driver
        chained = any(part.mode.reuse.output.links for part in self.parts)
        if not places and (chained or self.accumulators):
            places = [[None] * len(self.parts)]
        return tuple(self._addend(pe, k, drivers) for k, drivers in enumerate(places))

    def _addend(self, pe: Coordinate, k: int, drivers) -> tuple[int | None, ...]:
        distinct = list(dict.fromkeys(d for d in drivers if d is not None))
        keeps = [k == 0 and part.keeps for part in self.parts]
        if not distinct and not all(keeps):
            distinct = [ZERO]  # at the border as inside
        for number, driver in enumerate(distinct):
            self.sources[pe, f"psum{k}_{number}"] = driver
        route: list[int | None] = []
        for m, driver in enumerate(drivers):
            if keeps[m]:
                route.append(KEPT)
            elif distinct == [ZERO] or self.sums[pe][m] is None:
                route.append(0)  # nothing to add, or no matter what
            else:
                route.append(None if driver is None else distinct.index(driver))
        return tuple(route)

    def _drain_route(self, pe: Coordinate) -> tuple[int, ...]:
        if not self.drained:
            return ()
        return self._route(pe, "drain", [part.drained(pe) for part in self.parts])

    def _lengthen(self, m: int) -> None:
        """Let sums of a mode that uses part of the array leave where those of another do.

        Behind such an exit lie PEs that the mode does not use, in a chain of the other mode. With
        0 on a lane of theirs they add nothing and hand the sum on.
        """
        for other, part in enumerate(self.parts):
            # Where a sum of the other mode goes on from a PE, and by which port.
            after = {
                driver[1]: (driver[2], pe)
                for pe, sums in self.sums.items()
                for driver in (sums[other] or ())
                if part.mode.uses(pe) and len(sums[other]) == 1
            }
            for k, (_, pe, port) in enumerate(self.exits[m]):
                if not port.startswith("psum"):
                    continue
                while pe in after and self._passes(m, other, after[pe][1]):
                    self._pass(m, other, pe, *after[pe])
                    pe = after[pe][1]
                    port = self._onward(other, pe)
                self.exits[m][k] = ("pe", pe, port)

    def _onward(self, other: int, pe: Coordinate) -> str:
        """The port by which a mode's sum leaves a PE."""
        part = self.parts[other]
        return f"psum_d{part.net.kinds[part.mode.own(pe)].psum_delay}"

    def _passes(self, m: int, other: int, pe: Coordinate) -> bool:
        """Whether a PE that a mode does not use can be made to add nothing, as one of another."""
        part = self.parts[other]
        return (
            not self.parts[m].mode.uses(pe)
            and self.sums[pe][m] is None
            and not part.keeps
            and self._quiet(m, other, pe) is not None
        )

    def _quiet(self, m: int, other: int, pe: Coordinate) -> tuple[int, Coordinate] | None:
        """An operand of the other mode that comes to a PE from a lane only unused PEs have."""
        part = self.parts[other]
        for n in range(self.count):
            driver = part.word(n, pe)
            if part.held(n) or self.parts[m].held(n) or driver is None or driver[0] != "lane":
                continue
            lane = driver[1]
            if not self.parts[m].mode.uses(lane):
                return n, lane
        return None

    def _pass(self, m: int, other: int, source: Coordinate, port: str, pe: Coordinate) -> None:
        n, lane = self._quiet(m, other, pe)
        self.words[n][pe][m] = self.words[n][lane][m] = ("lane", lane)
        self.silent.add((m, n, lane))
        self.sums[pe][m] = [("pe", source, port)]

    def _share_exits(self) -> None:
        """Let a sum leave a PE by the shortest way that another does; any will do."""
        ways: dict[Coordinate, set[int]] = {}
        used = [driver for sums in self.sums.values() for own in sums for driver in own or ()]
        for _, pe, port in [*used, *(driver for own in self.exits for driver in own)]:
            if port.startswith("psum_d"):
                ways.setdefault(pe, set()).add(int(port[len("psum_d") :]))
        for own in self.exits:
            own[:] = [
                ("pe", pe, f"psum_d{min(ways[pe])}" if port.startswith("psum_d") else port)
                for _, pe, port in own
            ]

    def _leave(self):
        """The exits by port, and for each sum of a step those that are added, mode by mode."""
        distinct = dict.fromkeys(driver[1:] for own in self.exits for driver in own)
        exits: dict[str, list[Edge]] = {}
        for port in dict.fromkeys(port for _, port in distinct):
            delay = self.registers + int(port.rpartition("d")[2])
            pes = sorted(pe for pe, name in distinct if name == port)
            exits[port] = [Edge(pe, self.grid.delay(pe) + delay) for pe in pes]
        ordered = [(edge.pe, port) for port, edges in exits.items() for edge in edges]
        outputs = []
        for k in range(max(len(part.net.outputs) for part in self.parts)):
            modes = []
            for part, own in zip(self.parts, self.exits):
                group = part.net.outputs[k][0] if k < len(part.net.outputs) else ()
                modes.append(tuple(ordered.index(own[exit_][1:]) for exit_ in group))
            outputs.append(tuple(modes))
        return {port: tuple(edges) for port, edges in exits.items()}, tuple(outputs)


def _numbers(ports: set[str], stem: str) -> tuple[int, ...]:
    """What stands behind the stem in those of some ports that begin with it."""
    return tuple(sorted(int(port[len(stem) :]) for port in ports if port.startswith(stem)))
