"""What the legality check allows is exact on an array built for another nest."""

import random
from collections import Counter

import pytest
from array_bench import by_force
from nest_layer import NestLayer
from random_nests import draw_change, draw_nest, draw_telling_layer

from rtl_gen.reuse import Placement, analyse, check_links
from rtl_gen.spec.design import Formats

EACH = 4


def forced(array, nest, seed) -> str:
    """What comes of two layers of a nest on an array, legal or not."""
    rng = random.Random(seed)
    layers = [
        NestLayer(nest, draw_telling_layer(rng, nest), f"{seed} {n}", kind="any") for n in range(2)
    ]
    return by_force(array, layers, seed)


def verdicts(seeds) -> Counter:
    """How many nests are (allowed, of a verdict); every nest allowed must be exact."""
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
            allowed, verdict = not check_links(array, nest), forced(array, nest, f"{seed} {n}")
            assert verdict == "exact" or not allowed, (
                f"seed {seed} {n}: allowed but {verdict}\n{dataflow}\n{other}"
            )
            found[allowed, verdict] += 1
    print(
        f"{found[True, 'exact']} nests allowed, all exact; of those refused "
        f"{found[False, 'wrong']} are wrong by force, {found[False, 'exact']} are exact"
    )
    return found


@pytest.mark.parametrize("seed", range(300))
def test_every_nest_is_legal_on_its_own_array(seed):
    """Whatever its formats: sums are as wide as the largest reduction asks, and no wider."""
    placement = Placement(*draw_nest(random.Random(seed)))
    for formats in (Formats(), Formats(max_reduction=1), Formats(max_reduction=5)):
        assert check_links(analyse(placement, formats), placement) == []


@pytest.mark.parametrize("seed", range(300))
def test_every_output_has_one_exit(seed):
    """Links join all PEs of an output, so that nothing is left to add behind the array."""
    output = analyse(Placement(*draw_nest(random.Random(seed)))).output
    assert len(set(output.keys)) == len(output.exits)


def test_allowed_nests_are_exact_and_most_refused_are_wrong():
    found = verdicts(range(12))
    assert found[True, "exact"] >= 10
    assert found[False, "wrong"] > 2 * found[False, "exact"]


@pytest.mark.long
def test_many_allowed_nests_are_exact_and_most_refused_are_wrong():
    found = verdicts(range(100, 300))
    assert found[True, "exact"] >= 200
    assert found[False, "wrong"] >= 9 * found[False, "exact"]
