"""From components to Verilog: every distinct module once, one run of Yosys for all."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth._toolchain.yosys import find_yosys

from ..hw.place import ModuleLibrary

__all__ = ["emit"]

_DROPPED = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")


def emit(kind, /, *args, prefix: str = "", memories: str = "inferred", **kwargs) -> str:
    """The Verilog of a component and of all it is made of, without a header.

    Joined as RTLIL and written by one call of Yosys: a call costs a quarter of a second, and a
    design has dozens of modules. ``prefix`` and ``memories`` are those of :class:`ModuleLibrary`.
    """
    library = ModuleLibrary(prefix, memories)
    with _no_collection():
        library.component(kind, *args, **kwargs)
    removal = " ".join(f"-remove {name}" for name in _DROPPED)
    script = [
        "read_rtlil <<rtlil\n" + "\n".join(library.modules.values()) + "\nrtlil",
        "proc -nomux -norom",
        "memory_collect",
        f"attrmap {removal}",
        f"attrmap -modattr {removal}",
        "write_verilog -norename",
    ]
    yosys = find_yosys(lambda version: version >= (0, 40))
    # Yosys warns that not every process can be written as Verilog; Amaranth emits only those
    # that can.
    return yosys.run(["-q", "-"], "\n".join(script), ignore_warnings=True)


_left: list[bool] = []
"""Not empty: trees that nobody needs any more are still in memory."""


@contextmanager
def _no_collection() -> Iterator[None]:
    """Hold Python's search for cyclic garbage.

    Amaranth's trees are large, and searching them again and again took a third of the time; finding
    in the end that all of them are garbage took a seventh of the rest. So nobody looks at them any
    more until the next trees are to be made (a hundred megabytes at 16 x 16 PEs): who writes one
    design does not wait for it.
    """
    enabled = gc.isenabled()
    if _left:
        _left.clear()
        gc.unfreeze()
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        _left.append(True)
        if enabled:
            gc.enable()
