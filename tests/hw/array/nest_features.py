"""What a nest exercises, by name: the rows of a table of coverage."""

from rtl_gen.hw.array.array import ArrayParams
from rtl_gen.reuse import HeldOperand, Reuse

__all__ = ["features"]


def features(reuse: Reuse) -> set[str]:
    """What a nest exercises."""
    flow, output = reuse.placement.dataflow, reuse.output
    held = [operand for operand in reuse.operands if isinstance(operand, HeldOperand)]
    dims = [loop.dimension for loop in flow.spatial]
    tags = {
        "three operands": len(reuse.operands) > 2,
        "loops in the PE": bool(flow.pe),
        "folded": any(len(flow.on_axis(axis)) > 1 for axis in (0, 1)),
        "one dimension on both axes": len(set(dims)) < len(dims),
        "held": bool(held),
        "held by shifting": any(o.shift is not None for o in held),
        "several words held": any(o.depth > 1 for o in held),
        "forward": any(link.delay for o in reuse.operands for link in o.links),
        "multicast": any(not link.delay for o in reuse.operands for link in o.links),
        "diagonal": any(all(link.vector) for o in reuse.operands for link in o.links),
        "chain": any(link.delay for link in output.links),
        "tree": any(not link.delay for link in output.links),
        "added at the edge": len(output.elements) < len(output.exits),
        "moving": any(link.ticks for o in reuse.operands for link in o.links),
        "in phases": bool(reuse.phases),
        "sums told which steps to take": ArrayParams(reuse).pe.gated,
        "drained": output.drain is not None,
        "several sums kept": output.depth > 1,
        "skew -1": -1 in reuse.skew,
        "skew 0": 0 in reuse.skew,
        "skew 1": 1 in reuse.skew,
        "skew on both axes": all(reuse.skew),
    }
    return {flow.operation.name} | {tag for tag, there in tags.items() if there}
