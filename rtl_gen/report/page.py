"""The report of `make run`: a Markdown page."""

import json
from pathlib import Path

from .digits import Show
from .pictures import side_by_side
from .run_model import plain_layers

__all__ = ["write_page"]


def write_page(path: Path, show: Show) -> Path:
    """Write the page, and beside it the same numbers as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(show))
    facts = {
        "design": show.design.name,
        "digits": len(show.read),
        "right": show.right,
        "bit_exact": show.exact,
        "read": show.read.tolist(),
        "labels": show.digits.labels.tolist(),
        "layers": plain_layers(show.run),
        "waveform": show.waves.plain() if show.waves else None,
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")
    return path


def _page(show: Show) -> str:
    design = show.design.design
    images, captions, _ = show.shown()
    rows = [
        f"| {layer.name} | {layer.macs:,} | {layer.cycles:,} | {layer.mac_use:.1%} "
        f"| {'bit-exact' if not layer.wrong else f'{layer.wrong} wrong'} |"
        for layer in show.run.layers
    ]
    pictures = [
        side_by_side(images[n : n + 4], captions[n : n + 4]) for n in range(0, len(images), 4)
    ]
    files = [f"- Verilog: `{show.files.verilog}`, described in `{show.files.description}`"]
    if show.waves:
        waves = show.waves
        files.append(f"- waveform of {waves.name} on one image: `{waves.waves}`, {waves.verdict}")
    return "\n".join(
        [
            f"# {design.name} reads digits",
            "",
            f"{design.dataflow.operation.name} on {design.rows} x {design.columns} PEs, "
            f"{len(show.read)} images, {show.cycles:,} cycles: {show.accuracy}.",
            "",
            "| layer | MACs | cycles | MAC use | result |",
            "|---|---:|---:|---:|---|",
            *rows,
            "",
            "All layers ran as one program; every tensor was compared with numpy, byte by byte. A",
            "layer's cycles are those from the completion of the one before to its own. MAC use is",
            "useful MACs over PEs times cycles, memory included.",
            "",
            "```",
            "\n\n".join(pictures),
            "```",
            "",
            *files,
            "",
            "## The dataflow",
            "",
            "```",
            show.design.explain().rstrip(),
            "```",
            "",
        ]
    )
