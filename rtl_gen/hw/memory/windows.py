"""Windows that the host opens in the address space: nothing outside is read or written."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...isa.registers import PAGE_BITS, WINDOWS
from .axi import ADDRESS_BITS

__all__ = ["OPEN_WINDOWS", "WindowCheck"]

PAGE = ADDRESS_BITS - PAGE_BITS

OPEN_WINDOWS = data.ArrayLayout(
    data.StructLayout({"first": PAGE, "last": PAGE, "read": 1, "write": 1}), WINDOWS
)
"""The host's windows: first and last page, and what each is open for."""


class WindowCheck(wiring.Component):
    """Whether a burst lies in an open window. One page is compared, as no burst crosses a page.

    Parameters
    ----------
    access
        ``read`` or ``write``.

    Members
    -------
    windows : ``In(OPEN_WINDOWS)``
    address : ``In(64)``
        Of the burst's first byte.
    allowed : ``Out(1)``
    """

    def __init__(self, access: str):
        if access not in ("read", "write"):
            raise ValueError(f"access must be read or write, not {access!r}")
        self._access = access
        self.module_name = f"window_check_{access}"
        super().__init__(
            {"windows": In(OPEN_WINDOWS), "address": In(ADDRESS_BITS), "allowed": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        page, within = self.address[PAGE_BITS:], Signal(WINDOWS)
        for n in range(WINDOWS):
            window = self.windows[n]
            m.d.comb += within[n].eq(
                window[self._access] & (page >= window.first) & (page <= window.last)
            )
        m.d.comb += self.allowed.eq(within.any())
        return m
