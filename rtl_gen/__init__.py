"""DNN accelerators in Verilog, generated from a dataflow."""

__version__ = "0.1.0"
