"""Verilog of the shipped dataflows at some size, generated once in a run."""

import dataclasses
from functools import cache
from pathlib import Path

from rtl_gen.flow.design import VerilogDesign, accelerator_verilog, array_verilog
from rtl_gen.reuse.machine import Machine
from rtl_gen.spec.design import Buffers, Design
from rtl_gen.spec.parse import load_design

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"
CONVOLUTIONS = ("weight_stationary", "output_stationary", "input_stationary")
PRODUCTS = tuple(f"matmul_{name}" for name in CONVOLUTIONS)


@cache
def accelerator(name: str, rows: int, columns: int, **others) -> VerilogDesign:
    """A shipped dataflow on an array, with the reference design's buffers and bus."""
    return accelerator_verilog(Machine(_design(name, rows, columns, **others)))


def bare_array(name: str, rows: int, columns: int) -> VerilogDesign:
    """The array of a shipped dataflow, alone."""
    return array_verilog(_design(name, rows, columns))


def with_idioms(of_input: str, of_weights: str) -> VerilogDesign:
    """A small accelerator whose buffers are of these storage idioms."""
    buffers = Buffers(input_idiom=of_input, weights_idiom=of_weights)
    design = dataclasses.replace(_design("weight_stationary", 4, 4), buffers=buffers)
    return accelerator_verilog(Machine(design))


def _design(name: str, rows: int, columns: int, **others) -> Design:
    design = load_design(DATAFLOWS / f"{name}.yaml")
    return dataclasses.replace(design, rows=rows, columns=columns, **others)
