"""DNN accelerators in Verilog, generated from a dataflow."""

__version__ = "0.1.0"

__all__ = ["Accelerator", "LayerFit", "LayerResult", "LoadedDesign", "__version__", "load"]


def __getattr__(name: str):
    # Loaded when first asked for: the simulator's process needs only a small part of the package.
    if name == "Accelerator":
        from .host.accelerator import Accelerator

        return Accelerator
    if name in __all__:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
