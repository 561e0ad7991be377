"""The picture of a sweep."""

import re

import pytest

from rtl_gen.report.plot import PlottedPoint, plot_points

POINTS = [
    PlottedPoint((("dataflow", "ws"), ("array", "4x4"), ("bus.width", "64")), 900, 5000, True),
    PlottedPoint((("dataflow", "ws"), ("array", "8x8"), ("bus.width", "64")), 2900, 1400, True),
    PlottedPoint((("dataflow", "os"), ("array", "8x8"), ("bus.width", "64")), 3000, 1500, False),
]


def _texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_title_axes_labels_and_legend_are_text(tmp_path):
    plot_points(POINTS, tmp_path / "a.svg", title="three designs")
    texts = _texts((tmp_path / "a.svg").read_text())
    assert "three designs" in texts
    assert texts.count("4x4, bus.width 64") == 1
    assert texts.count("8x8, bus.width 64") == 2
    assert {"ws", "os", "Pareto points: filled, joined"} < set(texts)
    assert any(text.startswith("cells") for text in texts)
    assert any(text.startswith("cycles") for text in texts)


def test_the_same_points_give_the_same_bytes(tmp_path):
    for name in ("a.svg", "b.svg"):
        plot_points(POINTS, tmp_path / name, title="t")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_one_point_and_a_wide_range_can_be_drawn(tmp_path):
    far = PlottedPoint((("array", "64x64"),), 900_000, 10, True)
    plot_points([far], tmp_path / "one.png", title="one")
    plot_points([*POINTS, far], tmp_path / "far.svg", title="far")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert "array 64x64" not in _texts((tmp_path / "far.svg").read_text())
    assert "64x64" in _texts((tmp_path / "far.svg").read_text())


def test_only_pareto_points_are_labelled_among_many(tmp_path):
    many = [
        PlottedPoint((("dataflow", "ws"), ("levels", str(n))), 1000 + n, 1000 + n, n == 0)
        for n in range(50)
    ]
    plot_points(many, tmp_path / "many.svg", title="many")
    texts = _texts((tmp_path / "many.svg").read_text())
    assert [text for text in texts if text.startswith("levels")] == ["levels 0"]


def test_no_point_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^points must be at least one, not none$"):
        plot_points([], tmp_path / "a.svg", title="none")
