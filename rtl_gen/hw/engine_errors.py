"""What the host is told of each engine's errors, and of the fetch's."""

from amaranth.hdl import Mux

from ..isa import errors
from .accelerator_params import AcceleratorParams

__all__ = ["tie_errors", "tie_fetch_error"]


def tie_errors(m, params: AcceleratorParams, host, controls, arbiter, loads, store, activations):
    """The error of each engine: of its descriptor, or of its accesses to memory."""
    causes = {
        "store": [
            (store.error, errors.WRITE_RESPONSE),
            (store.outside, errors.OUTSIDE_WINDOWS),
        ]
    }
    for n, name in enumerate(params.loads):
        causes[f"load_{name}"] = [
            (arbiter.error[n], errors.READ_RESPONSE),
            (arbiter.outside[n], errors.OUTSIDE_WINDOWS),
        ]
    for name, engine in (loads | {"store": store}).items():
        causes[name].append((engine.unaligned, errors.UNALIGNED))
    for region, engine in (
        ("compute", "compute"),
        ("input", "load_input"),
        ("residual", "load_residual"),
    ):
        if engine in controls:
            outside = getattr(activations, f"{region}_illegal")
            causes.setdefault(engine, []).append((outside, errors.OUTSIDE_MEMORY))
    for n, engine in enumerate(params.engines):
        error = controls[engine].error
        for happened, code in causes.get(engine, ()):
            error = Mux(happened, code, error)
        # Responses of writes come in order: the first layer not complete has the error.
        number = controls[engine].descriptor
        if engine == "store":
            number = Mux(store.error, host.completed, number)
        m.d.comb += [
            host.errors[n].eq(error),
            host.descriptors[n].eq(number),
            host.refused[n].eq(error == errors.OUTSIDE_WINDOWS),
        ]


def tie_fetch_error(m, params: AcceleratorParams, host, arbiter, fetch):
    """What is wrong with the program or its packet, or with the access to it."""
    port = len(params.loads)
    error, refused = arbiter.error[port], arbiter.outside[port]
    m.d.comb += [
        host.errors[-1].eq(
            Mux(
                refused,
                errors.OUTSIDE_WINDOWS,
                Mux(error, errors.READ_RESPONSE, fetch.error),
            )
        ),
        host.descriptors[-1].eq(fetch.packet),
        host.refused[-1].eq(refused),
    ]
