"""The page of what moves is what its command writes, and nothing on it differs."""

import re
from pathlib import Path

from rtl_gen.report.traffic_page import PAGE, predicted, traffic_page

PROJECT = Path(__file__).parents[2]


def test_the_page_is_current_and_counts_are_as_predicted():
    """If not: `make traffic`. What was not counted stands as predicted, so any other count shows."""
    assert (PROJECT / PAGE).read_text() == traffic_page(PROJECT, predicted)


def test_every_shipped_file_has_links_and_buffers():
    page = (PROJECT / PAGE).read_text()
    for file in (PROJECT / "dataflows").glob("*.yaml"):
        section = page.partition(f"## {file.stem}\n")[2].partition("\n## ")[0]
        rows = re.findall(r"\| (.+) \| ([\d,]+) \| ([\d,]+) \|", section)
        assert any("buffer reads" in name for name, _, _ in rows), file
        assert any("exits" in name for name, _, _ in rows), file
        assert all(count != "0" or "windows" in name for name, count, _ in rows), file
