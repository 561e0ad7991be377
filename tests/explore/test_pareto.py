"""Pareto sets."""

import random

from rtl_gen.explore.pareto import pareto


def test_what_another_beats_is_left_out():
    costs = [(3, 1), (1, 3), (2, 2), (2, 3), (3, 3), (4, 1)]
    assert pareto(costs) == (1, 2, 0)


def test_equal_costs_all_stay():
    assert pareto([(1, 1), (2, 0), (1, 1)]) == (0, 2, 1)
    assert pareto([]) == ()


def test_random_costs_against_the_definition():
    rng = random.Random(5)
    for _ in range(50):
        costs = [(rng.randrange(8), rng.randrange(8), rng.randrange(3)) for _ in range(12)]
        best = pareto(costs)
        assert list(best) == sorted(best, key=lambda n: costs[n])
        for n, cost in enumerate(costs):
            worse = [o for o in costs if o != cost and all(a <= b for a, b in zip(o, cost))]
            assert (n in best) == (not worse)
