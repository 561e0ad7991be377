"""Which tests run here, and what tests tell whoever ran them."""

from collections.abc import Callable
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TOLD = "told"


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "shared_data: needs the networks and vectors of shared/data beside the project"
    )


def pytest_report_header(config):
    """Said here, for with several processes only the one that reports sees a header."""
    if not SHARED_DATA.is_dir():
        return "shared/data is not beside the project: tests that need it are left out"
    return None


def pytest_collection_modifyitems(config, items):
    if SHARED_DATA.is_dir():
        return
    needing = [item for item in items if item.get_closest_marker("shared_data")]
    if needing:
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if item not in needing]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real networks and vectors."""
    return SHARED_DATA


@pytest.fixture
def tell(record_property) -> Callable[[str], None]:
    """Call it with a line that is to be read at the end, also of a test that passes."""
    return lambda line: record_property(TOLD, line)


def pytest_terminal_summary(terminalreporter):
    """The lines of all tests, with several processes too: they travel with the reports."""
    reports = [report for some in terminalreporter.stats.values() for report in some]
    for report in reports:
        if getattr(report, "when", None) != "call":
            continue
        lines = [value for name, value in report.user_properties if name == TOLD]
        if lines:
            terminalreporter.section(report.nodeid, sep="-")
            for line in lines:
                terminalreporter.write_line(line)
