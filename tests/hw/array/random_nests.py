"""Random nests over four operations, and random layers for them."""

import random
from dataclasses import replace

from nest_layer import LayerShape

from rtl_gen.reuse import Placement, analyse, optional_links
from rtl_gen.spec.dataflow import Dataflow, PELoop, SpatialLoop
from rtl_gen.spec.operation import Operation, Rank, SpecError, Tensor, Term, parse_einsum

__all__ = [
    "CONV1D",
    "CONV2D",
    "DEPTHWISE",
    "MATMUL",
    "MTTKRP",
    "OPERATIONS",
    "STRIDE_1",
    "complete_layer",
    "draw_change",
    "draw_layer",
    "draw_nest",
    "draw_operation",
    "draw_sliding",
    "draw_telling_layer",
]

CONV2D = parse_einsum(
    "O[n,g,p,q,k] += I[n,g,h=u*p+d*r-t,w=v*q+e*s-l,c] * W[g,r,s,c,k]",
    name="conv2d",
    symbols=tuple("uvdetl"),
    batch=("n", "g"),
)
DEPTHWISE = parse_einsum(
    "O[n,p,q,c] += I[n,h=u*p+d*r-t,w=v*q+e*s-l,c] * W[r,s,c]",
    name="depthwise",
    symbols=tuple("uvdetl"),
    batch=("n",),
)
MATMUL = parse_einsum("O[m,n] += A[m,k] * B[k,n]", name="matmul")
CONV1D = parse_einsum("O[q,k] += I[w=v*q+e*s-l,c] * W[s,c,k]", name="conv1d", symbols=tuple("vel"))
MTTKRP = parse_einsum("O[i,f] += X[i,k,l] * B[k,f] * C[l,f]", name="mttkrp")
STRIDE_1 = parse_einsum("O[q,k] += I[w=q+s,c] * W[s,c,k]", name="conv1d of stride 1")

OPERATIONS = (CONV2D, DEPTHWISE, MATMUL, CONV1D, STRIDE_1)
SKEWS = (None, (0, 0), (1, 0), (0, 1), (1, 1), (1, -1), (-1, 0), (-1, 1), (0, -1))


def draw_operation(rng: random.Random) -> Operation:
    """A sum of products nobody has a name for: affine forms with factors from -2 to 3.

    Each dimension is a rank of some tensor as it is, so that what lies beyond its size is nothing.
    """
    dims = list("abcd"[: rng.randint(2, 4)])
    ranks: dict[str, list[Rank]] = {"X": [], "Y": [], "O": []}
    for d in dims:
        for name in rng.sample("XYO", rng.choice([1, 1, 2, 3])):
            ranks[name].append(Rank(d, (Term(d),)))
    for name, found in ranks.items():
        if not found or rng.random() < 0.5:
            forms = rng.sample(dims, rng.randint(1, min(3, len(dims))))
            terms = [Term(d, rng.choice([-2, -1, 1, 1, 2, 3])) for d in forms]
            terms.append(Term(None, rng.randint(-2, 2)))
            found.append(Rank(f"{name.lower()}_form", tuple(terms)))
    read = {d for name in "XY" for rank in ranks[name] for d in rank.dimensions}
    ranks["X"] += [Rank(d, (Term(d),)) for d in dims if d not in read]
    x, y, out = (Tensor(name, tuple(found), found[-1].name) for name, found in ranks.items())
    return Operation("random", out, (x, y))


def draw_nest(rng: random.Random, operations=OPERATIONS, side: int = 4, shape=None):
    """A dataflow and the shape of its array; None where an axis has no loop."""
    operation = rng.choice(operations)
    dims = list(operation.dimensions)
    shape = shape or (rng.randint(1, side), rng.randint(1, side))
    spatial = []
    for axis in (0, 1):
        kind = rng.random()
        if kind < 0.65:
            spatial.append(SpatialLoop(rng.choice(dims), axis))
        elif kind < 0.9 and shape[axis] > 1:
            spatial += _folded(rng, dims, axis, shape[axis])
    if not spatial:
        spatial = [SpatialLoop(rng.choice(dims), 0)]
    pe = [PELoop(d, rng.randint(1, 3)) for d in rng.sample(dims, rng.choice([0, 0, 1, 2]))]
    temporal = rng.sample(dims, len(dims))
    dataflow = Dataflow(
        name="random",
        operation=operation,
        temporal=tuple(temporal),
        pe=tuple(pe),
        spatial=tuple(spatial),
        skew=rng.choice(SKEWS),
    )
    return draw_links(rng, dataflow, shape), shape


def draw_sliding(rng: random.Random):
    """A nest with a window of which one loop lies on the array and the other is the inner one."""
    dataflow, shape = draw_nest(rng, (CONV2D, DEPTHWISE, CONV1D, STRIDE_1))
    dims = dataflow.operation.dimensions
    pairs = [pair for pair in ("qs", "sq", "pr", "rp") if set(pair) <= set(dims)]
    inner, laid_out = rng.choice(pairs)
    order = [d for d in dataflow.temporal if d != inner]
    others = [loop for loop in dataflow.on_axis(1) if loop.dimension not in (inner, laid_out)]
    dataflow = replace(
        dataflow,
        temporal=(*order, inner),
        spatial=(SpatialLoop(laid_out, 0), *others),
        moving=(),
        phases=(),
        skew=rng.choice(SKEWS),
    )
    return draw_links(rng, dataflow, shape), shape


def draw_links(rng: random.Random, dataflow: Dataflow, shape) -> Dataflow:
    """The dataflow with some of the moving links, and links of phases, that it may take."""
    placement = Placement(dataflow, shape)
    moving, phases = [], []
    for tensor in dataflow.operation.operands:
        streams = dataflow.inner in tensor.dimensions
        for link in optional_links(placement, tensor):
            joins = any(link.vector)
            if link.ticks and joins and streams and tensor.name not in moving:
                moving += [tensor.name] if rng.random() < 0.7 else []
            elif link.phases and joins and not link.ticks and tensor.name not in phases:
                phases += [tensor.name] if rng.random() < 0.5 else []
    wanted = replace(dataflow, moving=tuple(moving), phases=tuple(phases))
    try:
        analyse(Placement(wanted, shape))
    except SpecError:  # against the skew, or split in two ways
        wanted = replace(wanted, skew=None, phases=())
    return wanted


def _folded(rng, dims, axis, size) -> list[SpatialLoop]:
    """Two or three loops on one axis; one of them may take what the others leave."""
    loops, left = [], size
    for d in rng.sample(dims, min(len(dims), rng.choice([2, 2, 3]))):
        taken = rng.randint(1, left)
        loops.append(SpatialLoop(d, axis, taken))
        left //= taken
    if rng.random() < 0.3:
        whole = rng.randrange(len(loops))
        loops[whole] = SpatialLoop(loops[whole].dimension, axis)
    return loops


def draw_change(rng: random.Random, dataflow: Dataflow) -> Dataflow:
    """Another nest that has most of its loops where this one has them."""
    dims = list(dataflow.operation.dimensions)
    for _ in range(rng.choice([1, 1, 2])):
        kind = rng.choice(["order", "inner", "spatial", "pe"])
        if kind == "order":
            outer = list(dataflow.temporal[:-1])
            order = (*rng.sample(outer, len(outer)), dataflow.inner)
            dataflow = replace(dataflow, temporal=order)
        elif kind == "inner":
            dataflow = replace(dataflow, temporal=tuple(rng.sample(dims, len(dims))))
        elif kind == "spatial":
            loops = list(dataflow.spatial)
            n = rng.randrange(len(loops))
            loops[n] = replace(loops[n], dimension=rng.choice(dims))
            if len({(loop.axis, loop.dimension) for loop in loops}) == len(loops):
                dataflow = replace(dataflow, spatial=tuple(loops))
        else:
            loops = [PELoop(d, rng.randint(1, 3)) for d in rng.sample(dims, rng.choice([0, 1]))]
            dataflow = replace(dataflow, pe=tuple(loops))
    return dataflow


def draw_layer(rng: random.Random, dataflow: Dataflow) -> LayerShape:
    """Sizes up to 6 where the array lays a dimension out, strides and dilations to 2, borders."""
    operation = dataflow.operation
    laid_out = {loop.dimension for loop in dataflow.spatial}
    sizes = {}
    for d in operation.dimensions:
        most = 6 if d in laid_out else 3
        sizes[d] = rng.randint(1, 2 if d in operation.batch else most)
    return complete_layer(rng, operation, sizes)


def draw_telling_layer(rng: random.Random, nest: Placement) -> LayerShape:
    """Two trips or more of every loop that reduces or that the array knows of, one of others."""
    dataflow = nest.dataflow
    sizes = dict.fromkeys(dataflow.operation.dimensions, 1)
    for loop, taken in zip(dataflow.spatial, nest.sizes):
        sizes[loop.dimension] *= taken
    for loop in dataflow.pe:
        sizes[loop.dimension] *= loop.maximum
    for d in sizes:
        more = d in dataflow.hardware_loops or d in dataflow.operation.reduced or sizes[d] > 1
        sizes[d] += rng.randint(1, 2) if more else 0
    return complete_layer(rng, dataflow.operation, sizes)


def complete_layer(rng: random.Random, operation: Operation, sizes) -> LayerShape:
    """Sizes with strides, dilations, borders and the extents that go with them."""
    symbols = {s: rng.randint(0, 1) if s in "tl" else rng.randint(1, 2) for s in operation.symbols}
    extents = {}
    for tensor in operation.tensors:
        for rank in tensor.ranks:
            if not rank.is_plain:
                ends = [rank.coefficient(d, symbols) * (sizes[d] - 1) for d in rank.dimensions]
                reach = sum(max(0, end) for end in ends)
                if reach + rank.offset(symbols) < 0:  # all border: nothing would bound the loops
                    symbols |= {
                        s: 0 for term in rank.terms if not term.dimension for s in term.symbols
                    }
                extent = 1 + rank.offset(symbols) + reach - rng.randint(0, 1)
                extents[rank.name] = max(1, extent)
    return LayerShape(sizes, symbols, extents)
