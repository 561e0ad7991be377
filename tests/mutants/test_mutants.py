"""Twenty mutants each of the PE, a nest and the requantizer: all are seen by their own tests."""

import ast

import pytest
from mutate import COMPONENTS, Outcome, all_mutants, draw, parsed, run_mutant, sites

COUNT = 20
QUICK = 2  # of each in `make test`
SLOW = ("unfold",)  # whose tests take too long for that


def cases():
    for name in COMPONENTS:
        for number in range(COUNT):
            quick = number < QUICK and name not in SLOW
            marks = () if quick else (pytest.mark.long,)
            yield pytest.param(name, number, marks=marks, id=f"{name} {number}")


@pytest.mark.parametrize(("name", "number"), list(cases()))
def test_mutant_is_seen(name, number, tell):
    """One that cannot be built shows nothing of the tests: one of those not drawn stands in.

    Each number begins at another place among these, so that few stand in twice.
    """
    drawn = draw(name)
    others = drawn[COUNT:]
    begin = number * len(others) // COUNT
    for mutant in (drawn[number], *others[begin:], *others[:begin]):
        outcome, output = run_mutant(name, mutant)
        tell(f"{outcome.name.lower().replace('_', ' ')}: {mutant.module}: {mutant.description}")
        if outcome is not Outcome.NOT_BUILT:
            break
    assert outcome is Outcome.SEEN, f"{mutant.module}: {mutant.description}\n{output}"


@pytest.mark.parametrize(
    "name",
    ["pe", pytest.param("nest", marks=pytest.mark.long),
     pytest.param("requantizer", marks=pytest.mark.long)],
)  # fmt: skip
def test_what_is_not_changed_passes(name):
    """Else the tests would fail for another reason, and every mutant would seem to be seen."""
    outcome, output = run_mutant(name, None)
    assert outcome is Outcome.NOT_SEEN, output


def test_a_mutant_that_cannot_be_built_is_told_apart():
    """The second of one accumulator: not a finding of the tests."""
    words = "0 becomes 1 in self.control.sum_address if"
    mutant = next(one for one in draw("pe") if words in one.description)
    assert run_mutant("pe", mutant)[0] is Outcome.NOT_BUILT


@pytest.mark.parametrize("name", COMPONENTS)
def test_drawn_mutants_are_different_and_the_same_every_time(name):
    drawn = draw(name)
    assert len({mutant.description for mutant in drawn}) == len(drawn) >= COUNT
    assert drawn == draw(name)


@pytest.mark.parametrize("name", COMPONENTS)
def test_equivalent_mutants_exist(name):
    """A reason for a mutant that there no longer is would hide nothing, but mislead."""
    descriptions = {mutant.description for mutant in all_mutants(COMPONENTS[name])}
    assert set(COMPONENTS[name].equivalent) <= descriptions


def test_every_change_changes_the_source():
    for component in COMPONENTS.values():
        for module in component.modules:
            plain = ast.unparse(parsed(module)[0])
            for number in range(len(list(sites(parsed(module)[0])))):
                tree, _ = parsed(module)
                words, change = list(sites(tree))[number]
                change()
                assert ast.unparse(tree) != plain, words
