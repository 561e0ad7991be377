"""Mutants of hardware components: one small change of the source, and whether its tests see it.

A mutant is made from the component's syntax tree and put in the place of its module in a process of
its own, which then runs the component's own tests. ``python mutate.py NAME`` lists the mutants of
a component with their numbers, ``python mutate.py NAME NUMBER`` runs its tests on one.
"""

import ast
import importlib.abc
import importlib.util
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

__all__ = [
    "COMPONENTS",
    "Component",
    "Mutant",
    "Outcome",
    "all_mutants",
    "draw",
    "parsed",
    "run_mutant",
    "sites",
]

ROOT = Path(__file__).parents[2]
TIMEOUT = 300  # seconds; a mutant that hangs its tests is seen

SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
"""What becomes of an operator."""


@dataclass(frozen=True)
class Component:
    """What is mutated, by which tests it must be seen, and what cannot be seen.

    Parameters
    ----------
    modules
        Modules of the package.
    tests
        Its own test files, relative to the project.
    equivalent
        Mutants that are the same hardware, or hardware as good, with the reason; by description.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    equivalent: dict[str, str]


@dataclass(frozen=True)
class Mutant:
    """A change: the module, its number in the module, and what it is in words."""

    module: str
    number: int
    description: str


def sites(tree: ast.Module) -> Iterator[tuple[str, Callable[[], None]]]:
    """Every change of a module's hardware, in words, with what makes it.

    Parameters and checks are left alone: only components' methods but their constructors, and the
    module's own functions, are changed.
    """
    for function in _functions(tree):
        around = {part: node for node in ast.walk(function) for part in ast.iter_child_nodes(node)}
        for node in ast.walk(function):
            for words, change in _changes(node):
                if isinstance(node, ast.Constant):
                    outside = around[node]
                    while isinstance(outside, (ast.UnaryOp, ast.Subscript, ast.Slice)):
                        outside = around[outside]
                    words += f" in {_text(outside)}"
                yield f"{function.name}: {words}", change


def _functions(tree) -> Iterator[ast.FunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node
        elif isinstance(node, ast.ClassDef) and any(
            "Component" in ast.unparse(b) for b in node.bases
        ):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name != "__init__":
                    yield method


def _changes(node) -> Iterator[tuple[str, Callable[[], None]]]:
    """The changes of one node of the tree; each is made in place."""
    text = _text(node)
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        yield _operator(node, "op", text)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        swapped = SWAPS[type(node.ops[0])]()
        yield f"{text} with {_sign(swapped)}", lambda: node.ops.__setitem__(0, swapped)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        more = node.value + 1
        yield f"{text} becomes {more}", lambda: setattr(node, "value", more)
    elif isinstance(node, ast.AugAssign):
        if ast.unparse(node.target).startswith("m.d."):
            yield from _dropped(node)
        elif type(node.op) in SWAPS:
            yield _operator(node, "op", text)
    elif isinstance(node, (ast.If, ast.IfExp)):
        condition = ast.unparse(node.test)
        yield f"if not {condition}", lambda: setattr(node, "test", _not(node.test))
    elif isinstance(node, ast.Call):
        yield from _call(node, text)


def _text(node) -> str:
    return ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt, ast.keyword)) else ""


def _operator(node, field, text):
    swapped = SWAPS[type(getattr(node, field))]()
    return f"{text} with {_sign(swapped)}", lambda: setattr(node, field, swapped)


def _sign(operator) -> str:
    return type(operator).__name__


def _not(test):
    return ast.UnaryOp(ast.Not(), test)


def _dropped(node) -> Iterator[tuple[str, Callable[[], None]]]:
    """An assignment of hardware left out: one of a list, or the only one."""
    if isinstance(node.value, ast.List):
        for element in node.value.elts:
            words = f"without {ast.unparse(element)}"
            yield words, lambda gone=element: node.value.elts.remove(gone)
    else:
        words = f"without {ast.unparse(node)}"
        yield words, lambda: setattr(node, "value", ast.List([], ast.Load()))


def _call(node, text) -> Iterator[tuple[str, Callable[[], None]]]:
    """A condition negated, the arms of a multiplexer exchanged."""
    name = ast.unparse(node.func)
    if name in ("m.If", "m.Elif"):

        def negate():
            node.args[0] = ast.Compare(node.args[0], [ast.Eq()], [ast.Constant(0)])

        yield f"{text} negated", negate
    elif name == "Mux":

        def exchange():
            node.args[1:] = [node.args[2], node.args[1]]

        yield f"{text} exchanged", exchange


def parsed(module: str) -> tuple[ast.Module, str]:
    """A module's syntax tree and its file."""
    path = ROOT / (module.replace(".", "/") + ".py")
    return ast.parse(path.read_text(encoding="utf-8")), str(path)


def all_mutants(component: Component) -> list[Mutant]:
    """Every mutant of a component; equal descriptions are numbered apart."""
    found, seen = [], {}
    for module in component.modules:
        for number, (words, _) in enumerate(sites(parsed(module)[0])):
            seen[words] = seen.get(words, 0) + 1
            times = f" ({seen[words]})" if seen[words] > 1 else ""
            found.append(Mutant(module, number, words + times))
    return found


def draw(name: str) -> list[Mutant]:
    """The mutants of a component in an order that is the same every time, none equivalent."""
    component = COMPONENTS[name]
    found = all_mutants(component)
    random.Random(name).shuffle(found)
    return [one for one in found if one.description not in component.equivalent]


class _Importer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed tree."""

    def __init__(self, mutant: Mutant):
        self._mutant = mutant

    def find_spec(self, name, path=None, target=None):
        if name != self._mutant.module:
            return None
        return importlib.util.spec_from_loader(name, self)

    def exec_module(self, module):
        tree, path = parsed(self._mutant.module)
        if self._mutant.number >= 0:
            _, change = list(sites(tree))[self._mutant.number]
            change()
        exec(compile(ast.fix_missing_locations(tree), path, "exec"), module.__dict__)


class Outcome(Enum):
    """What the tests say of a mutant; the values are those of the process that runs them."""

    NOT_SEEN = 0
    SEEN = 1
    NOT_BUILT = 2
    """For one of the parameter sets it is no hardware at all, and no finding of the tests."""


def run_mutant(name: str, mutant: Mutant | None) -> tuple[Outcome, str]:
    """What the component's tests say of a mutant (None: of the component as it is).

    Returns
    -------
    outcome, output
        A mutant that hangs its tests is seen too.

    Raises
    ------
    RuntimeError
        If the tests did not run at all.
    """
    number = -1 if mutant is None else mutant.number
    module = COMPONENTS[name].modules[0] if mutant is None else mutant.module
    command = [sys.executable, __file__, "--run", name, module, str(number)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome.SEEN, f"no end after {TIMEOUT} s"
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(f"the tests of {name} did not run:\n{done.stdout}{done.stderr}")
    return Outcome(done.returncode), done.stdout


class _Builder:
    """Ends the tests when hardware cannot be built: an error on the way through an elaboration."""

    def __init__(self, path: str):
        self.path = path

    def pytest_exception_interact(self, node, call):
        """The simulation itself runs outside these functions."""
        for entry in call.excinfo.traceback:
            file, function = str(entry.path), entry.name
            if file == self.path or function == "elaborate" or file.endswith("amaranth/hdl/_ir.py"):
                node.session.shouldstop = "it cannot be built"


def _run(name: str, module: str, number: int) -> int:
    """In a process of its own: put the mutant in its module's place and run the tests."""
    import pytest

    sys.path.insert(0, str(ROOT))
    sys.meta_path.insert(0, _Importer(Mutant(module, number, "")))
    tests = [str(ROOT / test) for test in COMPONENTS[name].tests]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT)]
    options += ["-m", "not long and not shared_data", *tests]
    return int(pytest.main(options, plugins=[_Builder(parsed(module)[1])]))


COMPONENTS = {
    "pe": Component(
        modules=("rtl_gen.hw.array.pe",),
        tests=("tests/hw/array/test_pe.py",),
        equivalent={},
    ),
    "nest": Component(
        modules=("rtl_gen.hw.control.nest", "rtl_gen.hw.control.nest_level"),
        tests=("tests/hw/control/test_nest.py",),
        equivalent={
            "elaborate: 1 becomes 2 in self.wholes.bit_select(self.parent, 1)": (
                "two bits, of which the signal of one bit they are given to takes the lowest"
            ),
            "_elaborate_forms: 2 becomes 3 in max(2, params.levels)": (
                "a bit of a number that is never so large"
            ),
        },
    ),
    "region": Component(
        modules=("rtl_gen.hw.buffer.region", "rtl_gen.hw.buffer.activation_memories"),
        tests=("tests/hw/buffer/test_region.py", "tests/hw/buffer/test_region_group.py"),
        equivalent={
            "elaborate: 0 becomes 1 in {'size': params.depths[0]}": (
                "a region is claimed before it is used"
            ),
            "_elaborate_fill: self._params.lanes > 1 with GtE": (
                "with one lane it cannot be built, and the tests have eight"
            ),
        },
    ),
    "unfold": Component(
        modules=(
            "rtl_gen.hw.unfold.slices",
            "rtl_gen.hw.unfold.image_rows",
            "rtl_gen.hw.unfold.gather",
            "rtl_gen.hw.unfold.unfold",
        ),
        tests=("tests/hw/unfold/test_unfold.py",),
        equivalent={
            "elaborate: most + 1 with Sub": "a number of as many bits",
            "elaborate: 1 becomes 2 in most + 1": "a number of as many bits",
            "elaborate: 8 becomes 9 in 8 * most": "bytes that are never filled",
        },
    ),
    "adder": Component(
        modules=("rtl_gen.hw.post.residual", "rtl_gen.hw.post.residual_add"),
        tests=("tests/hw/post/test_residual.py",),
        equivalent={
            "elaborate: 1 becomes 2 in SCALED_BITS + 1": "a bit of a number never so large",
        },
    ),
    "requantizer": Component(
        modules=("rtl_gen.hw.post.requantize",),
        tests=("tests/hw/post/test_requantize.py",),
        equivalent={
            "_elaborate_shift: 1 becomes 2 in Mux(product[-1], -1, 0) (2)": (
                "product[-2]: where the two highest bits differ, the product is so large that the "
                "bits compared are neither 0 nor -1"
            ),
            "_delayed: if not n": "the name of a register",
            "elaborate: self.shift < 0 with LtE": (
                "at a shift of 0 the half is the guard, and both roundings add the same"
            ),
            "_elaborate_shift: 5 becomes 6 in _delayed(m, ~shift[:5], 'fine')": (
                "a sixth bit, which nobody reads"
            ),
        },
    ),
}


def _main(arguments: list[str]) -> int:
    if arguments[:1] == ["--run"]:
        return _run(arguments[1], arguments[2], int(arguments[3]))
    mutants = draw(arguments[0])
    for number, mutant in enumerate(mutants):
        if arguments[1:] in ([], [str(number)]):
            print(f"{number}: {mutant.module}: {mutant.description}")
    if arguments[1:]:
        outcome, output = run_mutant(arguments[0], mutants[int(arguments[1])])
        print(output, outcome.name, sep="\n")
        return outcome is not Outcome.SEEN
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
