"""One component is one module, whichever way its arguments are written."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl_gen.hw.place import ModuleLibrary


class Inverter(wiring.Component):
    """As Python 3.11.2 sees each of Amaranth's components: its ``__new__`` takes anything."""

    module_name = "inverter"

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, width: int = 4):
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, _):
        m = Module()
        m.d.comb += self.o.eq(~self.i)
        return m


def test_one_component_whichever_way_its_arguments_are_written():
    library = ModuleLibrary()
    placed = library.component(Inverter)
    assert library.component(Inverter, 4) is placed
    assert library.component(Inverter, width=4) is placed
    assert list(library.modules) == ["inverter"]
