"""What the legality check allows is exact on an array built for another nest."""

import random
from collections import Counter

import pytest
from array_bench import ArrayBench
from nest_layer import NestLayer
from random_nests import draw_change, draw_nest, draw_telling_layer

from rtl_gen.reuse import Placement, analyse, check_links
from rtl_gen.spec.design import Formats

EACH = 4


def forced(array, nest, seed) -> bool:
    """Whether two layers of a nest come out right on an array, legal or not."""
    rng = random.Random(seed)
    layers = [
        NestLayer(nest, draw_telling_layer(rng, nest), f"{seed} {n}", kind="any") for n in range(2)
    ]
    try:
        results = ArrayBench(array).run(layers, seed)
    except ValueError:  # an output left by two ways, or the array lacks registers
        return False
    return all((got == layer.golden()).all() for layer, got in zip(layers, results, strict=True))


def verdicts(seeds) -> Counter:
    """How many nests are (allowed, exact); every nest allowed must be exact."""
    found = Counter()
    for seed in seeds:
        rng = random.Random(seed)
        dataflow, shape = draw_nest(rng)
        array = analyse(Placement(dataflow, shape))
        for n in range(EACH):
            other = draw_change(rng, dataflow)
            if n == EACH - 1:
                other, _ = draw_nest(rng, (dataflow.operation,), shape=shape)
            nest = Placement(other, shape)
            allowed, exact = not check_links(array, nest), forced(array, nest, f"{seed} {n}")
            assert exact or not allowed, f"seed {seed} {n}: allowed but wrong\n{dataflow}\n{other}"
            found[allowed, exact] += 1
    refused = found[False, True] + found[False, False]
    print(
        f"{found[True, True]} nests allowed, all exact; "
        f"{refused} refused, {found[False, False]} of them wrong"
    )
    return found


@pytest.mark.parametrize("seed", range(300))
def test_every_nest_is_legal_on_its_own_array(seed):
    """Whatever its formats: sums are as wide as the largest reduction asks, and no wider."""
    placement = Placement(*draw_nest(random.Random(seed)))
    for formats in (Formats(), Formats(max_reduction=1), Formats(max_reduction=5)):
        assert check_links(analyse(placement, formats), placement) == []


def test_allowed_nests_are_exact_and_most_refused_are_wrong():
    found = verdicts(range(12))
    assert found[True, True] >= 10
    assert found[False, False] > 2 * found[False, True]


@pytest.mark.long
def test_many_allowed_nests_are_exact_and_most_refused_are_wrong():
    found = verdicts(range(100, 300))
    assert found[True, True] >= 200
    assert found[False, False] > 5 * found[False, True]
