"""A device that takes every word, raises its interrupt and computes nothing is found out."""

import re
from pathlib import Path

import pytest
from designs import small_machine

from rtl_gen.isa.registers import BY_NAME
from rtl_gen.sim.layers import check_layers, golden_output, random_data
from rtl_gen.sim.run import Simulation
from rtl_gen.sim.verilator import build
from rtl_gen.spec.layer import Quantization, conv2d

NOTHING = Path(__file__).parents[1] / "sim" / "nothing.v"
CONTROL, CYCLES, INTERRUPT = (
    f"12'h{BY_NAME[name].offset:03x}" for name in ("CONTROL", "CYCLES_LOW", "INTERRUPT")
)
ANSWERS = f"""
  reg done, written, asked, running;
  reg [31:0] cycles, value;
  wire write = s_axi_awvalid && s_axi_wvalid && !written;
  wire read = s_axi_arvalid && !asked;
  wire starts = write && s_axi_awaddr == {CONTROL};
  assign s_axi_awready = write;
  assign s_axi_wready = write;
  assign s_axi_bvalid = written;
  assign s_axi_arready = read;
  assign s_axi_rvalid = asked;
  assign s_axi_rdata = value;
  assign interrupt = done;
  always @(posedge aclk) begin
    written <= aresetn && (write || (written && !s_axi_bready));
    asked <= aresetn && (read || (asked && !s_axi_rready));
    if (read) value <= s_axi_araddr == {CYCLES} ? cycles : 0;
    running <= aresetn && (starts || (running && cycles != 500));
    if (starts) cycles <= 1;
    else if (running && cycles != 500) cycles <= cycles + 1;
    if (!aresetn || (write && s_axi_awaddr == {INTERRUPT})) done <= 0;
    else if (running && cycles == 500) done <= 1;
  end
"""
DRIVEN = "s_axi_(awready|wready|bvalid|arready|rdata|rvalid)|interrupt"


@pytest.fixture(scope="module")
def idle() -> Simulation:
    text = re.sub(rf"  assign ({DRIVEN}) = 0;\n", "", NOTHING.read_text())
    return Simulation(build("nothing", text.replace("endmodule", ANSWERS + "endmodule")), seed=1)


@pytest.mark.parametrize("quantization", [Quantization(), Quantization(act_min=0, act_max=0)])
def test_a_device_that_writes_nothing_fails_every_time(idle, quantization):
    """Also where all outputs should be 0, as memory once was, and where the answers of a good run
    could still lie at the same place."""
    machine = small_machine("weight_stationary", 4, 4)
    layer = conv2d(k=5, c=3, h=4, w=4, r=2, s=2, quantization=quantization)
    source, data = random_data(machine.operation, layer, 1)
    right = golden_output(machine.operation, layer, source, data)
    assert right.any() == (quantization.act_max != 0)
    checks = check_layers(machine, idle, [(layer, source, data)] * 2, reset_every=2)
    for check in checks:
        assert check.done.problems == ()  # its registers say that all went well
        assert not check.exact and check.wrong > right.size * 9 // 10
