"""Kept results: found again for the same point, software and seed, and for nothing else."""

import dataclasses

import pytest
from sweep_files import write_tiny

from rtl_gen.explore import store
from rtl_gen.explore.point import LayerCost, PointResult
from rtl_gen.explore.store import Store, point_key
from rtl_gen.spec.sweep import load_sweep


@pytest.fixture
def point(tmp_path):
    return load_sweep(write_tiny(tmp_path)).points[0]


def _result(point) -> PointResult:
    layers = (LayerCost("a", 120, 0.25), LayerCost("b", 30, 1 / 3))
    return PointResult(point.name, point.values, layers, 1000, 200, 4096, 1.5)


def test_a_result_comes_back_as_it_was(point, tmp_path):
    kept = Store(tmp_path / "points")
    assert kept.load(point, 1) is None
    kept.save(point, 1, _result(point))
    assert kept.load(point, 1) == _result(point)
    assert _result(point).cycles == 150
    assert [file.suffix for file in (tmp_path / "points").iterdir()] == [".json"]


def test_design_layers_seed_and_software_each_change_the_key(point, monkeypatch):
    layer = point.layers[0]
    others = [
        dataclasses.replace(point, design=dataclasses.replace(point.design, bus_bits=64)),
        dataclasses.replace(point, layers=(layer, layer)),
        dataclasses.replace(
            point, layers=(dataclasses.replace(layer, sizes=layer.sizes | {"k": 6}),)
        ),
    ]
    keys = {point_key(point, 1), point_key(point, 2), *(point_key(other, 1) for other in others)}
    monkeypatch.setattr(store, "software_digest", lambda: "another version")
    keys.add(point_key(point, 1))
    assert len(keys) == 6


def test_what_a_point_is_called_in_the_sweep_file_is_no_part_of_the_key(point):
    assert point_key(dataclasses.replace(point, name="x", values=()), 1) == point_key(point, 1)
