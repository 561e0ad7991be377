"""Fusing residual additions into the layers whose outputs they add."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rtl_gen.mapping.addition import Addition
from rtl_gen.nn.graph import ModelError
from rtl_gen.nn.operators import AdditionNode

__all__ = ["FusedAddition", "fuse_additions"]


@dataclass(frozen=True)
class FusedAddition:
    """An addition where the output of a layer leaves.

    Parameters
    ----------
    node
        Of the network.
    residual
        The activation that is added.
    addition
        How, the layer's own output first.
    """

    node: AdditionNode
    residual: str
    addition: Addition


def fuse_additions(
    outputs: Sequence[str],
    additions: Sequence[AdditionNode],
    *,
    inputs: Collection[str],
    read: Collection[str],
) -> tuple[dict[int, FusedAddition], list[str]]:
    """The additions by the number of the layer that each is fused into, and what cannot be fused.

    Of two layers whose outputs are added the later one adds; the output of the earlier, or an input
    of the network, is the residual.

    Parameters
    ----------
    outputs
        What each layer gives by itself, in the order in which layers run.
    additions
        In the network's order.
    inputs
        Of the network.
    read
        What layers read, and what the network gives: it must come out as it is.
    """
    made, fused, problems = {name: n for n, name in enumerate(outputs)}, {}, []
    for node in additions:
        try:
            first, second = _operands(node, made, inputs)
            number = made[first]
            others = [name for other in additions if other is not node for name in other.inputs]
            if first in read or first in others:
                raise ModelError(
                    f"{node.name}: {first}, to which it adds, is needed as it is as well"
                )
            if number in fused:
                raise ModelError(f"{node.name}: the layer that gives {first} adds already")
        except ModelError as error:
            problems.append(str(error))
            continue
        swap = first != node.inputs[0]
        fused[number] = FusedAddition(
            node, second, node.addition.swapped if swap else node.addition
        )
        made[node.output] = number
    return fused, problems


def _operands(node: AdditionNode, made: dict[str, int], inputs: Collection[str]) -> tuple[str, str]:
    """The operand whose layer adds, which is the later of the two, and the residual."""
    for name in node.inputs:
        if name not in made and name not in inputs:
            raise ModelError(f"{node.name}: no layer gives its operand {name}")
    first, second = sorted(node.inputs, key=lambda name: made.get(name, -1), reverse=True)
    if first not in made:
        raise ModelError(f"{node.name}: adds inputs of the network; one must be a layer's output")
    if made[first] == made.get(second):
        raise ModelError(f"{node.name}: both operands, {first} and {second}, come from one layer")
    return first, second
