"""An encoder block of a transformer from its ONNX file, as `rtl-gen run` runs it."""

import numpy as np
import pytest
from attention import ATTENTION, attention_machine
from rich.console import Console

import rtl_gen
from examples.transformer.write_onnx import Form, encoder
from rtl_gen.networks import map_graph, run_network
from rtl_gen.nn.onnx import read_onnx
from rtl_gen.report.run_model import run_model
from rtl_gen.sim.programs import build_machine
from rtl_gen.sim.run import Simulation


@pytest.mark.long
@pytest.mark.parametrize("form", Form.__args__)
def test_an_encoder_block_from_its_file(form, tmp_path, tell):
    """64 tokens of width 128, 4 heads, on 16 x 16 PEs: every tensor is numpy's, one program."""
    block = encoder(form=form)
    path = tmp_path / "encoder.onnx"
    path.write_bytes(block.model.SerializeToString())
    np.savez(tmp_path / "x.npz", x=block.x)
    design = rtl_gen.load(ATTENTION)
    run = run_model(
        design, path, inputs=tmp_path / "x.npz", until=None, seed=1, console=Console(quiet=True)
    )
    assert run.exact, run.problems or run.explain()
    (output,) = run.outputs.values()
    assert output.dtype == np.float32 and output.shape == (1, 64, 128)
    stored = run.checked.outputs[-1]
    assert stored.std() > 15, "else wrong outputs hide in the clamp"
    away = np.abs(stored.reshape(-1).astype(int) - _as_stored(run, block.values["last_q"]))
    tell(
        f"{form}: {len(run.layers)} layers, {run.done.cycles} cycles, MAC use "
        f"{100 * run.mac_use:.1f} %; from real numbers {away.max()} units at most"
    )
    assert away.max() <= 8 and away.mean() < 1


@pytest.mark.long
def test_small_blocks_of_many_sizes(tmp_path, tell):
    """On 8 x 8 PEs, in each form; sizes that tiles do not divide, hidden layers of any width."""
    machine = attention_machine(post_add=True, vector_lanes=4)
    simulation, found, path = (
        Simulation(build_machine(machine), seed=2),
        [],
        tmp_path / "block.onnx",
    )
    for seed in range(12):
        rng = np.random.default_rng(seed)
        heads, depth, tokens, hidden = (int(n) for n in rng.integers(1, (4, 4, 6, 60)))
        size = {"tokens": 8 * tokens, "width": 8 * heads * depth, "heads": heads, "hidden": hidden}
        form = Form.__args__[seed % 3]
        block = encoder(form=form, seed=seed, **size)
        path.write_bytes(block.model.SerializeToString())
        graph = read_onnx(path)
        (port,) = graph.inputs
        x = port.convert(block.x).reshape(graph.tensors[port.tensor].shape)
        run = run_network(map_graph(machine, graph, {port.tensor: x}), simulation)
        assert run.exact, f"seed {seed}: {form}, {size}: {run.problems or run.explain()}"
        found.append(f"{form} {size}: {run.done.cycles} cycles")
    tell("\n".join(found))


def _as_stored(run, values: np.ndarray) -> np.ndarray:
    """The last tensor of the file, (1, tokens, width), as the last layer's operation gives it."""
    node = run.network.lowered.nodes[-1]
    return node.as_output(values).reshape(-1).astype(int)
