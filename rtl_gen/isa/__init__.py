"""Registers, descriptor fields, versions and error codes: plain data, written once."""
