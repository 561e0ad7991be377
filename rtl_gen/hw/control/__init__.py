"""Nests, descriptor queues, host port."""
