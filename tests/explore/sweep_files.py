"""Sweep files of tiny designs."""

from pathlib import Path

DATAFLOWS = Path(__file__).resolve().parents[2] / "dataflows"


def write_tiny(folder: Path, *, products: str = "200", name: str = "tiny") -> Path:
    """A sweep over 2x2 and 3x2 PEs and the products of a sum, of one small layer.

    The layer sums 150 products: with a maximum of fewer it does not run.
    """
    path = folder / f"{name}.yaml"
    path.write_text(
        f"""
name: {name}
fixed:
  dataflow: {DATAFLOWS}/weight_stationary.yaml
  buffers: {{input: 2 KiB, weights: 2 KiB, output: 2 KiB, parameters: 1 KiB, accumulators: 32}}
  queue_words: 128
  levels: 9
parameters:
  array: [[2, 2], [3, 2]]
  formats.max_reduction: [{products}]
layers:
  - conv2d:k=5,c=6,p=4,q=4,r=5,s=5,pad=2
"""
    )
    return path
