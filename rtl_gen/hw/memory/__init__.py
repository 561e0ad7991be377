"""Engines on the AXI4 port."""
