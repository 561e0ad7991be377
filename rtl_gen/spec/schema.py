"""JSON schema of dataflow, design and sweep files, for editors that complete and check YAML."""

from .keys import DATAFLOW_FILE, DESIGN_FILE, FUSED_FILE
from .sweep import SWEEP_FILE

__all__ = ["schema", "sweep_schema"]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict:
    """The schema of a dataflow file and, with the key ``dataflow`` or ``dataflows``, a design file.

    It is made from the tables that the parser reads with, so both know the same keys, types and
    limits. What depends on several keys (a dimension that the operation lacks, an axis filled
    beyond its size) only the parser finds.
    """
    return {
        "$schema": _DRAFT,
        "title": "rtl-gen dataflow or design",
        "type": "object",
        "if": {"required": ["dataflow"]},
        "then": DESIGN_FILE.schema(),
        "else": {
            "if": {"required": ["dataflows"]},
            "then": FUSED_FILE.schema(),
            "else": DATAFLOW_FILE.schema(),
        },
    }


def sweep_schema() -> dict:
    """The schema of a sweep file."""
    return {"$schema": _DRAFT, "title": "rtl-gen sweep"} | SWEEP_FILE.schema()
