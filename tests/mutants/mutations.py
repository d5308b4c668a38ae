"""Which small changes are made to the code, and to which of it. Pure.

Cosmic Ray makes the changes; three kinds are ours, for what it does not know: the boundary of a
lookup of Django or of SQL in a string, a call whose result nobody looks at, and an exception.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
SPEECH_TESTS = ROOT / "tests/app/speech"
SPEECH = ("tests/app/speech/test_sentences.py", "tests/app/speech/test_services.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A module, and the test files that have to notice each change to it, the likeliest first."""

    name: str
    tests: tuple[str, ...]
    kinds: tuple[str, ...] = ()  # empty: all
    # Needs no database, and is called in the tests' own process and thread: only those that run a
    # line are asked about it.
    is_pure: bool = False

    @property
    def path(self) -> Path:
        return ROOT / "app" / f"{self.name.replace('.', '/')}.py"


def _speech(name: str, *more: str) -> Subject:
    own = sorted(f"tests/app/speech/{path.name}" for path in SPEECH_TESTS.glob(f"test_{name}*.py"))
    others = (test for test in (*more, *SPEECH) if test not in own)
    return Subject(name=f"speech.{name}", tests=(*own, *others))


FORGETTING = (
    "tests/app/test_forgetting.py",
    "tests/app/test_grace.py",
    "tests/app/test_repeat.py",
    "tests/app/test_announcements.py",
    "tests/app/test_erased.py",
)

SUBJECTS = (
    Subject(
        name="agenda.clock",
        tests=(
            "tests/app/test_clock.py",
            "tests/app/test_keeping.py",
            "tests/app/test_repeat.py",
        ),
    ),
    Subject(name="agenda.forgetting", tests=FORGETTING),
    Subject(name="agenda.pace", tests=("tests/app/test_pace.py", "tests/app/test_forgetting.py")),
    *(
        Subject(
            name=f"agenda.quick_add.{name}",
            tests=("tests/app/test_quick_add_lines.py",),
            is_pure=True,
        )
        for name in ("line", "words", "grammar", "deadline")
    ),
    # The deadline rule itself: every question about tasks.
    Subject(
        name="agenda.models",
        tests=(*FORGETTING, "tests/app/test_tags.py", "tests/app/test_tasks.py"),
        kinds=("LookupBoundary",),
    ),
    _speech("times"),
    _speech("languages"),
    Subject(name="speech.loudness", tests=("tests/app/speech/test_loudness.py",)),
    _speech("mp3", "tests/app/speech/test_google.py"),
    _speech("numbers", "tests/app/speech/test_said.py"),
    _speech("sentences"),
    _speech("titles", "tests/app/speech/test_said.py"),
    _speech("google_line"),
    _speech("local"),
    _speech("google"),
    _speech("cache"),
    _speech("services"),
)


class LookupBoundary(Operator):  # type: ignore[misc]  # Cosmic Ray has no types
    """`__lte` becomes `__lt`, `<=` in a string becomes `<`, and the other way round."""

    _SWAP: ClassVar = {
        **{"__lte": "__lt", "__lt": "__lte", "__gte": "__gt", "__gt": "__gte"},
        **{"<=": "<", "<": "<=", ">=": ">", ">": ">="},
    }
    _NAME = re.compile(r"__[lg]te?\b")
    _SQL = re.compile(r"__[lg]te?\b|(?<= )[<>]=?(?= )")

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        for _ in self._found(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        at = self._found(node)[index]
        node.value = node.value[: at.start()] + self._SWAP[at[0]] + node.value[at.end() :]
        return node

    def _found(self, node: Any) -> list[re.Match[str]]:
        if node.type == "name":
            return list(self._NAME.finditer(node.value))
        is_text = node.type in ("string", "fstring_string") and not _is_docstring(node)
        return list(self._SQL.finditer(node.value)) if is_text else []

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


class CallRemoval(Operator):  # type: ignore[misc]  # likewise
    """A statement that is only a call becomes `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if self._is_call(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - Cosmic Ray's signature
        node.children[0] = parso.parse(f"{node.children[0].get_first_leaf().prefix}pass")
        return node

    @staticmethod
    def _is_call(node: Any) -> bool:
        if node.type != "simple_stmt" or node.children[0].type != "atom_expr":
            return False
        return bool(node.children[0].children[-1].get_code().endswith(")"))

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


class Uncaught(Operator):  # type: ignore[misc]  # likewise
    """`except X` catches something else. (Cosmic Ray's own stumbles over dotted names.)"""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type == "except_clause" and len(node.children) > 1:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ARG002 - Cosmic Ray's signature
        node.children[1] = parso.parse(" GeneratorExit")
        return node

    @classmethod
    def examples(cls) -> tuple[Any, ...]:
        return ()


def _is_docstring(node: Any) -> bool:
    return bool(node.parent is not None and node.parent.type == "simple_stmt")


# One or two opponents each, those that a mistake would choose: not all of all.
_COMPARISONS = """Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt
 Is_IsNot IsNot_Is"""
_BINARY = "Add_Sub Sub_Add Mul_FloorDiv FloorDiv_Mul Div_Mul Mod_FloorDiv"
_OTHERS = """ReplaceUnaryOperator_USub_UAdd ReplaceUnaryOperator_Delete_Not AddNot
 ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd
 ReplaceBreakWithContinue ReplaceContinueWithBreak NumberReplacer
 ZeroIterationForLoop"""
OWN = {"LookupBoundary": LookupBoundary, "CallRemoval": CallRemoval, "Uncaught": Uncaught}
KINDS = (
    *OWN,
    *(f"ReplaceComparisonOperator_{pair}" for pair in _COMPARISONS.split()),
    *(f"ReplaceBinaryOperator_{pair}" for pair in _BINARY.split()),
    *_OTHERS.split(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """The `place`th of its kind in one statement of the module. `key` remains as long as its
    function is the same, or that statement where there is none.
    """

    subject: Subject = field(repr=False)
    kind: str
    statement: int
    place: int
    line: int
    key: str

    def code(self) -> str:
        statements = list(_statements(self.subject.path))
        statements[self.statement] = self._changed()
        return "".join(statements)

    def change(self) -> tuple[str, str]:
        """The lines before and after, without their margins."""
        before = _statements(self.subject.path)[self.statement].splitlines()
        after = self._changed().splitlines()
        first = next(
            i for i, pair in enumerate(zip(before, after, strict=False)) if len({*pair}) > 1
        )
        return before[first].strip(), after[first].strip()

    def is_python(self) -> bool:
        try:
            compile(self._changed(), "mutant", "exec")
        except SyntaxError:
            return False
        return True

    def lines(self) -> range:
        """Those of the statement that is changed; none where it stands in no function."""
        around = [lines for lines in _lines_in_functions(self.subject.path) if self.line in lines]
        return min(around, key=len, default=range(0))

    def _changed(self) -> str:
        statement = _statements(self.subject.path)[self.statement]
        made = mutate_code(statement, _operator(self.kind), self.place)
        assert made is not None, f"{self.subject.name} has no {self.key}"
        return str(made)


@cache
def _statements(path: Path) -> tuple[str, ...]:
    """The module in pieces: to parse one of them is cheap."""
    return tuple(node.get_code() for node in get_ast(path.read_text("utf-8")).children)


def _digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@cache
def _functions(path: Path) -> tuple[tuple[range, str], ...]:
    """The lines of each, and a digest of them."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    places = [range(node.lineno, (node.end_lineno or 0) + 1) for node in found]
    return tuple(
        (place, _digest_of("\n".join(lines[place.start - 1 : place.stop - 1]))) for place in places
    )


def _digest(path: Path, line: int) -> str:
    """Of the innermost function around it; empty outside of all."""
    around = [(place, digest) for place, digest in _functions(path) if line in place]
    return min(around, key=lambda each: len(each[0]), default=(None, ""))[1]


@cache
def _lines_in_functions(path: Path) -> tuple[range, ...]:
    """Of each statement, without its body's."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    found = []
    for node in (inner for function in functions for inner in ast.walk(function)):
        if isinstance(node, ast.stmt | ast.match_case) and node not in functions:
            first = node.lineno if isinstance(node, ast.stmt) else node.pattern.lineno
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            found.append(range(first, max(first, last) + 1))
    return tuple(found)


@cache
def _operator(kind: str) -> Any:
    return OWN[kind]() if kind in OWN else get_operator(f"core/{kind}")()


def mutants(subject: Subject) -> list[Mutant]:
    """In the order of their lines."""
    found: list[Mutant] = []
    count: Counter[str] = Counter()
    above = 0
    for number, statement in enumerate(_statements(subject.path)):
        nodes = list(ast_nodes(get_ast(statement)))
        for kind in subject.kinds or KINDS:
            places = [at for node in nodes for at in _operator(kind).mutation_positions(node)]
            for place, (start, _end) in enumerate(places):
                line = above + start[0]
                key = f"{kind}-{_digest(subject.path, line) or _digest_of(statement)}"
                found.append(
                    Mutant(
                        subject=subject,
                        kind=kind,
                        statement=number,
                        place=place,
                        line=line,
                        key=f"{key}-{count[key]}",
                    )
                )
                count[key] += 1
        above += statement.count("\n")
    lines = subject.path.read_text("utf-8").splitlines()
    found = [mutant for mutant in found if not lines[mutant.line - 1].lstrip().startswith("@")]
    # Cosmic Ray takes the `*` of keyword-only parameters for a product, and writes `not x := y`.
    doubtful = ("Mul", "AddNot")
    found = [
        mutant
        for mutant in found
        if not any(words in mutant.kind for words in doubtful) or mutant.is_python()
    ]
    return sorted(found, key=lambda mutant: (mutant.line, mutant.kind, mutant.place))


# Few, and those whose survival would be worst: the instant of the deadline, in each of its homes.
SAMPLE = (
    ("agenda.clock", "ReplaceComparisonOperator_NotEq_Eq"),
    ("agenda.forgetting", "LookupBoundary"),
    ("agenda.models", "LookupBoundary"),
)
SAMPLE_TESTS = {
    "agenda.clock": ("tests/app/test_clock.py",),
    "agenda.forgetting": FORGETTING[:2],
    "agenda.models": FORGETTING[:2],
}
