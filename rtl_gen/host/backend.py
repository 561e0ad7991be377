"""What an accelerator is reached by: registers, memory shared with the host, an interrupt."""

from typing import Protocol

__all__ = ["Backend", "DeviceError"]


class DeviceError(RuntimeError):
    """An accelerator that is not there, does not answer, or ended a run with an error."""


class Backend(Protocol):
    """The calls that every back end has.

    Attributes
    ----------
    address
        Of the memory's first byte, as the accelerator addresses it; of a page.
    memory_bytes
        Of that memory.
    """

    address: int
    memory_bytes: int

    def read32(self, offset: int) -> int:
        """The register at a byte offset."""

    def write32(self, offset: int, value: int) -> None:
        """Write the register at a byte offset; ``value`` is 32 bits without a sign."""

    def read_memory(self, offset: int, size: int) -> bytes:
        """Bytes of memory, counted from its begin, as the accelerator left them."""

    def write_memory(self, offset: int, data: bytes) -> None:
        """Put bytes where the accelerator finds them."""

    def wait_interrupt(self) -> None:
        """Return when the interrupt is high.

        Raises
        ------
        DeviceError
            If it does not come in the time that the back end grants.
        """

    def close(self) -> None:
        """Let go of the device."""
