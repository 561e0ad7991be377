"""Buffets."""
