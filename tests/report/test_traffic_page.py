"""The page of what moves: predictions are current, and nothing that was counted differs."""

import re
from pathlib import Path

from rtl_gen.report.traffic_page import PAGE, predicted, traffic_page

PROJECT = Path(__file__).parents[2]
ROW = re.compile(r"\| (.+) \| ([\d,]+) \| ([\d,]+|-) \|")


def test_the_page_is_current_and_counts_are_as_predicted():
    """If not: `make traffic`."""
    page = (PROJECT / PAGE).read_text()
    rows = ROW.findall(page)
    assert {counted for _, expected, counted in rows if counted != expected} <= {"-"}
    assert any(counted != "-" for _, _, counted in rows)
    assert ROW.sub(r"| \1 | \2 | - |", page) == traffic_page(PROJECT, predicted)
