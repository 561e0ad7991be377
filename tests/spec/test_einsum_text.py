"""Einsums: what is written is what is read, and the other way round."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtl_gen.spec.operation import Operation, Rank, SpecError, Tensor, Term, parse_einsum
from rtl_gen.spec.operations import shipped_operation, shipped_operations

SYMBOLS = ("u", "v", "t")


def terms(dimensions):
    factors = st.lists(st.sampled_from(SYMBOLS), max_size=2).map(lambda s: tuple(sorted(s)))
    coefficients = st.integers(-9, 9).filter(bool)
    dimension = st.none() | st.sampled_from(dimensions)
    return st.builds(Term, dimension, coefficients, factors)


@st.composite
def tensors(draw, name, dimensions):
    ranks = {d: Rank(d, (Term(d),)) for d in draw(st.sets(st.sampled_from(dimensions)))}
    for label in draw(st.sets(st.sampled_from(["h", "w", *dimensions]), min_size=not ranks)):
        form = tuple(draw(st.lists(terms(dimensions), min_size=1, max_size=4)))
        ranks[label] = Rank(label, form)
    chosen = draw(st.permutations(sorted(ranks)))
    return Tensor(name, tuple(ranks[label] for label in chosen), draw(st.sampled_from(chosen)))


@st.composite
def operations(draw):
    """Any operation with one to three dimensions that `Operation` allows."""
    dimensions = draw(st.sampled_from([("x",), ("x", "y"), ("p", "c0", "long_name")]))
    names = draw(st.sampled_from([("A", "B"), ("A", "B", "C"), ("left", "x")]))
    operands = tuple(draw(tensors(name, dimensions)) for name in names)
    read = sorted({d for tensor in operands for d in tensor.dimensions})
    if read:
        output = draw(tensors("O", read))
    else:
        output = Tensor("O", (Rank("one", (Term(None, 1),)),), "one")
    used = {
        s
        for tensor in (*operands, output)
        for rank in tensor.ranks
        for term in rank.terms
        for s in term.symbols
    }
    symbols = tuple(draw(st.permutations(sorted(used))))
    weights = draw(st.sampled_from(names))
    return Operation("any", output, operands, symbols, weights, tuple(read[:1]))


@given(operations(), st.booleans())
def test_what_is_printed_is_read_as_the_same(operation, spaced):
    text = operation.einsum
    if spaced:
        text = re.sub(r"([-+*=,\[\]])", r" \1 ", text).replace("+ =", "+=").replace("+  =", "+=")
    again = parse_einsum(
        text,
        name=operation.name,
        symbols=operation.symbols,
        weights=operation.weights,
        batch=operation.batch,
        blocked={tensor.name: tensor.blocked for tensor in operation.tensors},
    )
    assert again == operation


def test_conv2d():
    conv2d = shipped_operation("conv2d")
    assert conv2d.dimensions == ("n", "g", "p", "q", "k", "r", "s", "c")
    assert conv2d.reduced == ("r", "s", "c")
    assert (conv2d.output.name, conv2d.activation.name, conv2d.weight.name) == ("O", "I", "W")
    h = conv2d.activation.rank("h")
    assert h.terms == (Term("p", 1, ("u",)), Term("r", 1, ("d",)), Term(None, -1, ("t",)))
    values = {"u": 2, "d": 3, "t": 1, "v": 5, "e": 7, "l": 4}
    assert (h.coefficient("p", values), h.coefficient("r", values), h.offset(values)) == (2, 3, -1)
    assert not h.is_plain and conv2d.activation.rank("c").is_plain
    assert [tensor.blocked for tensor in conv2d.tensors] == ["c", "k", "k"]
    assert conv2d.batch == ("n", "g")


def test_the_shipped_operations():
    found = {name: operation.einsum for name, operation in shipped_operations().items()}
    window = "h=u*p+d*r-t, w=v*q+e*s-l"
    assert found == {
        "conv2d": f"O[n, g, p, q, k] += I[n, g, {window}, c] * W[g, r, s, c, k]",
        "depthwise": f"O[n, p, q, c] += I[n, {window}, c] * W[r, s, c]",
        "matmul": "O[m, n] += A[m, k] * B[k, n]",
        "conv1d": "O[q] += I[w=q+s] * W[s]",
    }


def test_numbers_and_a_rank_that_renames_a_dimension():
    operation = parse_einsum("O[p] += I[x = 2*3*p - 1, y = p] * W[z = 4]", name="any")
    x, y = operation.operands[0].ranks
    assert x.terms == (Term("p", 6), Term(None, -1))
    assert y.is_plain and str(y) == "y=p"
    assert not operation.operands[1].ranks[0].is_plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("O[p] = I[p] * W[p]", "an einsum reads OUT[...] += A[...] * B[...], not"),
        ("O[p] += I[p] += W[p]", "an einsum reads OUT[...] += A[...] * B[...], not"),
        ("O[p] += I[p]", "an einsum multiplies two or more tensors; 'I[p]' is one"),
        ("O[p] += I[p] * 2", "a tensor reads NAME[rank, rank, ...], not 'I[p] * 2'"),
        ("O p += I[p] * W[p]", "a tensor reads NAME[rank, rank, ...], not 'O p'"),
        ("O[] += I[p] * W[p]", "a rank reads name = 2*p + u*r - t or a dimension, not ''"),
        ("O[p,] += I[p] * W[p]", "a rank reads name = 2*p + u*r - t or a dimension, not ''"),
        ("O[p] += I[h=p--r] * W[p]", "a rank reads name = 2*p + u*r - t or a dimension, not"),
        ("O[p] += I[h=p+] * W[p]", "a rank reads name = 2*p + u*r - t or a dimension, not"),
        ("O[p] += I[p+r] * W[p]", "the rank 'p+r' needs a name: NAME = p+r"),
        ("O[p] += I[2*p] * W[p]", "the rank '2*p' needs a name: NAME = 2*p"),
        ("O[p] += I[2h=p] * W[p]", "a rank's name must be a word, not '2h'"),
        ("O[p] += I[h=0*p] * W[p]", "'0*p' must be a product of positive numbers, symbols"),
        ("O[p] += I[h=²*p] * W[p]", "'²*p' must be a product of positive numbers, symbols"),
        ("O[p] += I[h=p r] * W[p]", "'p r' must be a product of positive numbers, symbols"),
        ("O[p] += I[h=p*r] * W[p]", "'p*r' must be a product of positive numbers, symbols"),
        ("O[p] += I[p,p] * W[p]", "the ranks of I must have different names, not p, p"),
        ("O[p] += I[p] * I[p]", "each tensor must have a name of its own; I stands twice"),
        ("O[p,k] += I[p] * W[p]", "dimension 'k' of the output indexes no operand"),
    ],
)
def test_what_cannot_be_read(text, message):
    with pytest.raises(SpecError) as caught:
        parse_einsum(text, name="any")
    assert str(caught.value).startswith(f"operation.einsum: {message}")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"weights": "O"}, "operation.weights: must be one of the operands I, W, not 'O'"),
        ({"batch": ("b",)}, "operation.batch: any has no dimension 'b'; it has p"),
        ({"symbols": ("u",)}, "operation.symbols: 'u' occurs in no rank of O[p] += I[p] * W[p]"),
        ({"blocked": {"X": "p"}}, "operation.blocked.X: there is no tensor 'X', only O, I, W"),
        ({"blocked": {"I": "c"}}, "operation.blocked.I: I has no rank 'c' to block, only p"),
    ],
)
def test_names_that_do_not_exist(more, message):
    with pytest.raises(SpecError) as caught:
        parse_einsum("O[p] += I[p] * W[p]", name="any", **more)
    assert str(caught.value) == message
