"""The commands of the `rtl-gen` command that are about programs and their hosts."""

from pathlib import Path
from typing import Annotated

import typer

from .cli import File, Json, _load, _print_json, _user_errors, app

__all__ = ["compile_network", "driver", "execute"]


@app.command(name="compile")
def compile_network(
    file: File,
    model: Annotated[
        Path, typer.Argument(help="A network: .tflite or .onnx, int8.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write.", show_default="build/programs/MODEL.bin"),
    ] = None,
    batch: Annotated[int, typer.Option(help="Images that a run takes.", min=1)] = 1,
    until: Annotated[
        str | None, typer.Option(help="Only up to this node.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile the network MODEL for FILE: a program file, and a listing (.txt) beside it.

    A host loads the file anywhere in memory and runs it: from Python, or with the C driver that
    `rtl-gen driver` writes. `docs/program.md` describes the format.
    """
    with _user_errors():
        from .report.compile_model import compile_model, plain_file

        path = out or Path("build/programs") / f"{model.stem}.bin"
        compiled, text = compile_model(_load(file), model, path, batch=batch, until=until)
    if as_json:
        _print_json(plain_file(compiled, path, text))
    else:
        made = compiled.file
        print(f"{path}: {made.layers} layers, {made.memory_bytes:,} bytes of memory")
        print(f"{text}: the listing; {made.estimated_cycles:,} cycles estimated")


@app.command()
def execute(
    file: File,
    program: Annotated[
        Path, typer.Argument(help="A program file of `compile`.", show_default=False)
    ],
    inputs: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="An .npz file with the program's inputs instead of random numbers.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the outputs to this .npz file.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the random numbers.", min=0, show_default="1")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the program file PROGRAM on the generated Verilog, as a host would, and time it.

    Nothing is compared with numpy: that is what `run` does. A file for another design, or a
    damaged one, is bad input (exit code 2).
    """
    with _user_errors():
        from .report.arrays import write_arrays
        from .report.compile_model import execute as execute_program

        outputs, counters, cycles = execute_program(_load(file), program, inputs=inputs, seed=seed)
        if output:
            write_arrays(outputs, output)
    if as_json:
        shapes = {name: list(array.shape) for name, array in outputs.items()}
        types = {name: str(array.dtype) for name, array in outputs.items()}
        _print_json({"cycles": cycles, "outputs": shapes, "types": types, "counters": counters})
    else:
        print(f"{cycles:,} cycles")
        for name, array in outputs.items():
            print(f"{name}: {' x '.join(map(str, array.shape))} {array.dtype}")


@app.command()
def driver(
    file: File,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write into.", file_okay=False)
    ] = Path("build/driver"),
    as_json: Json = False,
) -> None:
    """Write the C driver for FILE, its headers, and the register map.

    C99 without a library: `rtl_gen.h`, `rtl_gen.c`, and two headers of the same description as the
    hardware. The register map as SystemRDL, IP-XACT and pages (registers/index.html).
    """
    from .host.driver_files import write_driver

    with _user_errors():
        written = write_driver(_load(file).machine, out)
    if as_json:
        _print_json({"files": [str(path) for path in written]})
    else:
        for path in written:
            print(path)
