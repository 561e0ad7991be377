"""The `rtl-gen` command: reads the command line, calls the API, prints.

Exit codes: 0, all is well; 1, what was asked for was done and failed: `check` found a layer that
does not run, a layer is not bit-exact, a point of a sweep failed, a simulation did not build or
end; 2, bad input, for `sim` also a layer that does not run on the design.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .report.user_errors import BAD_INPUT, FAILED, explain_error

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["app", "main"]

INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which leaves <words> out unless they stand in `backticks`
    help="DNN accelerators in Verilog, generated from a dataflow.\n\n"
    "FILE is a dataflow file such as dataflows/weight_stationary.yaml, or a design file that names "
    "one. Exit codes: 0, all is well; 1, it was tried and failed; 2, bad input.",
)

File = Annotated[Path, typer.Argument(help="A dataflow or design file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Layers = Annotated[
    list[str] | None,
    typer.Argument(
        help="Layers: names of examples/layers.yaml, or text such as "
        "conv2d:k=32,c=16,p=14,q=14,r=3,s=3,stride=2,pad=1 or matmul:m=8,k=64,n=10.",
        show_default=False,
    ),
]


@app.command()
def check(
    file: File,
    layers: Layers = None,
    array: Annotated[
        Path | None,
        typer.Option(
            help="A dataflow or design file: do the links of its array carry the nest of FILE?",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that FILE can be built, and that LAYERS run on it.

    Says for each layer how many cycles it is estimated to take, or why it does not run (exit
    code 1). A file that cannot be built is bad input (exit code 2).

    With `--array` says instead whether the links that another array has carry the nest of FILE; if
    not, which link brings which element to a PE that uses another (exit code 1).
    """
    if array is not None:
        _check_links(file, array, layers or [], as_json)
        return
    with _user_errors():
        design = _load(file)
        fits = design.check(layers or [])
    if as_json:
        plain = [
            {"layer": fit.layer.name, "fits": fit.fits, "cycles": fit.cycles, "reason": fit.reason}
            for fit in fits
        ]
        _print_json({"design": design.name, "layers": plain})
    else:
        from .report.tables import fit_table

        shape = f"{design.design.rows} x {design.design.columns}"
        print(f"{file}: {design.name}, {shape} PEs, can be built")
        if fits:
            _console().print(fit_table(fits))
    _exit(all(fit.fits for fit in fits))


def _check_links(file: Path, array: Path, layers: list[str], as_json: bool) -> None:
    with _user_errors():
        if layers:
            from .spec.operation import SpecError

            raise SpecError("layers run on FILE's own array; leave them out, or --array")
        design, other = _load(file), _load(array)
        reasons = design.check_links(other)
    if as_json:
        plain = {"design": design.name, "array": other.name, "carried": not reasons}
        _print_json(plain | {"reasons": reasons})
    elif reasons:
        print(f"{file}: the array of {array} does not carry it:")
        print("\n".join(f"  {reason}" for reason in reasons))
    else:
        print(f"{file}: the array of {array} carries it")
    _exit(not reasons)


@app.command()
def explain(file: File, as_json: Json = False) -> None:
    """Explain the dataflow in FILE, tensor by tensor.

    Prints links and why they exist, lanes at the array's edge, what a PE stores, the width of
    partial sums and its formula, words per step and the step rate they allow, and the buffers.
    """
    with _user_errors():
        design = _load(file)
        found = design.explain_data() if as_json else design.explain()
    if as_json:
        _print_json(found)
    else:
        print(found, end="")


@app.command()
def draw(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write, .svg (or .html).", show_default=False),
    ] = None,
    steps: Annotated[
        bool, typer.Option("--steps", help="Step by step: which PE uses what when.")
    ] = False,
    array: Annotated[
        str | None,
        typer.Option(help="Another array, such as 3x4.", show_default="that of FILE"),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="With --steps, the layer to follow.", show_default="a small one"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw the array of FILE, or with `--steps` what it does step by step.

    The array, `.svg`: PEs, links by tensor and kind, lanes and exits, what is held where; of a
    large array the first and the last rows and columns; of several dataflows a panel each, with
    what they share; of tagged buses the PEs with the tags of a layer. The steps of a small array,
    `.html`: a page with a slider over the cycles; or `.svg`: all cycles in one picture; of several
    dataflows each by its own file. A dataflow whose array can be built but no accelerator is drawn
    all the same. By default files go to `build/draw`.
    """
    from .report.draw.write import write_picture

    with _user_errors():
        path = write_picture(_load(file), out, steps=steps, array=array, layer=layer)
    if as_json:
        _print_json({"file": str(path)})
    else:
        print(path)


@app.command()
def verilog(
    file: File,
    array: Annotated[bool, typer.Option("--array", help="Only the PE array, bare.")] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write into.", file_okay=False)
    ] = Path("build/verilog"),
    as_json: Json = False,
) -> None:
    """Write the Verilog of the accelerator, or of its bare PE array.

    Writes `<design>.v` and beside it `<design>.json`: top module, ports, memories, versions of the
    tools, hashes. With `memories: sram` also `rtl_gen_sram.v`, if it is not there yet. What is
    generated belongs to you.
    """
    from .report.verilog_files import memory_lines

    with _user_errors():
        files = _load(file).write_verilog(out, array=array)
    if as_json:
        _print_json(files.facts | {"file": str(files.verilog)})
    else:
        lines = files.verilog.read_text().count("\n")
        print(f"{files.verilog}: module {files.facts['top']}, {lines:,} lines")
        print(f"{files.description}: ports, memories, versions, hashes")
        if files.wrapper:
            print(f"{files.wrapper}: the module of its memories; put your macros there")
        for line in memory_lines(files.facts):
            print(line)


@app.command()
def sim(
    file: File,
    layers: Layers = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="An .npz file with x, w, b, multiplier, shift instead of random numbers.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the random numbers.", min=0, show_default="random")
    ] = None,
    waves: Annotated[
        bool, typer.Option("--waves", help="Write a waveform, build/waves/<design>.vcd.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run LAYERS on the generated Verilog and compare each output bit by bit with numpy.

    Without LAYERS, lists the layers that have names. The first run of a design builds its
    simulation, which takes about a minute; later ones find it built. A layer that does not run on
    the design is bad input (exit code 2), one that is not bit-exact has failed (exit code 1).
    """
    with _user_errors():
        design = _load(file)
        if not layers:
            _print_names(as_json)
            return
        from .report.simulate import run_layers

        results = run_layers(
            design, layers, seed=seed, data=data, waves=waves, console=_console(stderr=True)
        )
    if as_json:
        _print_json({"design": design.name, "layers": [result.plain() for result in results]})
    else:
        from .report.simulate import print_results

        print_results(_console(), design, results)
    _exit(all(result.exact for result in results))


@app.command()
def run(
    file: File,
    model: Annotated[
        Path, typer.Argument(help="A network: .tflite or .onnx, int8.", show_default=False)
    ],
    inputs: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="An .npz file with the model's inputs, int8, instead of random numbers.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the network's outputs to this .npz file.", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Run only up to this node.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the random numbers.", min=0, show_default="1")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a page of the run to this .html file.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the network MODEL on the generated Verilog, as one program.

    Every tensor is compared bit by bit with numpy (exit code 1 if one differs). What the design
    cannot run is bad input (exit code 2), with the names of all such nodes.
    """
    with _user_errors():
        from .report.arrays import write_arrays
        from .report.run_model import plain_run, print_run, run_model

        shown = _console(stderr=True)
        done = run_model(_load(file), model, inputs=inputs, until=until, seed=seed, console=shown)
        if output:
            write_arrays(done.outputs, output)
        if report:
            from .report.network_page import write_network_page

            write_network_page(report, done)
    if as_json:
        _print_json(plain_run(done))
    else:
        print_run(_console(), done)
    _exit(done.exact)


@app.command()
def traffic(
    file: File,
    layer: Annotated[str, typer.Argument(help="A layer, as for `sim`.", show_default=False)],
    simulate: Annotated[bool, typer.Option("--sim", help="Count it too, in a simulation.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Of its numbers.", min=0, show_default="1")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what LAYER moves on FILE: words at each buffer, at the memory port, on each link.

    Predicted from the reuse analysis and the mapping. With `--sim` the layer is run with counters
    at the ports and at every link of the array, whose counts stand beside the predictions (exit
    code 1 if one differs); that simulation is built once, which takes a minute or two.
    """
    from .report.traffic_table import plain_traffic, traffic_table

    with _user_errors():
        rows = _load(file).traffic(layer, simulate=simulate, seed=seed)
    if as_json:
        _print_json({"layer": layer, "traffic": plain_traffic(rows)})
    else:
        _console().print(traffic_table(rows))
    _exit(all(row.exact for row in rows))


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="A sweep file.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for results.", show_default="build/sweep/<name>"),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Points side by side.", min=1)] = 2,
    seed: Annotated[int, typer.Option(help="Of the random numbers.", min=0)] = 1,
    as_json: Json = False,
) -> None:
    """Build, simulate and count the cells of every point of a sweep file.

    Writes a table (CSV) and a plot of cycles against cells (SVG). An interrupted sweep goes on
    where it was; points that fail are reported and do not stop the others (exit code 1).
    """
    with _user_errors():
        run_sweep = _sweeper()
        folder = out or Path("build/sweep") / file.stem
        try:
            console = _console(stderr=True)
            report = run_sweep(file, out=folder, jobs=jobs, seed=seed, console=console)
        except KeyboardInterrupt:
            _refuse("interrupted; the same command goes on from here", INTERRUPTED)
    if as_json:
        failed = [{"point": point.name, "reason": point.message} for point in report.failed]
        svg = str(report.svg) if report.svg else None
        _print_json({"csv": str(report.csv), "svg": svg, "failed": failed})
    else:
        print(f"table {report.csv}")
        print(f"plot  {report.svg}" if report.svg else "no plot: no point has a result")
        if report.failed:
            print(f"{len(report.failed)} points failed")
    _exit(not report.failed)


@app.command()
def schema(
    sweeps: Annotated[bool, typer.Option("--sweep", help="Of sweep files.")] = False,
) -> None:
    """Print the JSON schema of dataflow and design files, for editors."""
    from .spec.schema import schema as design_schema
    from .spec.schema import sweep_schema

    _print_json(sweep_schema() if sweeps else design_schema())


@app.command()
def registers(as_json: Json = False) -> None:
    """Print the register map of the control port, which is the same for all designs.

    As a Markdown table. What differs from design to design stands in the first registers.
    """
    from .isa.registers import REGISTERS, listing

    if as_json:
        _print_json([asdict(register) for register in REGISTERS])
    else:
        print(listing(), end="")


def main() -> None:
    """Entry point of the command."""
    app()


def _load(file: Path):
    from .api import load

    return load(file)


def _sweeper():
    """The sweep, which needs packages that not everyone has."""
    try:
        from .explore.sweep import run_sweep
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("rtl_gen"):
            raise
        _refuse(f"{error.name} is missing; install it with: pip install 'rtl-gen[sweep]'")
    return run_sweep


def _print_names(as_json: bool) -> None:
    """The layers of examples/layers.yaml."""
    from .spec.layer_text import load_layers

    layers = load_layers()
    if as_json:
        _print_json({name: layer.macs for name, layer in layers.items()})
        return
    from .report.tables import name_table

    console = _console()
    console.print(name_table(layers.values()))
    console.print("or text such as conv2d:k=32,c=16,p=14,q=14,r=3,s=3,stride=2,pad=1")


@contextmanager
def _user_errors() -> Iterator[None]:
    """Errors that the user can mend: their message and an exit code, no traceback."""
    try:
        yield
    except Exception as error:
        found = explain_error(error)
        if found is None:
            raise
        _refuse(*found)


def _refuse(message: str, code: int = BAD_INPUT) -> None:
    print(f"rtl-gen: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _exit(good: bool) -> None:
    if not good:
        raise typer.Exit(FAILED)


def _print_json(found: object) -> None:
    print(json.dumps(found, indent=2))


def _console(*, stderr: bool = False) -> "Console":
    from .report.tables import wide_console

    return wide_console(stderr=stderr)


from . import cli_host  # noqa: E402, F401  its commands join these
