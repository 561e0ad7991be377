"""The benches' code runs, at sizes that take seconds; what it says of marks is right."""

import csv
import functools
import json
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [
    str(PROJECT / "benchmarks"),
    str(PROJECT / "tests" / "accelerator"),
    str(PROJECT / "tests" / "mapping"),
]

import area  # noqa: E402
import buffet  # noqa: E402
import bus_use  # noqa: E402
import depthwise  # noqa: E402
import direct_mapped  # noqa: E402
import first_layers  # noqa: E402
import fused_area  # noqa: E402
import generation  # noqa: E402
import idioms  # noqa: E402
import mac_use  # noqa: E402
import networks  # noqa: E402
import resnet50  # noqa: E402
import run  # noqa: E402
from designs import ADAPTIVE, fused_machine, small_machine  # noqa: E402
from measure import Measure, repeat  # noqa: E402
from nest_walk import walk_feed, walk_load  # noqa: E402

from rtl_gen.mapping.cost import input_words, linear_words  # noqa: E402
from rtl_gen.mapping.input_engines import InputEngines  # noqa: E402
from rtl_gen.mapping.linear_engines import weight_engines  # noqa: E402
from rtl_gen.mapping.mapping import Mapping  # noqa: E402
from rtl_gen.nn.graph import Node  # noqa: E402
from rtl_gen.nn.operators import AdditionNode  # noqa: E402
from rtl_gen.nn.random_networks import mobilenetv2 as mobilenetv2_graph  # noqa: E402
from rtl_gen.nn.random_networks import resnet50 as resnet50_graph  # noqa: E402
from rtl_gen.nn.traced import read_traced  # noqa: E402
from rtl_gen.reuse.machine import Machine  # noqa: E402
from rtl_gen.spec.design import KIB  # noqa: E402
from rtl_gen.spec.layer import conv2d  # noqa: E402
from rtl_gen.spec.parse import load_design  # noqa: E402


@pytest.mark.parametrize(
    "relation, value, holds",
    [("<=", 3, True), ("<=", 3.01, False), (">=", 3, True), (">=", 2.99, False)],
)
def test_a_mark_holds_up_to_its_number(relation, value, holds):
    measure = Measure(name="m", value=value, unit="s", command="c", relation=relation, asked=3)
    assert measure.entry() == {
        "name": "m",
        "value": value,
        "unit": "s",
        "mark": f"{relation} 3",
        "holds": holds,
        "command": "c",
    }


def test_a_mark_that_fails_fails_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "BENCH_JSON", tmp_path / "bench.json")
    bad = Measure(name="bad", value=2, unit="s", command="c", asked=1)
    monkeypatch.setattr(run, "MEASURES", {"bad": lambda: [bad]})
    assert run.main([]) == 1


def test_without_a_mark_nothing_fails():
    assert Measure(name="m", value=1e9, unit="s", command="c").entry()["mark"] is None
    assert Measure(name="m", value=1e9, unit="s", command="c").holds


def test_times_are_those_of_the_work():
    calls = []
    times = repeat(lambda: calls.append(sum(range(1_000_000))), 3)
    assert len(calls) == 3 and times.wall > 0 and times.cpu > 0


def test_one_measure_leaves_the_entries_of_the_others(tmp_path):
    path = tmp_path / "build" / "bench.json"
    a1, a2, b = (
        {"name": name, "value": n, "unit": "", "mark": None, "holds": True, "command": command}
        for n, (name, command) in enumerate([("x", "a"), ("x", "a"), ("y", "b")])
    )
    run.write(path, [a1, b])
    run.write(path, [a2])
    assert json.loads(path.read_text()) == [b, a2]


def test_what_cannot_be_measured_is_said_and_fails(tmp_path, monkeypatch, capsys):
    def broken():
        raise FileNotFoundError("the cell library is not there")

    monkeypatch.setattr(run, "BENCH_JSON", tmp_path / "bench.json")
    good = Measure(name="good", value=1, unit="s", command="c")
    monkeypatch.setattr(run, "MEASURES", {"broken": broken, "good": lambda: [good]})
    assert run.main([]) == 1
    assert "broken could not be measured: the cell library is not there" in capsys.readouterr().out
    assert json.loads((tmp_path / "bench.json").read_text()) == [good.entry()]
    assert run.main(["good"]) == 0


def test_an_unknown_measure_is_one_line(capsys):
    with pytest.raises(SystemExit):
        run.main(["speed"])
    assert "there is no measure 'speed'; choose of generation, mac_use" in capsys.readouterr().err


def test_generation_at_a_small_size():
    found = {each.name: each for each in generation.measures(times=1, accelerator=2, array=8)}
    assert found["verilog_accelerator_2x2"].value > 0.1
    assert found["verilog_array_8x8_size"].value > 1
    times, texts = generation.generate("array", 4, 2)
    assert len(texts) == 1 and times.cpu > 0


@pytest.mark.shared_data
def test_area_at_a_small_size():
    measures = {each.name: each for each in area.measures(side=2)}
    found = {name: each.value for name, each in measures.items()}
    # Weights and their shadows, two words of 8 bits; a partial sum of two products takes 16 or 17.
    assert 16 + 16 <= found["weight_stationary_2x2_flip_flops"] <= 16 + 17
    assert 0.5 < found["weight_stationary_2x2_area"] < 1.2
    assert found["output_stationary_2x2_drain"] == 2
    for name, (kge, flip_flops) in area.HAND_WRITTEN.items():
        for what, value in (("area", kge), ("flip_flops", flip_flops)):
            hand = measures[f"hand_written_{name}_8x8_{what}"]
            assert (hand.value, hand.mark) == (value, None), "beside ours, to compare with"
            assert measures[f"{name}_2x2_{what}"].asked == pytest.approx(1.15 * value)


@pytest.mark.shared_data
def test_fused_area_at_a_small_size():
    _, both = fused_area.FUSED
    measures = {each.name: each for each in fused_area.measures(side=2, fused=(both,))}
    stem = "weight_and_output_stationary_2x2"
    parts = ("weight_stationary", "output_stationary_transposed")
    largest = max(measures[f"{stem}_part_{name}_area"].value for name in parts)
    ratio = measures[f"{stem}_ratio"]
    assert ratio.value == pytest.approx(measures[f"{stem}_area"].value / largest)
    assert 1 < ratio.value < 1.5 and ratio.asked == 1.25


def test_fused_designs_of_the_benchmark_go_together():
    for path in fused_area.FUSED:
        design = load_design(path)
        assert design.shape == (16, 16)
        assert [part.dataflow.name for part in fused_area.parts(design)] == [
            dataflow.name for dataflow in design.dataflows
        ]


@pytest.mark.parametrize("part", [area, buffet, fused_area])
def test_without_its_liberty_file_a_part_says_where_it_looked(part, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "BENCH_JSON", tmp_path / "bench.json")
    missing = tmp_path / "cells.lib.gz"
    monkeypatch.setattr(run, "MEASURES", {"part": lambda: part.measures(liberty=missing)})
    assert run.main([]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "part could not be measured: the cell library" in said


def test_the_readme_names_the_liberty_file_and_where_it_is_looked_for():
    looked_for = Path(os.path.relpath(area.LIBERTY, PROJECT)).as_posix()
    assert f"`{looked_for}`" in (PROJECT / "README.md").read_text()


def test_bus_use_of_a_small_design():
    """One that other tests build too; a layer of few words never comes near the peak."""
    machine = small_machine("weight_stationary", 4, 4)
    layers = {"small": conv2d(name="small", k=16, c=16, h=8, w=8, r=1, s=1)}
    use, wrong = bus_use.measures(design=machine.design, layers=layers)
    assert (use.name, wrong.value, wrong.asked) == ("bus_use_small", 0, 0)
    assert 5 < use.value < 95
    assert not use.holds


def test_depthwise_of_a_small_design():
    """One that other tests build too: 36 PEs, of 256 that are counted."""
    machine = small_machine("depthwise", 9, 4, buffers=4096, post_lanes=4)
    shapes = {"on_chip": [(8, 8, 1)], "through_dram": [(8, 8, 2)]}
    use, off, dram, wrong = depthwise.measures(design=machine.design, **shapes)
    assert (use.name, dram.name) == ("depthwise_8x8x8_stride1", "depthwise_dram_8x8x8_stride2")
    assert off.name == f"{use.name}_estimated" and off.value < 20
    assert (use.asked, dram.asked, wrong.value) == (48, 85, 0)
    assert 100 * 9 * 4 / 256 / 2 < use.value < 100 * 9 * 4 / 256
    assert 5 < dram.value < 85


def test_resnet50_of_a_small_design():
    """One that other tests build too; a shape that counts twice, one with a mark, one without."""
    machine = small_machine("weight_stationary", 4, 4)
    shapes = (resnet50.Shape(1, 8, 16, 6, 1), resnet50.Shape(2, 4, 16, 9, 3, 2))
    found = {x.name: x for x in resnet50.measures(design=machine.design, shapes=shapes)}
    assert found["resnet50_wrong_outputs"].value == 0
    uses = [found[f"resnet50_{shape.name}"] for shape in shapes]
    assert [use.asked for use in uses] == [90, None]
    assert uses[1].name == "resnet50_3x3_16_to_4_at_9_stride2"
    together, macs = found["resnet50_convolutions"], [shape.layer().macs for shape in shapes]
    cycles = [100 * n / use.value for n, use in zip(macs, uses)]
    assert together.asked == 95
    whole = 100 * (macs[0] + 2 * macs[1]) / (cycles[0] + 2 * cycles[1])
    assert together.value == pytest.approx(whole)


def test_networks_at_a_small_size():
    """On a design that other tests build too, both with a block that adds what came before it, and
    one with a stride.
    """
    machine = fused_machine(10, 4, file=ADAPTIVE, image=1 * KIB)
    stages = ((2, 4, 1), (1, 8, 2))
    resnet = functools.partial(resnet50_graph, size=24, first=4, stages=stages, classes=10)
    blocks = ((1, 4, 1, 1), (3, 4, 2, 2))
    sizes = {"size": 12, "first": 8, "bottlenecks": blocks, "head": 20, "classes": 10}
    mobilenet = functools.partial(mobilenetv2_graph, **sizes)
    named = (("resnet50", resnet), ("mobilenetv2", mobilenet))
    found = {each.name: each for each in networks.measures(design=machine.design, networks=named)}
    for name, _ in named:
        assert found[f"network_{name}_wrong_outputs"].value == 0
        assert 0 < found[f"network_{name}"].value < 70 and not found[f"network_{name}"].holds
        assert found[f"network_{name}_on_chip"].value >= 4
        assert found[f"network_{name}_estimated"].value == pytest.approx(1, abs=0.2)


def test_the_page_of_networks_has_each_layer():
    machine = fused_machine(10, 4, file=ADAPTIVE, image=1 * KIB)
    done = networks.timed(machine, mobilenetv2_graph(size=8, first=4, bottlenecks=(), head=8))
    text = networks.page([done])
    assert done.wrong == 0 and f"{done.run.done.cycles:,} cycles" in text
    for layer in done.run.layers:
        assert f"| {layer.macs:,} | {layer.cycles:,} | {layer.estimate:,} |" in text


def test_networks_have_the_layers_of_their_papers():
    for make, layers, grouped, added, macs in (
        (resnet50_graph, 53, 0, 16, 4_089_184_256),
        (mobilenetv2_graph, 52, 17, 10, 300_774_272),
    ):
        nodes = make().nodes
        found = [node for node in nodes if isinstance(node, Node)]
        assert len(found) == layers + 1  # and the dense layer
        assert sum(node.layer.sizes.get("g", 1) > 1 for node in found) == grouped
        assert sum(isinstance(node, AdditionNode) for node in nodes) == added
        assert sum(node.layer.macs for node in found) == macs


@pytest.mark.shared_data
def test_resnet50_shapes_are_the_networks(shared_data):
    with open(shared_data / "layers.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["network"] == "resnet50_v1.5"]
    convolutions = [row for row in rows if row["op"] == "CONV"]
    names = ("K", "C", "H", "R", "stride", "pad")
    counted = Counter(tuple(int(row[name]) for name in names) for row in convolutions)
    ours = {(x.k, x.c, x.size, x.kernel, x.stride, x.kernel // 2): x.times for x in resnet50.SHAPES}
    assert ours == counted and counted.total() == 53
    macs = sum(shape.times * shape.layer().macs for shape in resnet50.SHAPES)
    assert macs == sum(int(row["MACs"]) for row in convolutions)


@pytest.mark.long
def test_idioms_of_a_small_design(capsys):
    """A buffet that other tests build too, and a scratchpad, with a cache beside them."""
    machine = small_machine("weight_stationary", 4, 4, buffers=2048)
    layers = {"conv": conv2d(name="conv", k=16, c=16, h=8, w=8, r=3, s=3, pad=(1, 1, 1, 1))}
    grids = {"conv": {"p": (8, 4, 2)}}
    measures = idioms.measures(
        design=machine.design, layers=layers, grids=grids, idioms=("buffet", "scratchpad")
    )
    found = {each.name.removeprefix("idioms_"): each.value for each in measures}
    assert found["wrong_outputs"] == 0
    assert found["conv_buffet_edp_over_buffet"] == 1
    # Input, weights and output once, and ten words of 16 bytes for parameters at the least.
    assert found["conv_buffet_dram"] >= 16 * (64 + 9 * 16 + 64 + 9)
    assert found["conv_scratchpad_cycles"] > found["conv_buffet_cycles"]
    steps = 64 * 9 * 4 * 4
    assert min(found["conv_buffet_cycles"], found["conv_cache_cycles"]) > steps
    said = capsys.readouterr().out
    assert "2 KiB of input, 2 KiB of weights" in said and "Horowitz, ISSCC 2014" in said


CACHED = conv2d(name="conv", k=16, c=32, h=8, w=8, r=3, s=3, pad=(1, 1, 1, 1))
ORDERS = [((), {"p": 4}), (("k", "q", "p"), {"p": 2}), (("p", "k"), {"p": 4, "q": 4})]


@pytest.mark.parametrize("order, tiles", ORDERS)
def test_the_caches_trace_is_what_the_feeders_ask_for(order, tiles):
    """Words are found by their places in the buffet: what was loaded there, trip by trip."""
    mapping = Mapping(small_machine("weight_stationary", 4, 4), CACHED, tiles, order)
    for name, trace in (
        ("input", direct_mapped.input_trace(mapping)),
        ("weights", direct_mapped.weight_trace(mapping)),
    ):
        loaded = [
            item["offset"] // 16 + n
            for item in walk_load(mapping, name)
            for n in range(item["words"])
        ]
        asked, head = [], 0
        for item in walk_feed(mapping, name):
            inside = all(0 <= item[y] < 8 for y in ("y0", "y1") if y in item)
            asked.append(loaded[head + item["index"]] if inside else direct_mapped.PADDING)
            head += item["shrink"]
        np.testing.assert_array_equal(trace, asked)
        assert head == len(loaded)


@pytest.mark.parametrize("words, line", [(8, 1), (8, 4), (64, 2), (64, 64)])
def test_misses_are_those_of_a_direct_mapped_cache(words, line):
    rng = np.random.default_rng(words + line)
    trace = np.where(rng.random(3000) < 0.1, -1, rng.integers(0, 100, 3000) // rng.integers(1, 9))
    tags, expected = {}, []
    for word in trace.tolist():
        place = word // line % (words // line)
        miss = word >= 0 and tags.get(place) != word // line
        if miss:
            tags[place] = word // line
        expected.append(miss)
    np.testing.assert_array_equal(direct_mapped.missed(trace, words, line), expected)


def test_a_cache_that_holds_all_fetches_all_once():
    mapping = Mapping(small_machine("weight_stationary", 4, 4), CACHED)
    done = direct_mapped.run_caches(mapping, (1 << 14, 1 << 14), (1, 1))
    words = input_words(InputEngines(mapping))[0] + linear_words(weight_engines(mapping))
    assert done.fetched == words
    slower = direct_mapped.run_caches(mapping, (64, 1 << 14), (1, 1))
    assert slower.fetched > done.fetched and slower.cycles > done.cycles


@pytest.mark.long
def test_first_layers_at_a_small_size():
    design = small_machine("weight_stationary", 3, 5).design
    found = {x.name: x for x in first_layers.measures(design=design, layers=("dscnn",))}
    assert found["first_layers_wrong"].value == 0
    # 40 taps in 3 words of 16, on rows 3 and 1: 14 pieces of 15 PEs each; 64 channels in 16 + 4.
    assert 50 < found["mac_use_first_dscnn"].value < 100
    assert 0.9 < found["estimated_first_dscnn"].value < 1.1


@pytest.mark.shared_data
def test_buffet_controls_are_measured():
    found = {each.name: each for each in buffet.measures()}
    read_only, updates = (found[f"buffet_512x128_{name}"] for name in ("read_only", "updates"))
    assert 0.3 < read_only.value < updates.value < 2
    assert (read_only.asked, updates.asked) == (0.6, 1.5)


@pytest.mark.shared_data
def test_resnet8_shapes_are_the_networks():
    traced = {each.node.layer.name: each.node.layer for each in read_traced(mac_use.NETWORK)}
    for name in mac_use.SHAPES:
        ours, layer = mac_use.resnet8_layer(name), traced[name]
        assert (ours.sizes, ours.symbols) == (layer.sizes, layer.symbols), name
        assert ours.extents == layer.extents, name


@pytest.mark.shared_data
def test_a_layer_reads_what_the_one_before_gave():
    machine = Machine(load_design(PROJECT / "dataflows" / "weight_stationary.yaml"))
    cases = {case[0].name: case for case in mac_use.traced_cases(machine)}
    assert list(cases) == list(mac_use.SHAPES)
    for name, before in mac_use.READS.items():
        np.testing.assert_array_equal(cases[name][1], cases[before][3])
