"""Building and running simulations of accelerators with Verilator and cocotb."""
