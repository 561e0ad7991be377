"""Which tests run here: those that need the shared network data only where it stands."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "shared_data: needs the networks and vectors of shared/data beside the project"
    )


def pytest_collection_modifyitems(config, items):
    if SHARED_DATA.is_dir():
        return
    needing = [item for item in items if item.get_closest_marker("shared_data")]
    if needing:
        config.hook.pytest_deselected(items=needing)
        items[:] = [item for item in items if item not in needing]
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(
                f"shared/data is not beside the project: {len(needing)} tests that need it left out"
            )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real networks and vectors."""
    return SHARED_DATA
