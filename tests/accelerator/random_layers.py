"""Random layers and random legal mappings: what an accelerator must compute bit by bit.

Everything follows from a seed, so that a failure is repeated by its number.
"""

import math
import random
from dataclasses import dataclass, replace

import numpy as np

from rtl_gen.golden.elementwise import add_factors
from rtl_gen.golden.quantize import quantize_multiplier
from rtl_gen.mapping.addition import Addition
from rtl_gen.mapping.encode import encode_layer
from rtl_gen.mapping.levels import tile_step
from rtl_gen.mapping.mapping import Mapping, MappingError
from rtl_gen.mapping.program import LayerData
from rtl_gen.reuse.machine import Machine
from rtl_gen.sim.layers import operand_shapes
from rtl_gen.spec.layer import Layer, Quantization, conv2d, matmul

__all__ = [
    "Case",
    "Limits",
    "draw_case",
    "is_legal",
    "is_ragged",
    "random_addition",
    "tiled_dimensions",
]

TRIES = 20_000
"""Draws before a design is held to be unable to run what is asked."""


@dataclass(frozen=True)
class Limits:
    """How large random layers may be.

    Parameters
    ----------
    pixels
        Rows and columns of an image.
    channels
        Of the whole layer; of a matmul, each of its sizes.
    macs
        Of a layer.
    """

    pixels: int = 20
    channels: int = 70
    macs: int = 2_000_000


@dataclass(frozen=True, eq=False)
class Case:
    """A layer, how it is mapped, and its numbers."""

    seed: int
    mapping: Mapping
    source: np.ndarray
    data: LayerData

    @property
    def layer(self) -> Layer:
        """What is computed; where its windows are folded, the mapping has another."""
        image = self.mapping.placing.image
        return image.layer if image else self.mapping.layer

    def __str__(self) -> str:
        layer, mapping = self.layer, self.mapping
        sizes = mapping.layer.sizes
        cut = {d: mapping.tile(d) for d, size in sizes.items() if mapping.tile(d) < size}
        return (
            f"seed {self.seed}: {layer.sizes} {layer.symbols} {layer.extents} "
            f"{layer.quantization}, tiles {cut}, order {''.join(mapping.order)}"
        )


def tiled_dimensions(machine: Machine) -> tuple[str, ...]:
    """The dimensions that shall all be tiled: k c p q of a convolution, m k n of a matmul.

    Those of the output but for batches, and what is summed over but for taps of a filter.
    """
    operation = machine.operation
    plain = {rank.terms[0].dimension for rank in operation.activation.ranks if rank.is_plain}
    summed = [d for d in operation.reduced if d in plain]
    scattered = {d for rank in operation.scattered for d in rank.dimensions}
    kept = [d for d in operation.output.dimensions if d not in (*operation.batch, *scattered)]
    return (*kept, *summed)


def is_ragged(mapping: Mapping, dimension: str) -> bool:
    """Whether a dimension has two or more tiles and a smaller last one."""
    size, tile = mapping.layer.sizes[dimension], mapping.tile(dimension)
    return tile < size and size % tile != 0


def is_legal(mapping: Mapping) -> bool:
    """Whether the design can run a mapping: its tiles fit, and its numbers their fields."""
    try:
        encode_layer(mapping)
    except MappingError:
        return False
    return True


def draw_case(machine: Machine, seed: int, *, tiled: bool, limits: Limits) -> Case:
    """A layer with a legal mapping and its numbers; ``tiled``: all of :func:`tiled_dimensions`."""
    rng = random.Random(f"{machine.design.name}/{seed}")
    for _ in range(TRIES):
        layer = draw_layer(rng, machine, f"seed{seed}", limits)
        if layer is None or layer.macs > limits.macs:
            continue
        mapping = draw_mapping(rng, machine, layer, tiled=tiled)
        if mapping is not None:
            return Case(seed, mapping, *draw_data(rng, machine, layer))
    raise AssertionError(
        f"no legal mapping in {TRIES} draws for {machine.design.name}, seed {seed}"
    )


def draw_quantization(rng: random.Random) -> Quantization:
    low, high = sorted(rng.choice([-128, 127, rng.randint(-128, 127)]) for _ in range(2))
    clamp = (low, high) if rng.random() < 0.3 and low < high else (-128, 127)
    return Quantization(
        input_zero=rng.choice([0, -128, 127, rng.randint(-128, 127)]),
        output_zero=rng.choice([0, -128, 127, rng.randint(-128, 127)]),
        act_min=clamp[0],
        act_max=clamp[1],
        rounding=rng.choice(["double", "single"]),
    )


def draw_layer(rng: random.Random, machine: Machine, name: str, limits: Limits) -> Layer | None:
    """A layer of the design's operation; None where what was drawn has no output."""
    known = {"conv2d": draw_conv2d, "depthwise": draw_depthwise, "matmul": draw_matmul}
    filled = all(machine.spatial_size(d) == 1 for d in machine.operation.batch)
    if machine.operation.name in known and filled:
        return known[machine.operation.name](rng, name, limits)
    return draw_einsum(rng, machine, name, limits)


def draw_einsum(rng: random.Random, machine: Machine, name: str, limits: Limits) -> Layer:
    """A layer of any operation: sizes, factors such as strides, offsets such as padding.

    Batches that lie on the array fill it, for the input is loaded as many at a time.
    """
    operation = machine.operation
    windows = [rank for rank in operation.activation.ranks if not rank.is_plain]
    others = [
        rank
        for tensor in (operation.output, operation.weight)
        for rank in tensor.ranks
        if not rank.is_plain
    ]
    slid = {d for rank in (*windows, *others) for d in rank.dimensions}
    sizes = {}
    for d in operation.dimensions:
        if d in operation.batch:
            sizes[d] = machine.spatial_size(d) * rng.choice([1, 1, 2, 3])
        elif d in slid:
            sizes[d] = rng.randint(1, 3 if d in operation.summed else limits.pixels)
        else:
            sizes[d] = rng.randint(1, limits.channels)
    if len(operation.operands) > 2:  # a bias takes the input's zero point out of the largest sums
        *first, last = operation.summed
        for d in first:
            sizes[d] = max(1, min(sizes[d], 64 // sizes[last]))
    symbols, extents = {}, {}
    quantization = draw_quantization(rng)
    for rank in others:  # w - q, of an output or a filter: w is as long as all products take
        symbols |= {x: rng.randint(1, 2) for term in rank.terms for x in term.symbols}
        extents[rank.name] = rng.randint(1, limits.pixels if rank in operation.scattered else 4)
        less = [rank.coefficient(d, symbols) * (sizes[d] - 1) for d in rank.dimensions[1:]]
        sizes[rank.lead] = extents[rank.name] - sum(less)
        if rank not in operation.scattered:
            sizes[rank.lead] = max(1, sizes[rank.lead] + rng.randint(-2, 2))
            if sizes[rank.lead] < extents[rank.name] - sum(less):  # a tap is missing somewhere
                quantization = replace(quantization, input_zero=0)
    for rank in windows:
        reach = 0
        for term in rank.terms:
            for symbol in term.symbols:
                symbols[symbol] = (
                    rng.randint(1, 3)
                    if term.dimension in operation.output.dimensions
                    else rng.randint(1, 2)
                )
            if term.dimension:
                reach += term.value(symbols) * (sizes[term.dimension] - 1)
        for term in rank.terms:
            if term.dimension is None:  # padding before, up to a whole filter
                symbols[term.symbols[0]] = rng.choice([0, 0, rng.randint(0, 2)])
        extents[rank.name] = max(1, reach + 1 + rank.offset(symbols) - rng.randint(-1, 2))
    return Layer(
        name=name,
        operation=operation.name,
        sizes=sizes,
        symbols=symbols,
        extents=extents,
        quantization=quantization,
    )


def draw_conv2d(rng: random.Random, name: str, limits: Limits) -> Layer | None:
    """A convolution; None where what was drawn has no output."""
    groups = rng.choice([1, 1, 1, 1, 2, 3, 5])
    per_group = limits.channels // groups
    r, s = rng.randint(1, 7), rng.randint(1, 7)
    dilation = (rng.randint(1, 2), rng.randint(1, 2))
    reach = ((r - 1) * dilation[0] + 1, (s - 1) * dilation[1] + 1)
    pad = tuple(rng.choice([0, 0, rng.randint(0, reach[n % 2])]) for n in range(4))
    try:
        return conv2d(
            name=name,
            k=groups * rng.randint(1, per_group),
            c=groups * rng.randint(1, per_group),
            h=rng.randint(1, limits.pixels),
            w=rng.randint(1, limits.pixels),
            r=r,
            s=s,
            n=rng.choice([1, 1, 1, 1, 2]),
            groups=groups,
            stride=(rng.randint(1, 3), rng.randint(1, 3)),
            dilation=dilation,
            pad=pad,
            quantization=draw_quantization(rng),
        )
    except ValueError:
        return None


def draw_depthwise(rng: random.Random, name: str, limits: Limits) -> Layer | None:
    """A convolution with a filter for each channel; one in two a 3x3 filter."""
    r, s = (3, 3) if rng.random() < 0.5 else (rng.randint(1, 7), rng.randint(1, 7))
    dilation = (rng.choice([1, 1, 2, 3]), rng.choice([1, 1, 2, 3]))
    reach = ((r - 1) * dilation[0] + 1, (s - 1) * dilation[1] + 1)
    channels = rng.randint(1, limits.channels)
    try:
        layer = conv2d(
            name=name,
            k=channels,
            c=channels,
            groups=channels,
            h=rng.randint(1, limits.pixels),
            w=rng.randint(1, limits.pixels),
            r=r,
            s=s,
            n=rng.choice([1, 1, 1, 2]),
            stride=(rng.randint(1, 3), rng.randint(1, 3)),
            dilation=dilation,
            pad=tuple(rng.choice([0, 1, rng.randint(0, reach[n % 2])]) for n in range(4)),
            quantization=draw_quantization(rng),
        )
    except ValueError:
        return None
    sizes = {name: layer.sizes[name] for name in ("n", "p", "q", "r", "s")}
    return replace(layer, operation="depthwise", sizes=sizes | {"c": channels})


def draw_matmul(rng: random.Random, name: str, limits: Limits) -> Layer:
    m, k, n = (rng.randint(1, limits.channels) for _ in range(3))
    return matmul(name=name, m=m, k=k, n=n, quantization=draw_quantization(rng))


def draw_mapping(
    rng: random.Random, machine: Machine, layer: Layer, *, tiled: bool
) -> Mapping | None:
    """A legal mapping with drawn tiles and order; None if a few draws find none."""
    cut = tiled_dimensions(machine) if tiled else ()
    choices = {}
    for dimension, size in layer.sizes.items():
        step = tile_step(machine, dimension)
        tiles = [t for t in range(step, size, step) if dimension not in cut or size % t]
        if dimension not in cut:
            tiles = [size] * (1 + len(tiles)) + tiles
        if not tiles:
            return None
        choices[dimension] = tiles
    for _ in range(10):
        tiles = {d: rng.choice(some) for d, some in choices.items()}
        if rng.random() < 0.5:  # small tiles of all that may be cut
            tiles |= {d: some[0] if d in cut else min(some) for d, some in choices.items()}
        order = rng.sample(sorted(layer.sizes), rng.choice([0, len(layer.sizes)]))
        try:
            mapping = Mapping(machine, layer, tiles, tuple(order))
        except MappingError:
            continue
        if is_legal(mapping):
            return mapping
    return None


def draw_data(rng: random.Random, machine: Machine, layer: Layer) -> tuple[np.ndarray, LayerData]:
    """Random operands, or extreme ones, with numbers for which the outputs spread over int8."""
    draw = np.random.default_rng(rng.randrange(1 << 32))
    shapes = operand_shapes(machine.operation, layer)
    operation = machine.operation
    kind = rng.choice(["spread", "spread", "spread", "spread", "ends", "constant"])
    arrays = []
    for name in (operation.activation.name, *(tensor.name for tensor in operation.offline)):
        if kind == "spread":
            values = draw.integers(-128, 128, shapes[name])
        elif kind == "ends":
            values = draw.choice([-128, 127], shapes[name])
        else:
            values = np.full(shapes[name], rng.choice([-128, -128, 127]))
        arrays.append(values.astype(np.int8))
    source, *weights = arrays
    if len(weights) == 1:
        return source, LayerData(*weights, *scale_outputs(draw, machine, layer, source, *weights))
    # The products of the weights, as the sum of an output meets them, are weights themselves.
    names = [[rank.terms[0].dimension for rank in t.ranks] for t in operation.offline]
    order = list(dict.fromkeys(d for own in names for d in own))
    letters = {d: chr(ord("a") + n) for n, d in enumerate(order)}
    text = ",".join("".join(letters[d] for d in own) for own in names)
    text += "->" + "".join(letters[d] for d in order)
    products = np.einsum(text, *(array.astype(np.int64) for array in weights))
    numbers = scale_outputs(draw, machine, layer, source, products, order)
    return source, LayerData(tuple(weights), *numbers)


def scale_outputs(draw, machine: Machine, layer: Layer, source, weights, order=None):
    """Bias, multiplier and shift by which few outputs are clamped, whatever the operands are."""
    operation = machine.operation
    # The dimension of each axis of the weights; a rank that is a sum is of no channel.
    plain = [r.terms[0].dimension if r.is_plain else None for r in operation.weight.ranks]
    order = order or plain
    reduced = tuple(n for n, d in enumerate(order) if d is None or d in operation.summed)
    products = math.prod(weights.shape[n] for n in reduced)
    sums = weights.sum(axis=reduced, dtype=np.int64)  # of each output channel
    offset = source.mean() - layer.quantization.input_zero
    random_part = math.sqrt(products) * weights.std() * (source.std() + abs(offset))
    constant_part = products * abs(offset * weights.mean()) / 2  # missing where there is padding
    # Half of the outputs within a third of the clamp's range, around its middle.
    q = layer.quantization
    half = (q.act_max - q.act_min) / 2
    scale = (half / 3 + 1) / (random_part + constant_part + 1000)
    scale = scale * draw.uniform(0.5, 2, sums.shape)
    taken_out = 1 if weights.std() else 0.5
    bias = (q.act_min + half - q.output_zero) / scale - taken_out * offset * sums
    bias = np.round(bias + draw.uniform(-1000, 1000, sums.shape))
    multiplier, shift = quantize_multiplier(scale)
    return bias.astype(np.int64), multiplier, shift


def random_addition(rng: np.random.Generator) -> Addition:
    """How two tensors of random scales and zeros are added."""
    scales = rng.uniform(0.01, 0.1, 3)
    zeros = (int(x) for x in rng.integers(-128, 128, 3))
    own, residual, output = zeros
    low, high = sorted(int(x) for x in rng.integers(-128, 128, 2))
    return Addition(
        factors=add_factors(*scales),
        own_zero=own,
        residual_zero=residual,
        output_zero=output,
        act_min=low if rng.random() < 0.5 else -128,
        act_max=high if rng.random() < 0.5 else 127,
        rounding=rng.choice(["double", "single"]),
    )
