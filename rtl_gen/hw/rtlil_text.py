"""Writing RTLIL, for components that write themselves."""

__all__ = ["cell_text"]


def cell_text(head: str, parameters: dict, ports: dict) -> list[str]:
    """The lines of a cell; ``head`` is its type and its name."""
    return [
        f"  cell {head}",
        *(f"    parameter \\{name} {value}" for name, value in parameters.items()),
        *(f"    connect \\{name} {value}" for name, value in ports.items()),
        "  end",
    ]
