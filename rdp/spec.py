"""Codecs and sources as the command line writes them, and as streams name them.

    name[:key=value,...]        jpegxl:distance=3        hfd:base=[jpeg:quality=5],steps=10

The parameters are the fields of a dataclass, and their values are typed by them. A thing that is made of another
names it in brackets; commas inside brackets belong to the value.

Text is written as it is, or in one pair of brackets that does not belong to it: `encoder=[cjxl {in} {out}]`. That
is needed for text with a comma, and for text that begins with a bracket. Every bracket in it must be closed.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from rdp.validate import one_of, refuse

Built = TypeVar("Built")

DEEPEST = 40
"""Brackets inside brackets in a specification: more than any stream has room for."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter; ``default`` is None where ``required``."""

    name: str
    type: str
    default: Any
    required: bool


class ParameterMissing(ValueError):
    """A parameter without a default was not given."""


def split_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Name and the texts of the parameters; ``ValueError`` for what is not written as above."""
    name, colon, rest = spec.partition(":")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise refuse("spec", spec, "must be written name[:key=value,...]")
    values: dict[str, str] = {}
    for pair in _split_commas(rest, spec) if colon else []:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise refuse("spec", spec, f"must be written name[:key=value,...], not {pair!r}")
        if key in values:
            raise refuse("spec", spec, f"must give {key} once")
        values[key] = text
    return name, values


Readers = Mapping[type[Any], Callable[[str], Any]]
"""By the type of a field, what reads the specification in its brackets."""


def build(kind: type[Built], name: str, texts: Mapping[str, str], *, nested: Readers | None = None) -> Built:
    """An instance of the dataclass ``kind`` from the texts of its parameters; ``name`` is for the errors."""
    types = _types(kind)
    values = {}
    for key, text in texts.items():
        if key not in types:
            listed = ", ".join(types) if types else "none"
            raise ValueError(f"{name} has no parameter {key!r}; its parameters are: {listed}")
        values[key] = _value(f"{name}:{key}", types[key], text, nested or {})
    absent = [p.name for p in parameters_of(kind) if p.required and p.name not in values]
    if absent:
        raise ParameterMissing(f"{name} needs {', '.join(f'{key}=…' for key in absent)}")
    return kind(**values)


def parameters_of(kind: type[Any]) -> tuple[Parameter, ...]:
    """The fields that the constructor of a dataclass takes."""
    types = _types(kind)
    return tuple(
        Parameter(f.name, _type_name(types[f.name]), None if _required(f) else _default(f), _required(f))
        for f in dataclasses.fields(kind)
        if f.name in types
    )


def write_spec(name: str, thing: Any, keys: tuple[str, ...], *, nested: str = "spec") -> str:
    """The specification of a dataclass instance with the fields ``keys``: the inverse of :func:`build`.

    ``nested`` is the attribute that says what stands in the brackets of a field which has a specification itself.
    ``ValueError`` for text with a bracket too many.
    """
    types = _types(type(thing))
    pairs = [f"{key}={_written(f'{name}:{key}', types[key], getattr(thing, key), nested)}" for key in keys]
    return f"{name}:{','.join(pairs)}" if pairs else name


def check_brackets(name: str, text: str) -> str:
    """``text`` if a specification can hold it: every bracket that it opens is closed, and no other."""
    if _depths(text)[-1] != 0 or min(_depths(text)) < 0:
        raise refuse(name, text, "must close every bracket it opens, and no other")
    return text


def _types(kind: type[Any]) -> Mapping[str, Any]:
    if kind not in _TYPES:  # to resolve them takes longer than all else here
        hints = typing.get_type_hints(kind)
        _TYPES[kind] = {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.init}
    return _TYPES[kind]


_TYPES: WeakKeyDictionary[type[Any], Mapping[str, Any]] = WeakKeyDictionary()


def _written(name: str, hint: Any, value: Any, nested: str) -> str:
    """``value`` as text: by the type of its field, so that 1, 1.0 and NumPy's 1.0 are one parameter."""
    inner = getattr(value, nested, None)  # once: what is nested writes what is nested in it
    if inner is not None:
        return f"[{inner}]"
    if hint is bool:
        return str(bool(value)).lower()
    if hint is str:
        text = check_brackets(name, str(value))
        return f"[{text}]" if "," in text or text.startswith("[") else text
    return repr(hint(value)) if hint in (int, float) else str(value)


def _unwrapped(text: str) -> str:
    """What is in the brackets, where one pair of them is around all of ``text``."""
    depths = _depths(text)
    whole = text.startswith("[") and depths[-1] == 0 and 0 not in depths[1:-1]
    return text[1:-1] if whole else text


def _depths(text: str) -> list[int]:
    """How many brackets are open before the first letter and after each."""
    return list(accumulate(((letter == "[") - (letter == "]") for letter in text), initial=0))


def _split_commas(text: str, spec: str) -> list[str]:
    """Pieces between the commas outside all brackets."""
    pieces, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if depth < 0:
            break
        if depth > DEEPEST:
            raise refuse("spec", spec, f"must have brackets at most {DEEPEST} deep")
        if letter == "," and depth == 0:
            pieces.append(text[start:at])
            start = at + 1
    if depth != 0:
        raise refuse("spec", spec, "must close every bracket it opens, and no other")
    return [*pieces, text[start:]]


def _required(f: dataclasses.Field[Any]) -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def _default(f: dataclasses.Field[Any]) -> Any:
    return f.default if f.default_factory is dataclasses.MISSING else f.default_factory()


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _value(name: str, hint: Any, text: str, nested: Readers) -> Any:
    """``text`` as the type of its field; no blanks, no underscores, no other way to write the same."""
    if hint is bool:
        if text not in ("true", "false"):
            raise refuse(name, text, "must be true or false")
        return text == "true"
    if hint is int:
        if not re.fullmatch(r"[+-]?[0-9]{1,40}", text):
            raise refuse(name, text, "must be an integer")
        return int(text)
    if hint is float:
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf", text, re.IGNORECASE):
            raise refuse(name, text, "must be a number")
        return float(text)
    if hint is str:
        return _unwrapped(text)
    if typing.get_origin(hint) is Literal and all(isinstance(c, str) for c in typing.get_args(hint)):
        return one_of(name, text, typing.get_args(hint))
    if hint in nested:
        return nested[hint](_unwrapped(text))
    raise ValueError(f"{name} is a {_type_name(hint)}, which a specification cannot write; use Python")
