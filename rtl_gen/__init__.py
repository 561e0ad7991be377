"""DNN accelerators in Verilog, generated from a dataflow."""
