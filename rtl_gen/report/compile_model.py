"""Program files on the command line: `rtl-gen compile` and `rtl-gen execute`."""

import os
import tempfile
from pathlib import Path

import numpy as np

from ..api import LoadedDesign
from ..host.accelerator import Accelerator
from ..host.compile import CompiledNetwork, compile_network
from ..host.listing import listing
from ..host.simulated import SimulatedDevice
from ..hw.accelerator_params import design_hash
from ..isa.descriptors import VERSION
from ..isa.program_file import ProgramFile
from ..isa.program_format import ProgramFileError
from ..isa.registers import REGISTERS_VERSION
from ..nn.graph import ModelError
from ..nn.model_file import read_model
from .arrays import named_array, read_arrays

__all__ = ["Executed", "compile_model", "execute", "plain_file"]

Executed = tuple[dict[str, np.ndarray], dict[str, int], int]
"""Outputs, counters and cycles of a run."""


def compile_model(
    design: LoadedDesign, model: Path, out: Path, *, batch: int = 1, until: str | None = None
) -> tuple[CompiledNetwork, Path]:
    """Write the program file of a network, and its listing beside it, whose path is returned.

    Neither is touched unless both could be made.

    Raises
    ------
    ModelError, MappingError
        If the model cannot be read, or the design does not run it.
    """
    if out.suffix == ".txt":
        raise ModelError(f"{out}: the listing would take this name; choose another ending")
    graph = read_model(model, batch=batch)
    compiled = compile_network(design.machine, graph.until(until) if until else graph)
    text = out.with_suffix(".txt")
    contents = {out: compiled.file.to_bytes(), text: listing(compiled).encode()}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        made = {path: Path(folder) / path.name for path in contents}
        for path, content in contents.items():
            made[path].write_bytes(content)
        for path in contents:
            os.replace(made[path], path)
    return compiled, text


def execute(
    design: LoadedDesign, program: Path, *, inputs: Path | None, seed: int | None = None
) -> Executed:
    """Run a program file on the simulation of a design.

    Everything is checked before the simulation is built.

    Parameters
    ----------
    inputs
        An ``.npz`` file with an array for each input, by its name, or with one array alone; by
        default random numbers.

    Raises
    ------
    ProgramFileError
        If it is no program file, or one for another design.
    ModelError
        If an array does not fit.
    DeviceError
        If the run ends with an error.
    """
    try:
        file = ProgramFile.from_bytes(program.read_bytes())
        file.check_design(design_hash(design.machine.design), VERSION, REGISTERS_VERSION)
    except ProgramFileError as error:
        raise ProgramFileError(error.status, f"{program}: {error}") from None
    given = _given(file, inputs) if inputs else _random(file, 1 if seed is None else seed)
    room = -(-file.memory_bytes // (1 << 28)) * (1 << 28) + (1 << 28)
    device = SimulatedDevice(design.build(), memory_bytes=room, seed=seed)
    with Accelerator(design, device) as accelerator:
        accelerator.load(file)
        for name, array in given.items():
            accelerator.write_input(name, array)
        cycles = accelerator.run()
        outputs = {name: accelerator.read_output(name) for name in accelerator.outputs}
        return outputs, accelerator.counters(), cycles


def _given(file: ProgramFile, path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file as the program's inputs."""
    arrays, found = read_arrays(path), {}
    wanted = {name: places[0] for name, places in file.named("input").items()}
    for name, tensor in wanted.items():
        array = named_array(arrays, name, len(wanted), path)
        if array.dtype != tensor.element or array.shape != tensor.shape:
            raise ModelError(
                f"{path}: {name} must be {tensor.element} of shape {tensor.shape}, not "
                f"{array.dtype} of {array.shape}"
            )
        found[name] = array
    return found


def _random(file: ProgramFile, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    found = {}
    for name, (tensor, *_) in file.named("input").items():
        limits = np.iinfo(tensor.element)
        drawn = random.integers(limits.min, limits.max + 1, tensor.shape)
        found[name] = drawn.astype(tensor.element)
    return found


def plain_file(compiled: CompiledNetwork, out: Path, text: Path) -> dict:
    """What was written, for JSON."""
    file = compiled.file
    return {
        "file": str(out),
        "listing": str(text),
        "design_hash": f"{file.design_hash:016x}",
        "layers": file.layers,
        "estimated_cycles": file.estimated_cycles,
        "memory_bytes": file.memory_bytes,
        "types": {tensor.name: tensor.element for tensor in file.tensors},
        "inputs": {name: list(places[0].shape) for name, places in file.named("input").items()},
        "outputs": {name: list(places[0].shape) for name, places in file.named("output").items()},
    }
