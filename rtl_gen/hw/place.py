"""Placing one component inside another, so that each distinct one becomes one Verilog module."""

from inspect import signature

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, DomainRenamer, Fragment, Instance, Module, ResetSignal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["ModuleLibrary", "place"]


def _pins(members, ports):
    """Yield the Verilog name, the flow and the value of each port of a signature."""
    for path, member, value in members.flatten(ports):
        yield "__".join(map(str, path)), member.flow, Value.cast(value)


class ModuleLibrary:
    """Elaboration target that converts each distinct component once, as a module of its own.

    Amaranth alone writes one module per instance. Here two components are one if class and
    arguments are equal; the arguments must be hashable. A module is named by its component's
    ``module_name``, behind ``prefix``, since names in Verilog are global. A component with a
    method ``rtlil(name, library)`` is not elaborated but writes itself.

    Parameters
    ----------
    prefix
        Of every module's name.
    memories
        What memories become: ``inferred``, or instances of a wrapper, ``sram``.

    Attributes
    ----------
    modules : dict
        RTLIL text by module name, leaves first.
    """

    def __init__(self, prefix: str = "", memories: str = "inferred"):
        self.prefix, self.memories = prefix, memories
        self.modules: dict[str, str] = {}
        self._components = {}
        self._clocks = {}

    def component(self, kind, /, *args, **kwargs) -> wiring.Component:
        """The one component of this class with these arguments, converted if it is new."""
        # Not that of the class, which Python 3.11.2 takes from Amaranth's __new__(*args, **kwargs).
        bound = signature(kind.__init__).bind(None, *args, **kwargs)
        bound.apply_defaults()  # one component, whichever way its arguments are written
        key = (kind, tuple(bound.arguments.items()))
        if key not in self._components:
            component = kind(*args, **kwargs)
            name = self.prefix + component.module_name
            if name in self.modules:
                raise ValueError(f"the module name {name} stands for two components: {key!r}")
            self.modules[name] = self._convert(component, name)
            self._components[key] = component
        return self._components[key]

    def _convert(self, component, name) -> str:
        if hasattr(component, "rtlil"):
            text = component.rtlil(name, self)
            component._MustUse__used = True  # else Amaranth warns that nobody elaborated it
        else:
            ports = {
                pin: (value, PortDirection.Input if flow == In else PortDirection.Output)
                for pin, flow, value in _pins(component.signature, component)
            }
            text, _ = rtlil.convert_fragment(
                Fragment.get(component, self), ports, name, emit_src=False
            )
        inputs = {
            line.split()[-1]
            for line in text.splitlines()
            if line.startswith("  wire ") and " input " in line
        }
        self._clocks[name] = {
            f"i_{pin}": drive()
            for pin, drive in (("clk", ClockSignal), ("rst", ResetSignal))
            if f"\\{pin}" in inputs
        }
        # Each was converted as a top; in the joined design only the outermost is.
        return text.replace("attribute \\top 1\n", "")

    def instance(self, component, ports) -> Instance:
        """An instance of a component's module with its pins tied to ``ports``."""
        name = self.prefix + component.module_name
        pins = {
            ("i_" if flow == In else "o_") + pin: value
            for pin, flow, value in _pins(component.signature, ports)
            if len(value)
        }
        return Instance(name, **pins, **self._clocks[name])


def _tie(component, ports, tied):
    """Put values in the places of ports; ValueError if one is not as wide as its port.

    Amaranth would cut or extend it silently.
    """
    for name, value in tied.items():
        setattr(ports, name, value)
    members = wiring.Signature({name: component.signature.members[name] for name in tied})
    inner, outer = _pins(members, component), _pins(members, ports)
    for (name, _, port), (_, _, value) in zip(inner, outer, strict=True):
        if len(port) != len(value):
            raise ValueError(
                f"{component.module_name}.{name} has {len(port)} bits and cannot be tied to "
                f"{len(value)}"
            )


def place(m: Module, platform, name: str, kind, /, *args, tied=None, domain="sync", **kwargs):
    """Add a ``kind(*args, **kwargs)`` to ``m`` as ``name``; return its ports as wires of ``m``.

    The wires are named ``{name}__{port}``, in the simulator as in Verilog. A port in ``tied`` gets
    no wire of its own but the value given: any for an input, a signal for an output. That is for
    what is wide and only passes through. Its clock and reset are those of ``domain``.
    """
    library = isinstance(platform, ModuleLibrary)
    component = platform.component(kind, *args, **kwargs) if library else kind(*args, **kwargs)
    ports = component.signature.create(path=(name,))
    _tie(component, ports, tied or {})
    placed = platform.instance(component, ports) if library else component
    m.submodules[name] = placed if domain == "sync" else DomainRenamer(domain)(placed)
    if library:
        return ports
    inner = _pins(component.signature, component)
    outer = _pins(component.signature, ports)
    for (_, flow, inside), (_, _, outside) in zip(inner, outer, strict=True):
        m.d.comb += inside.eq(outside) if flow == In else outside.eq(inside)
    return ports
