"""Any closed form of ``rdp.theory`` as a table or a picture: what ``rdp curve`` does.

A form is named `module.function`, as in `divergences.gaussian_tv`, and is computed over a range of one of its
arguments. A module that is a source, with both ``rate`` and ``distortion``, may be named alone: over rates it
gives distortions, over distortions rates.
"""

from __future__ import annotations

import csv
import difflib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rdp.validate import Floats, refuse

MOST_POINTS = 1_000_000


@dataclass(frozen=True)
class Curve:
    """``values`` of a function over ``points`` of one argument, the others as ``fixed``."""

    function: str
    argument: str
    points: Floats | NDArray[np.int64]
    result: str
    values: Floats
    fixed: Mapping[str, Any]


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function of ``rdp.theory`` that returns an array of numbers, as `module.function`."""
    import rdp.theory

    found: dict[str, Callable[..., Any]] = {}
    for info in pkgutil.iter_modules(rdp.theory.__path__):
        if not info.name.startswith("_"):
            module = import_module(f"rdp.theory.{info.name}")
            for name, value in vars(module).items():
                own = inspect.isfunction(value) and value.__module__ == module.__name__
                if own and name[0] != "_" and inspect.signature(value).return_annotation == "Floats":
                    found[f"{info.name}.{name}"] = value
    return found


def sources() -> list[str]:
    """The modules that can be named alone: those with ``rate(distortion, …)`` and ``distortion(rate, …)``."""
    found = functions()

    def first(name: str) -> str | None:
        return next(iter(inspect.signature(found[name]).parameters), None) if name in found else None

    modules = sorted({name.partition(".")[0] for name in found})
    return [m for m in modules if first(f"{m}.rate") == "distortion" and first(f"{m}.distortion") == "rate"]


def span(text: str) -> Floats | NDArray[np.int64]:
    """The points of `first:last:step`, both ends included, or of `a,b,c`; integers if all of these are."""
    try:
        if ":" not in text:
            points = np.array([float(piece) for piece in text.split(",")])
        else:
            first, last, step = (float(piece) for piece in text.split(":"))
            if not (step > 0 and last >= first and (last - first) / step <= MOST_POINTS):
                raise ValueError
            points = first + step * np.arange(int(np.floor((last - first) / step * (1 + 1e-12))) + 1)
    except ValueError:
        raise refuse("range", text, "must be first:last:step with a positive step, or a,b,c") from None
    whole = re.fullmatch(r"[+-]?\d+([:,][+-]?\d+)*", text) is not None  # some arguments count something
    return points.astype(np.int64) if whole else points


def compute(name: str, argument: str, points: Floats | NDArray[np.int64], fixed: Mapping[str, str]) -> Curve:
    """The curve of ``name`` over ``argument``; ``fixed`` are texts: numbers, lists a,b,c, or words.

    ``ValueError`` for a function or an argument that there is not, with those that there are.
    """
    known = functions()
    if name in sources():
        name = f"{name}.{'distortion' if argument == 'rate' else 'rate'}"
    if name not in known:
        close = difflib.get_close_matches(name, [*known, *sources()], n=3)
        hint = f"; close: {', '.join(close)}" if close else ""
        raise ValueError(f"{name} is not a closed form; sources are {', '.join(sources())}{hint}")
    parameters = inspect.signature(known[name]).parameters
    for key in (argument, *fixed):
        if key not in parameters:
            raise ValueError(f"{name} has no argument {key}; its arguments are: {', '.join(parameters)}")
    absent = [
        key
        for key, p in parameters.items()
        if p.default is inspect.Parameter.empty and key not in fixed and key != argument
    ]
    if absent:
        raise ValueError(f"{name} needs {', '.join('--' + key.replace('_', '-') for key in absent)}")
    values = known[name](**{key: _value(text) for key, text in fixed.items()}, **{argument: points})
    if not (isinstance(values, np.ndarray) and values.shape == points.shape and values.dtype.kind == "f"):
        raise ValueError(f"{name} over {argument} must give one number for each point, to be a curve")
    return Curve(name, argument, points, name.partition(".")[2], values, dict(fixed))


def write_csv(curves: Sequence[Curve], file: IO[str]) -> None:
    """One line a point: what tells the curves apart, the argument, the result; all digits of a float64."""
    rows = csv.writer(file, lineterminator="\n")
    keys = _varied(curves)
    rows.writerow([*keys, curves[0].argument, curves[0].result])
    for curve in curves:
        for x, y in zip(curve.points, curve.values, strict=True):
            rows.writerow([*(curve.fixed[key] for key in keys), repr(float(x)), repr(float(y))])


def write_json(curves: Sequence[Curve], file: IO[str]) -> None:
    """A list of objects: function, fixed arguments, points and values; what is not finite is null."""
    records = [
        {
            "function": curve.function,
            "fixed": curve.fixed,
            curve.argument: curve.points.tolist(),
            curve.result: [float(y) if np.isfinite(y) else None for y in curve.values],
        }
        for curve in curves
    ]
    json.dump(records, file, ensure_ascii=False)
    file.write("\n")


_METADATA: Mapping[str, dict[str, None]] = {
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
    ".svg": {"Date": None},
}


def draw(curves: Sequence[Curve], path: Path) -> None:
    """A picture of the curves in one frame; the suffix of ``path`` chooses PDF, PNG or SVG."""
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise refuse("out", str(path), "must end in .pdf, .png or .svg")
    from rdp import plotting

    keys = _varied(curves)
    with plotting.style():
        picture = plotting.figure(width=plotting.COLUMN)
        ax = picture.subplots()
        for curve in curves:
            label = ", ".join(f"{key.replace('_', ' ')} {curve.fixed[key]}" for key in keys)
            ax.plot(curve.points, curve.values, label=label or None)
        ax.set_xlabel(curves[0].argument.replace("_", " "))
        ax.set_ylabel(curves[0].result.replace("_", " "))
        ax.grid(visible=True)
        if keys:
            ax.legend()
        picture.savefig(path, dpi=plotting.PNG_DPI, metadata=_METADATA[suffix])


def _varied(curves: Sequence[Curve]) -> list[str]:
    """The fixed arguments that are not the same for all curves."""
    return [key for key in curves[0].fixed if len({curve.fixed[key] for curve in curves}) > 1]


def _value(text: str) -> Any:
    try:
        numbers = [float(piece) for piece in text.split(",")]
    except ValueError:
        return text
    if len(numbers) > 1:
        return np.array(numbers)
    return int(text) if text.lstrip("+-").isdigit() else numbers[0]
