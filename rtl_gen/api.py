"""rtl-gen from Python, in a few lines::

import rtl_gen

design = rtl_gen.load("dataflows/weight_stationary.yaml")
print(design.explain())
design.simulate("conv2d:k=16,c=16,h=8,w=8,r=3,s=3,pad=1", seed=1)
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from .flow.design import VerilogDesign, accelerator_verilog, array_verilog
from .mapping.cost import estimate
from .mapping.mapper import choose_mapping
from .mapping.mapping import MappingError
from .mapping.placing import OWN_INPUT
from .operands import (
    Operands,
    check_values,
    layer_on,
    operation_for,
    random_operands,
    read_operands,
)
from .report.draw.array_picture import array_picture
from .report.draw.fused_picture import fused_picture
from .report.draw.link_trace import small_array
from .report.draw.steps_page import follow, follow_tagged, steps_chart, steps_page
from .report.draw.tagged_picture import tagged_picture
from .report.explain import explain, explanation_text, plain
from .report.explain_fused import explain_fused, fused_plain, fused_text
from .report.explain_tagged import tagged_plain, tagged_text
from .report.layer_result import LayerResult
from .report.verilog_files import VerilogFiles, write_verilog
from .reuse import Reuse, check_links, derive
from .reuse.fused_machine import machine_of
from .reuse.machine import Machine
from .reuse.tagged_machine import TaggedMachine
from .sim.layers import LayerCheck, check_layers
from .sim.link_counters import LinkCounters
from .sim.programs import build_machine
from .sim.run import Simulation, SimulationError
from .sim.traffic import TrafficRow, compare_traffic
from .sim.verilator import Build
from .spec.design import Design
from .spec.layer import Layer
from .spec.layer_text import find_layer
from .spec.operation import SpecError
from .spec.parse import load_design, place

__all__ = ["LayerFit", "LayerResult", "LoadedDesign", "load"]

BUILD = Path("build")
"""Where files go by default, in the working directory."""


@dataclass(frozen=True)
class LayerFit:
    """Whether a layer runs on a design.

    Parameters
    ----------
    cycles
        Estimated; None if it does not run.
    reason
        Why it does not run; empty if it does.
    """

    layer: Layer
    cycles: int | None
    reason: str = ""

    @property
    def fits(self) -> bool:
        return self.cycles is not None


@dataclass(frozen=True, eq=False)
class LoadedDesign:
    """A dataflow or design file that was read.

    Parameters
    ----------
    path
        The file; None for a design made in Python.
    design
        What it says.
    """

    path: Path | None
    design: Design

    def __repr__(self) -> str:
        design = self.design
        return (
            f"LoadedDesign({design.name}: {' and '.join(o.name for o in design.operations)} on "
            f"{design.rows} x {design.columns} PEs)"
        )

    @property
    def name(self) -> str:
        return self.design.name

    @cached_property
    def machine(self) -> Machine:
        """The design with everything derived from it.

        Raises
        ------
        SpecError
            If no accelerator can be built; with the file and line of its key.
        """
        return self._placed(machine_of, self.design)

    def check(self, layers: Iterable[str | Layer] = ()) -> list[LayerFit]:
        """Whether an accelerator can be built, and which layers run on it.

        Raises
        ------
        SpecError
            If it cannot be built, or a layer's text cannot be read.
        """
        machine = self.machine
        return [_fit(machine, self.layer(layer)) for layer in layers]

    def check_links(self, array: "LoadedDesign") -> list[str]:
        """Why the links of another design's array do not carry this nest; empty if they do.

        Of several dataflows each must be carried, and by one of those that the array is built for.

        Raises
        ------
        SpecError
            If one of the two cannot be derived, or has tagged buses.
        """
        reasons = []
        built = array._placed(_reuses, array.design)
        own = [reuse.placement for reuse in self._placed(_reuses, self.design)]
        for nest in own:
            found = [(reuse.placement.dataflow.name, check_links(reuse, nest)) for reuse in built]
            if all(why for _, why in found):
                before = f"{nest.dataflow.name}: " if len(own) > 1 else ""
                for name, why in found:
                    mode = f"as {name}: " if len(built) > 1 else ""
                    reasons += [f"{before}{mode}{reason}" for reason in why]
        return reasons

    def explain(self) -> str:
        """How each tensor moves, what is stored where, and what bounds the rate."""
        if self.design.others:
            return fused_text(self._placed(explain_fused, self.design))
        if self.design.dataflow.tagged:
            return self._placed(tagged_text, self.design)
        return explanation_text(self._placed(explain, self.design))

    def explain_data(self) -> dict:
        """The same for machines: dicts, lists, numbers and texts."""
        if self.design.others:
            return fused_plain(self._placed(explain_fused, self.design))
        if self.design.dataflow.tagged:
            return self._placed(tagged_plain, self.design)
        return plain(self._placed(explain, self.design))

    def draw(self, *, array: tuple[int, int] | None = None) -> str:
        """The array as SVG: PEs, links by tensor and kind, lanes, exits, what is held where.

        Of several dataflows a panel each, with what they share; of tagged buses the PEs with the
        tags of a layer.

        Parameters
        ----------
        array
            Rows and columns of PEs instead of those of the design.

        Raises
        ------
        SpecError
            If the array cannot be derived.
        MappingError
            If it has tagged buses, and so few PEs that the layer drawn there does not fit.
        """
        design = self._on(array)
        if design.design.others:
            return fused_picture(self._placed(explain_fused, design.design))
        if design.design.dataflow.tagged:
            return self._placed(tagged_picture, design.design)
        return array_picture(self._placed(explain, design.design))

    def draw_steps(
        self,
        layer: str | Layer | None = None,
        *,
        array: tuple[int, int] | None = None,
        page: bool = True,
    ) -> str:
        """Which PE uses which element in each cycle: an HTML page with a slider, or else an SVG.

        Parameters
        ----------
        layer
            Followed step by step; by default a small one that fills the array.
        array
            Rows and columns of PEs; by default those of the design, or few if those are many.

        Raises
        ------
        SpecError
            If the design has several dataflows, or the array or the layer is too large to be
            followed.
        MappingError
            If the array has tagged buses, and the layer does not fit it.
        """
        if self.design.others:
            names = " and ".join(flow.name for flow in self.design.dataflows)
            raise place(
                SpecError(
                    f"steps are followed in one dataflow; draw those of {names}, each by its file",
                    key="dataflows",
                ),
                self.path,
            )
        smaller = self._on(array or small_array(self.design))
        found = None
        if layer is not None:
            found = layer_on(self.design.dataflow.operation, self.layer(layer))
        if self.design.dataflow.tagged:
            followed = follow_tagged(self._placed(TaggedMachine, smaller.design), found)
        else:
            followed = follow(self._placed(explain, smaller.design), found)
        return steps_page(followed) if page else steps_chart(followed)

    def _on(self, array: tuple[int, int] | None) -> "LoadedDesign":
        """The same on another array."""
        if array is None:
            return self
        rows, columns = array
        return LoadedDesign(self.path, replace(self.design, rows=rows, columns=columns))

    def verilog(self, *, array: bool = False) -> str:
        """The Verilog of the accelerator, or of the bare PE array."""
        return self._verilog(array).text

    def write_verilog(
        self, folder: str | Path = BUILD / "verilog", *, array: bool = False
    ) -> VerilogFiles:
        """Write ``<design>.v`` (or ``<design>_array.v``) and a JSON file that describes it."""
        Path(folder).mkdir(parents=True, exist_ok=True)  # says at once if that cannot be
        stem = f"{self.name}_array" if array else self.name
        return write_verilog(self.design, self._verilog(array), folder, stem)

    def layer(self, layer: str | Layer) -> Layer:
        """A layer by its name in examples/layers.yaml, or from its text.

        Raises
        ------
        SpecError
            If the name is unknown or the text cannot be read.
        """
        if isinstance(layer, Layer):
            return layer
        return find_layer(layer, operations=self.design.operations)

    def build(self, *, waves: bool = False) -> Build:
        """Build the simulation, or find it built."""
        return build_machine(self.machine, waves=waves)

    def simulate(
        self,
        layer: str | Layer,
        *,
        seed: int | None = None,
        data: str | Path | None = None,
        waves: bool | str | Path = False,
    ) -> LayerResult:
        """Run a layer in RTL and compare it with the golden model, bit by bit.

        Parameters
        ----------
        layer
            A name of examples/layers.yaml, a text such as ``matmul:m=4,k=32,n=8``, or a layer.
        seed
            Of the random numbers; random by default, and part of the result.
        data
            An ``.npz`` file with x, w, b, multiplier and shift instead of random numbers. What it
            holds is checked, and the layer computed in numpy, before anything is built.
        waves
            Write a waveform: to ``build/waves/<design>.vcd``, or to the file that is named.

        Raises
        ------
        SpecError, MappingError, ModelError
            If the layer cannot be read, does not run on the design, or the data do not fit it.
        MissingPartError
            If a system part such as g++ is missing.
        """
        return self.simulate_layers([layer], seed=seed, data=data, waves=waves)[0]

    def simulate_layers(
        self,
        layers: Iterable[str | Layer],
        *,
        seed: int | None = None,
        data: str | Path | None = None,
        waves: bool | str | Path = False,
        on_plan: Callable[[list[LayerFit]], None] | None = None,
        on_built: Callable[[Build], None] | None = None,
        on_progress: Callable[[str, int], None] | None = None,
        on_result: Callable[[LayerResult], None] | None = None,
    ) -> list[LayerResult]:
        """Run layers on one simulation; as :meth:`simulate`.

        ``on_plan`` is called with the layers before the simulation is built, ``on_built`` when it
        is, ``on_progress`` with a layer's name and cycles as it runs, ``on_result`` with each
        result.
        """
        asked = [self.layer(layer) for layer in layers]
        seed = random.SystemRandom().randrange(1, 1 << 32) if seed is None else seed
        loaded = [self._operands(layer, seed, data) for layer in asked]
        mappings = [choose_mapping(self.machine, operands.layer, OWN_INPUT) for operands in loaded]
        if data is not None:  # random numbers always have a result
            for mapping, operands in zip(mappings, loaded):
                check_values(mapping, operands, data)
        if on_plan:
            cycles = [estimate(mapping).cycles for mapping in mappings]
            on_plan([LayerFit(*pair) for pair in zip(asked, cycles)])
        vcd = None
        if waves:
            vcd = BUILD / "waves" / f"{self.name}.vcd" if waves is True else Path(waves)
        build = self.build(waves=bool(waves))
        if on_built:
            on_built(build)
        results: list[LayerResult] = []

        def keep(check: LayerCheck) -> None:
            n = len(results)
            given = None if data else seed
            results.append(LayerResult(asked[n], loaded[n], check, given, vcd))
            if on_result:
                on_result(results[-1])

        check_layers(
            self.machine,
            Simulation(build, seed=seed, waves=vcd),
            [(each.layer, each.source, each.data) for each in loaded],
            mappings=mappings,
            on_check=keep,
            on_progress=on_progress,
        )
        return results

    def traffic(
        self, layer: str | Layer, *, simulate: bool = False, seed: int | None = None
    ) -> list[TrafficRow]:
        """What a layer moves: words at each buffer and the memory port, elements on each link.

        Predicted from the reuse analysis and the mapping; with ``simulate`` also counted, in a
        simulation that has counters at every link.

        Raises
        ------
        SpecError, MappingError
            If the layer cannot be read or does not run on the design.
        SimulationError
            If the layer, simulated, is not bit-exact.
        """
        asked = self.layer(layer)
        operation = operation_for(self.machine, asked)
        if not simulate:
            layer_run = layer_on(operation, asked)
            return compare_traffic(choose_mapping(self.machine, layer_run, OWN_INPUT))
        operands = random_operands(operation, asked, 1 if seed is None else seed)
        mapping = choose_mapping(self.machine, operands.layer, OWN_INPUT)
        build = build_machine(self.machine, links=True)
        [check] = check_layers(
            self.machine,
            Simulation(build, seed=seed),
            [(operands.layer, operands.source, operands.data)],
            mappings=[mapping],
        )
        if not check.exact:
            raise SimulationError(f"{asked.name}: {check.wrong} outputs are wrong")
        return compare_traffic(mapping, check, links=LinkCounters(self.machine))

    def _operands(self, layer: Layer, seed: int, data: str | Path | None) -> Operands:
        operation = operation_for(self.machine, layer)
        if data is not None:
            return read_operands(operation, layer, data)
        return random_operands(operation, layer, seed)

    def _verilog(self, array: bool) -> VerilogDesign:
        if array:
            return self._placed(array_verilog, self.design)
        return self._placed(accelerator_verilog, self.machine)

    def _placed(self, make: Callable, argument):
        """Call ``make``; an error about the design gets the file and line of its key."""
        try:
            return make(argument)
        except SpecError as error:
            if self.path is None:
                raise
            raise place(error, self.path) from None


def _reuses(design: Design) -> tuple[Reuse, ...]:
    """The reuse of each of a design's dataflows; raises SpecError where one has tagged buses."""
    if any(flow.tagged for flow in design.dataflows):
        raise SpecError(
            "tagged buses bring words to where the tags of a layer send them, so no link decides "
            "which nest they carry; `rtl-gen check` with this file and layers says which run",
            key="links.tagged",
        )
    found = derive(design)
    return tuple(mode.reuse for mode in found.modes) if design.others else (found,)


def _fit(machine: Machine, layer: Layer) -> LayerFit:
    try:
        mapping = choose_mapping(machine, layer_on(operation_for(machine, layer), layer), OWN_INPUT)
        return LayerFit(layer, estimate(mapping).cycles)
    except MappingError as error:
        return LayerFit(layer, None, str(error).removeprefix(f"{layer.name}: "))


def load(path: str | Path) -> LoadedDesign:
    """Read a dataflow file or a design file.

    Raises
    ------
    SpecError
        On one line: file, line, key, what is wrong, what is allowed.
    """
    return LoadedDesign(Path(path), load_design(path))
