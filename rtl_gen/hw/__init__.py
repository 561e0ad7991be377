"""Amaranth components."""
