"""Handing a descriptor's fields to the parts of an engine."""

__all__ = ["configure"]


def configure(m, part, config):
    """Drive every field of ``part.config`` from the field of the same name in ``config``."""
    for name, _ in part.config.shape():
        m.d.comb += part.config[name].eq(config[name])
