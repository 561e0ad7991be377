"""The one legality check: does every link of an array carry what its end needs?"""

from .analysis import HeldOperand, Reuse
from .placement import Placement

__all__ = ["check_links"]


def check_links(array: Reuse, nest: Placement) -> list[str]:
    """Whether another nest may run on an array that exists; reasons why not, none if it may.

    The tensors are matched by their order. A link must join two PEs that use one element in the
    same step, whatever the strides; a held operand must not depend on the inner loop; no two
    exits may carry one output unless the array adds them.

    Parameters
    ----------
    array
        The links that exist.
    nest
        The nest that is to run on them; its array must not be larger.
    """
    reasons = []
    if any(n > a for n, a in zip(nest.extent, array.placement.extent)):
        return [f"the nest needs {nest.extent} PEs, the array has {array.placement.extent}"]
    operation, dataflow = nest.dataflow.operation, nest.dataflow
    if len(operation.operands) != len(array.operands):
        return [f"the array multiplies {len(array.operands)} operands, not {operation.einsum}"]
    for operand, tensor in zip(array.operands, operation.operands):
        if isinstance(operand, HeldOperand) == (dataflow.inner in tensor.dimensions):
            how = "held" if isinstance(operand, HeldOperand) else "streamed"
            reasons.append(f"{tensor.name} is {how}, against the inner loop {dataflow.inner!r}")
        reasons += _unequal(tensor, operand.links, nest)
    output = operation.output
    reasons += _unequal(output, array.output.links, nest)
    if array.output.stationary != (dataflow.inner not in output.dimensions):
        reasons.append(f"{output.name} accumulates elsewhere for the loop {dataflow.inner!r}")
    grouped: dict[tuple, set] = {}
    for exit_pe, key in zip(array.output.exits, array.output.keys):
        if exit_pe in nest.pes:
            grouped.setdefault(nest.element(output, exit_pe), set()).add(key)
    if any(len(keys) > 1 for keys in grouped.values()):
        reasons.append(f"two exits would carry one element of {output.name}")
    return reasons


def _unequal(tensor, links, nest) -> list[str]:
    """Links between PEs that use different elements, the first of each vector."""
    found = []
    for link in links:
        for pe in nest.pes:
            source = (pe[0] - link.vector[0], pe[1] - link.vector[1])
            if source in nest.pes and nest.element(tensor, source) != nest.element(tensor, pe):
                found.append(
                    f"the {link.kind} link {link.vector} of {tensor.name} joins PEs {source} and "
                    f"{pe}, which use different elements"
                )
                break
    return found
