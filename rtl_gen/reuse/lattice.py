"""Integer lattices, exactly: the null space of a matrix over the integers."""

__all__ = ["null_basis"]


def null_basis(rows: list[list[int]], columns: int) -> list[tuple[int, ...]]:
    """A basis of all integer vectors x with ``rows @ x == 0``.

    The basis is saturated: every integer solution is an integer combination of it. By
    unimodular column operations (Euclid's algorithm on each row), as in the Hermite normal form;
    Cohen, A Course in Computational Algebraic Number Theory, section 2.4.

    Parameters
    ----------
    rows
        Any number of rows of ``columns`` integers.
    columns
        Unknowns.

    Returns
    -------
    list of tuple
        ``columns - rank`` vectors; the first nonzero entry of each is positive.
    """
    vectors = [[int(i == j) for j in range(columns)] for i in range(columns)]
    images = [[row[i] for row in rows] for i in range(columns)]
    start = 0
    for row in range(len(rows)):
        while True:
            live = [i for i in range(start, columns) if images[i][row]]
            if len(live) <= 1:
                break
            pivot = min(live, key=lambda i: abs(images[i][row]))
            for i in live:
                if i != pivot:
                    factor = images[i][row] // images[pivot][row]
                    images[i] = [a - factor * b for a, b in zip(images[i], images[pivot])]
                    vectors[i] = [a - factor * b for a, b in zip(vectors[i], vectors[pivot])]
        if live:
            images[start], images[live[0]] = images[live[0]], images[start]
            vectors[start], vectors[live[0]] = vectors[live[0]], vectors[start]
            start += 1
    return [_positive(vector) for vector in vectors[start:]]


def _positive(vector: list[int]) -> tuple[int, ...]:
    leading = next(entry for entry in vector if entry)
    return tuple(entry if leading > 0 else -entry for entry in vector)
