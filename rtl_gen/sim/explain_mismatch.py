"""Why an output is wrong: the steps that make it, as the golden model takes them.

For the first wrong output of a layer, in the order in which the hardware issues them: the number
of the step, where each loop level stands, the PEs that take part with their operands, and the
partial sum. A simulation's waveform can be read along this list.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..golden.quantize import layer_output
from ..mapping.images import fold_input_zero
from ..mapping.mapping import Mapping
from ..mapping.program import LayerData
from ..spec.operation import Operation
from .issued_steps import IssuedStep, issued_steps
from .layers import LayerCheck, golden_output

__all__ = ["explain"]


def explain(check: LayerCheck, source: np.ndarray, data: LayerData, limit: int = 20) -> str:
    """What the first wrong output of a layer is made of.

    Parameters
    ----------
    check
        A layer that ran.
    source, data
        The numbers it ran on.
    limit
        Steps that are listed: half of them the first, the others the last.
    """
    layer, image = check.mapping.layer, check.mapping.placing.image
    if image:
        source, data = image.unfold(source), image.fold(data)
    lines = [f"{layer.name}: {problem}" for problem in check.done.problems]
    if check.first is None:
        lines += [] if lines else [f"{layer.name}: all outputs are right"]
        return "\n".join([*lines, *_mapping_lines(check.mapping)])
    got = int(check.done.outputs[0][check.first])
    golden = golden_output(check.mapping.machine.operation, layer, source, data)
    operation = check.mapping.machine.operation
    where = _named(operation.output, check.first)
    lines += [
        f"{layer.name}: {check.wrong} of {golden.size} outputs are wrong, the first at {where}: "
        f"{got}, not {int(golden[check.first])}",
        *_mapping_lines(check.mapping),
    ]
    if layer.parts or layer.quantization.raw:  # steps are taken apart of int8 layers only
        return "\n".join(lines)
    taken = list(issued_steps(check.mapping, source, data, check.first))
    ending = _Ending.of(operation, check.mapping, data, check.first)
    lines += _step_lines(check.mapping, taken, limit)
    lines.append(ending.describe(taken[-1].psum))
    lines += _guesses(check.mapping, taken, ending, got)
    return "\n".join(lines)


# What becomes of the sum


@dataclass(frozen=True)
class _Ending:
    """From the sum of an output to its value."""

    mapping: Mapping
    bias: int
    correction: int
    multiplier: int
    shift: int

    @classmethod
    def of(cls, operation: Operation, mapping: Mapping, data: LayerData, output) -> "_Ending":
        """The numbers of the channel of an output."""
        kept = operation.channels
        names = [rank.lead for rank in operation.output.ranks]
        place = tuple(x for name, x in zip(names, output) if name in kept)
        sizes = [mapping.layer.sizes[name] for name in kept]
        folded = fold_input_zero(mapping, data.weights, np.zeros(sizes, dtype=np.int64))
        return cls(
            mapping,
            int(np.asarray(data.bias).reshape(sizes)[place]),
            int(folded[place]),
            int(np.asarray(data.multiplier).reshape(sizes)[place]),
            int(np.asarray(data.shift).reshape(sizes)[place]),
        )

    def value(self, total: int) -> int:
        """The output that a total, bias included, becomes."""
        numbers = (np.array([n]) for n in (total, self.multiplier, self.shift))
        return int(layer_output(*numbers, self.mapping.layer.quantization)[0])

    def describe(self, psum: int) -> str:
        total = psum + self.bias + self.correction
        quantization = self.mapping.layer.quantization
        return (
            f"  sum {psum}, bias {self.bias}, for the input's zero point {self.correction}: {total}"
            f"; x {self.multiplier} / 2^31 * 2^{self.shift} ({quantization.rounding} rounding), "
            f"zero point {quantization.output_zero}, clamp {quantization.act_min} to "
            f"{quantization.act_max}: {self.value(total)}"
        )


def _guesses(mapping: Mapping, taken: list[IssuedStep], ending: _Ending, got: int) -> list[str]:
    """Simple faults that would give the value that came out."""
    whole = taken[-1].psum
    parts = [0, *(step.psum for step in taken)]
    own = [after - before for before, after in pairwise(parts)]
    constant = ending.bias + ending.correction
    faults = {
        "without the bias": whole + ending.correction,
        "without the correction for the input's zero point": whole + ending.bias,
        "without any sum": constant,
        "with the first step alone": own[0] + constant,
        "with the last step alone": own[-1] + constant,
    }
    for n, level in enumerate(mapping.levels):
        if not mapping.reduces(level):
            continue
        trips = sorted({step.counters[n] for step in taken})
        if len(trips) < 2:
            continue
        for name, trip in (("first", trips[0]), ("last", trips[-1])):
            missing = sum(x for x, step in zip(own, taken) if step.counters[n] == trip)
            label = f"{_label(mapping, n)} missing"
            faults[f"with the {name} trip of {label}"] = whole - missing + constant
            faults[f"with the {name} trip of {_label(mapping, n)} alone"] = missing + constant
    right = ending.value(whole + constant)
    found = [name for name, total in faults.items() if ending.value(total) == got != right]
    return [f"  {got} is what comes out {name}" for name in found]


# Text


def _mapping_lines(mapping: Mapping) -> list[str]:
    sizes = " ".join(f"{d}={size}" for d, size in mapping.layer.sizes.items())
    symbols = " ".join(f"{d}={value}" for d, value in mapping.layer.symbols.items())
    levels = [
        f"{_label(mapping, n)} {x.bound}" + (f" (last {x.last})" if x.last != x.bound else "")
        for n, x in enumerate(mapping.levels)
    ]
    return [f"  layer {sizes} {symbols}".rstrip(), f"  levels {', '.join(levels) or 'none'}"]


def _label(mapping: Mapping, n: int) -> str:
    """A level by its dimension and, where it has several, by what a trip moves it."""
    level = mapping.levels[n]
    alone = sum(x.dimension == level.dimension for x in mapping.levels) == 1
    return level.dimension if alone else f"{level.dimension}/{level.unit}"


def _named(tensor, coordinates) -> str:
    names = [rank.name for rank in tensor.ranks]
    return f"{tensor.name}[{', '.join(f'{n}={x}' for n, x in zip(names, coordinates))}]"


def _step_lines(mapping: Mapping, taken: list[IssuedStep], limit: int) -> list[str]:
    head = taken if len(taken) <= limit else taken[: -(-limit // 2)]
    tail = [] if len(taken) <= limit else taken[len(taken) - limit // 2 :]
    lines = [_step_line(mapping, step) for step in head]
    if len(taken) > limit:
        lines.append(f"  ... {len(taken) - limit} more steps ...")
    return lines + [_step_line(mapping, step) for step in tail]


def _step_line(mapping: Mapping, step: IssuedStep) -> str:
    levels = " ".join(f"{_label(mapping, n)}={x}" for n, x in enumerate(step.counters))
    macs = " + ".join(f"PE{pe[0]},{pe[1]} {x}*{w}" for pe, _, x, w in step.macs)
    return f"  step {step.number} [{levels}]: {macs}; psum {step.psum}"
