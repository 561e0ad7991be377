"""Accumulators and requantization."""
