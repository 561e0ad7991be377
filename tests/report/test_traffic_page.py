"""The page of what moves: predictions are current, and all was counted, without a difference."""

import re
from pathlib import Path

from rtl_gen.report.traffic_page import PAGE, predicted, traffic_page

PROJECT = Path(__file__).parents[2]
ROW = re.compile(r"\| (.+) \| ([\d,]+) \| ([\d,]+|-) \|")
DATAFLOWS = sorted((PROJECT / "dataflows").glob("*.yaml"))


def test_the_page_is_current_and_counts_are_as_predicted():
    """If not: `make traffic`."""
    page = (PROJECT / PAGE).read_text()
    rows = ROW.findall(page)
    assert [row for row in rows if row[1] != row[2]] == []
    parts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert [part.partition("\n")[0] for part in parts] == [file.stem for file in DATAFLOWS]
    assert all(len(ROW.findall(part)) > 8 for part in parts)
    assert ROW.sub(r"| \1 | \2 | - |", page) == traffic_page(PROJECT, predicted)
