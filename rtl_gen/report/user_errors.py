"""Errors that a user can mend: their message and an exit code, for every command alike."""

__all__ = ["BAD_INPUT", "FAILED", "explain_error"]

FAILED, BAD_INPUT = 1, 2


def explain_error(error: Exception) -> tuple[str, int] | None:
    """What to print of an error, and the exit code; None for a bug, whose traceback is wanted.

    Bad input is what a file, a layer or data say, a file that cannot be read or written, and a
    system part that is missing; a build or a simulation that does not come to its end has failed.
    """
    from ..mapping.mapping import MappingError
    from ..nn.graph import ModelError
    from ..sim.run import SimulationError
    from ..sim.system import MissingPartError
    from ..spec.operation import SpecError

    if isinstance(error, (SpecError, MappingError, ModelError, MissingPartError)):
        return str(error), BAD_INPUT
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}", BAD_INPUT
    if type(error) in (RuntimeError, SimulationError):
        return str(error), FAILED
    return None
