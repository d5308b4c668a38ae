"""Putting a changed source into a module that others have imported already."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any


class Stillborn(Exception):  # noqa: N818 - exceptions say what happened, as in app/
    """The mutant cannot even be imported."""


def put(name: str, source: str, *, is_whole: bool = False) -> None:
    """From here on module `name` behaves as `source`, wherever its names were imported to.

    Functions keep their identity and get new code. Only when something outside of functions
    differs (a constant, a table, a default), or all of it `is_whole` (a function that is called
    while the module is imported), is the source executed, and its names are put in the place of the
    old ones.
    """
    module = sys.modules[name]
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:  # noqa: PTH123 - a str it is
        old = compile(file.read(), module.__file__, "exec")
    new = compile(source, module.__file__, "exec")
    if _outside(old) == _outside(new) and not is_whole:
        codes = dict(_codes(new))
        for function in _functions(module.__dict__, name):
            function.__code__ = codes[function.__qualname__]
        return
    _execute(module, new)


def _outside(code: CodeType) -> list[Any]:
    """What a module or class body does itself, without the insides of its functions."""
    inside = [_outside(const) if _is_class(const) else _shape(const) for const in code.co_consts]
    return [code.co_code, code.co_names, inside]


def _is_class(const: object) -> bool:
    return isinstance(const, CodeType) and "__qualname__" in const.co_names


def _shape(const: object) -> object:
    if not isinstance(const, CodeType):
        return (type(const).__name__, repr(const))
    if const.co_name.startswith("<"):  # a lambda or a comprehension of the body itself
        return (const.co_code, const.co_names, [_shape(inner) for inner in const.co_consts])
    # A lambda that a function makes may lie in a table already: that table is made anew.
    made = [inner for inner in const.co_consts if getattr(inner, "co_name", "") == "<lambda>"]
    return (const.co_name, [_shape(inner) for inner in made])


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const.co_qualname, const
            if _is_class(const):
                yield from _codes(const)


def _functions(names: dict[str, Any], module: str) -> Iterator[FunctionType]:
    """Those written in the module itself: bare, decorated, or in its classes."""
    for value in list(names.values()):
        if isinstance(value, type) and value.__module__ == module:
            yield from _functions(dict(vars(value)), module)
        for function in _unwrapped(value):
            is_written = function.__module__ == module and function.__code__.co_filename
            if is_written and function.__code__.co_filename == sys.modules[module].__file__:
                yield function


def _unwrapped(value: Any) -> Iterator[FunctionType]:
    for inner in (value, *(getattr(value, name, None) for name in ("fget", "func", "__func__"))):
        while hasattr(inner, "__wrapped__"):
            inner = inner.__wrapped__  # noqa: PLW2901 - down to the function itself
        if isinstance(inner, FunctionType):
            yield inner


def _execute(module: ModuleType, code: CodeType) -> None:
    fresh = ModuleType(module.__name__)
    fresh.__file__ = module.__file__
    fresh.__package__ = module.__package__
    try:
        exec(code, fresh.__dict__)  # noqa: S102 - the mutant
    except Exception as error:
        raise Stillborn(f"{type(error).__name__}: {error}") from error
    old_names = dict(module.__dict__)
    for name, value in vars(fresh).items():
        old = old_names.get(name)
        if name.startswith("__") or old is value:
            continue
        if isinstance(old, type) and old.__module__ == module.__name__:
            _renew_class(old, value)
        elif list(_unwrapped(old)):
            for mine, its in zip(_unwrapped(old), _unwrapped(value), strict=True):
                _renew(mine, its)
        else:
            _repoint(name, old, value)


def _renew(mine: FunctionType, its: FunctionType) -> None:
    mine.__code__ = its.__code__
    mine.__defaults__ = its.__defaults__
    mine.__kwdefaults__ = its.__kwdefaults__


def _renew_class(old: type, new: type) -> None:
    for name, value in vars(new).items():
        was = vars(old).get(name)
        if isinstance(was, FunctionType) and isinstance(value, FunctionType):
            # What @dataclass writes closes over cells of its own; they are as many, and equal.
            if len(was.__code__.co_freevars) == len(value.__code__.co_freevars):
                _renew(was, value)
        elif not name.startswith("__") and type(value).__name__ != "member_descriptor":
            setattr(old, name, value)


def _repoint(name: str, old: object, new: object) -> None:
    """In the module and wherever the name was imported to."""
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        if names.get(name, _repoint) is old:
            names[name] = new
