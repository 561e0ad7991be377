"""The null space over the integers, against brute force."""

import itertools
import random

import pytest

from rtl_gen.reuse.lattice import null_basis

REACH = 3  # brute force looks at vectors with entries up to this


def null_vectors(rows, columns):
    """Every short integer vector that the rows send to 0."""
    return [
        vector
        for vector in itertools.product(range(-REACH, REACH + 1), repeat=columns)
        if all(sum(a * x for a, x in zip(row, vector)) == 0 for row in rows)
    ]


def in_span(basis, vector) -> bool:
    """Whether integers combine the basis to the vector: by elimination over the integers."""
    rows = [list(one) for one in basis]
    target = list(vector)
    for column in range(len(vector)):
        live = [row for row in rows if row[column]]
        while len(live) > 1:
            live.sort(key=lambda row: abs(row[column]))
            for row in live[1:]:
                factor = row[column] // live[0][column]
                for n, value in enumerate(live[0]):
                    row[n] -= factor * value
            live = [row for row in live if row[column]]
        if live:
            factor, rest = divmod(target[column], live[0][column])
            if rest:
                return False
            target = [a - factor * b for a, b in zip(target, live[0])]
            rows = [row for row in rows if row is not live[0]]
        elif target[column]:
            return False
    return True


def rank(rows) -> int:
    from fractions import Fraction

    rows, found = [[Fraction(a) for a in row] for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        found += 1
        rows = [
            [a - row[column] / pivot[column] * b for a, b in zip(row, pivot)]
            for row in rows
            if row is not pivot
        ]
    return found


def random_rows(rng):
    columns = rng.randint(1, 4)
    count = rng.randint(0, 3)
    rows = [[rng.choice([-6, -4, -2, -1, 0, 0, 1, 2, 3, 4]) for _ in range(columns)]
            for _ in range(count)]  # fmt: skip
    if count > 1 and rng.random() < 0.3:
        rows[-1] = [2 * a for a in rows[0]]
    return rows, columns


@pytest.mark.parametrize("seed", range(200))
def test_basis_is_the_whole_null_space(seed):
    rows, columns = random_rows(random.Random(seed))
    basis = null_basis(rows, columns)
    assert len(basis) == columns - rank(rows)
    for vector in basis:
        assert all(sum(a * x for a, x in zip(row, vector)) == 0 for row in rows)
        assert next(entry for entry in vector if entry) > 0
    for vector in null_vectors(rows, columns):
        assert in_span(basis, vector), f"{rows}: {basis} lacks {vector}"


def test_brute_force_tells_a_basis_that_is_not_saturated():
    assert not in_span([(2, -2)], (1, -1))
    assert in_span([(1, -1)], (2, -2))
    assert not in_span([(2, 0, 1), (0, 2, 1)], (1, -1, 0))
    assert in_span([(2, 0, 1), (0, 2, 1)], (2, -2, 0))


@pytest.mark.parametrize(
    ("rows", "columns", "basis"),
    [
        ([], 2, [(1, 0), (0, 1)]),
        ([[0, 0]], 2, [(1, 0), (0, 1)]),
        ([[1, 1]], 2, [(1, -1)]),
        ([[2, 4]], 2, [(2, -1)]),
        ([[6, 10, 0], [0, 0, 1]], 3, [(5, -3, 0)]),
        ([[1, 0], [0, 1]], 2, []),
        ([[3]], 1, []),
    ],
)
def test_known_null_spaces(rows, columns, basis):
    assert null_basis(rows, columns) == basis
