"""Errors that a user can mend: their message and an exit code, for every command alike."""

import errno

__all__ = ["BAD_INPUT", "FAILED", "explain_error"]

FAILED, BAD_INPUT = 1, 2


def explain_error(error: Exception) -> tuple[str, int] | None:
    """What to print of an error, and the exit code; None for one that is not the user's.

    Bad input is what a file, a layer or data say, a path that is not there or may not be read or
    written, and a system part that is missing. A build or a simulation that does not come to its
    end has failed, and so has what the machine refuses, such as a write to a full disk. None is
    for a bug, whose traceback is wanted, and for output that nobody reads any more (`| head`),
    which Typer and Rich end quietly.
    """
    from ..host.backend import DeviceError
    from ..host.driver_files import MissingPackageError
    from ..isa.program_format import ProgramFileError
    from ..mapping.mapping import MappingError
    from ..nn.graph import ModelError
    from ..sim.compiler import BuildError
    from ..sim.run import SimulationError
    from ..sim.system import MissingPartError
    from ..spec.operation import SpecError

    mendable = (SpecError, MappingError, ModelError, ProgramFileError)
    if isinstance(error, (*mendable, MissingPartError, MissingPackageError)):
        return str(error), BAD_INPUT
    if isinstance(error, (BuildError, SimulationError, DeviceError)):
        return str(error), FAILED
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        code = BAD_INPUT if _is_of_a_path(error) else FAILED
        return f"{error.filename or 'a file'}: {error.strerror or error}", code
    return None


def _is_of_a_path(error: OSError) -> bool:
    """Whether another path would do: this one is not there, or may not be read or written."""
    kinds = (
        FileNotFoundError,
        FileExistsError,
        IsADirectoryError,
        NotADirectoryError,
        PermissionError,
    )
    return isinstance(error, kinds) or error.errno in (
        errno.EROFS,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    )
