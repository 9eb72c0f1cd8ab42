"""The laws of channel simulation: the decoder ends with a sample of the target, and the bits are what they may be.

A simulator holds its proposal. What it is tested with are cases: targets of that proposal, each with what is known
of its law. Every law is a function ``check_*``; :func:`simulator_laws` lists those that apply and shares the error
level over the statistical ones.
"""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdp.bitstream import DecodeError
from rdp.coders.entropy import Decoder, Encoder
from rdp.coders.integers import IntegerModel
from rdp.core import Array, Simulator, Symbols, Target
from rdp.estimate import LEVEL, Moments, at_least, at_most
from rdp.randomness import SharedRandomness, Words, private_rng, tag
from rdp.testing.fresh import in_fresh_process
from rdp.testing.law import Law, LawBroken, Seen, broken, require, same
from rdp.testing.samples import (
    LEAST,
    Reference,
    independence_power,
    power,
    require_independence,
    require_law,
)
from rdp.validate import Floats, integer, non_negative, positive, refuse

_SEED = tag("testing: simulators")
_LARGEST = 2**60

WORDS = 2**18
"""A simulator that refuses a target has drawn at most so many words of common randomness by then."""


@dataclass(frozen=True)
class Case:
    """A target, and what is known of its law; without a law only the exact laws are tested."""

    name: str
    target: Target
    law: Reference | None = None


@dataclass(frozen=True)
class RateCase:
    """A channel whose mean rate is bounded: targets drawn for items of a source.

    ``targets(rng)`` is P(Y|X = x) for an x drawn from the source; the simulator's proposal must be the true
    marginal P(Y), whose law is ``marginal`` if it is to be tested too. ``models`` code the symbols, one model for
    all or one for each place of the row. ``lower`` and ``upper`` bound the mean bits of one sample, as a theorem
    gives them; a stream of ``block`` samples may have ``overhead`` bits more than its symbols cost. Differences of
    ``resolution`` bits must be seen.
    """

    name: str
    targets: Callable[[np.random.Generator], Target]
    models: IntegerModel | Sequence[IntegerModel]
    lower: float = 0.0
    upper: float = math.inf
    resolution: float = 0.5
    marginal: Reference | None = None
    block: int = 64
    blocks: int = 16
    overhead: float = 64.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.lower <= self.upper:
            raise refuse("lower", self.lower, f"must lie between 0 and upper={self.upper}")
        positive("resolution", self.resolution)
        integer("block", self.block, least=1)
        integer("blocks", self.blocks, least=8)


def simulator_laws(
    simulator: Simulator,
    cases: Sequence[Case],
    *,
    rates: Sequence[RateCase] = (),
    beyond: Sequence[Case] = (),
    deviation: float = 0.0,
    golden: Mapping[str, Sequence[Sequence[int]]] | None = None,
    n: int = 1000,
    level: float = LEVEL,
    subject: str | None = None,
) -> list[Law]:
    """Every law for ``simulator``, to be called one by one.

    The law of the sample and the independence of successive ones are tested on ``n`` samples of each case with a
    law; a simulator that is exact has ``deviation`` 0, an approximate one states its largest total variation from
    the target over the cases. ``beyond`` are targets past the declared capacity. ``golden`` are the symbols that
    cases must go on having: print :func:`golden_symbols`. The error level is shared over the statistical laws;
    ``law.power()`` says what each would see.
    """
    if not cases:
        raise ValueError("cases must not be empty")
    name = subject or type(simulator).__name__
    with_law = [case for case in cases if case.law is not None]
    share = level / max(1, 2 * len(with_law) + len(rates))
    exact: list[Callable[..., None]] = [
        check_symbols_are_integers,
        check_simulator_repeats,
        check_simulator_in_fresh_process,
        check_encoder_keeps_its_randomness,
        check_bad_symbols_are_bounded,
    ]
    found = [Law(name, check, (simulator, cases)) for check in exact]
    found.append(Law(name, check_exactness_is_declared, (simulator,), {"deviation": deviation}))
    found += [_sample_law(name, simulator, case, deviation, n, share) for case in with_law]
    found += [_independence_law(name, simulator, case, n, share) for case in with_law]
    found += [_rate_law(name, simulator, rate, share) for rate in rates]
    found += [Law(name, check_capacity, (simulator, case), {}, case.name) for case in beyond]
    if golden:
        found.append(Law(name, check_golden_symbols, (simulator, cases, golden)))
    return found


def golden_symbols(
    simulator: Simulator, cases: Sequence[Case], *, keys: int = 4
) -> dict[str, list[list[int]]]:
    """The symbols of each case under a few keys, to be pasted into a test as ``golden``."""
    return {
        case.name: [_encode(simulator, case.target, _key(i), i).tolist() for i in range(keys)]
        for case in cases
    }


def transmitted(
    simulator: Simulator, target: Target, n: int, *, layout: Callable[[int], SharedRandomness] | None = None
) -> NDArray[Any]:
    """``n`` decoded samples, shape (n, …), each under a key of its own."""
    keys = [(layout or _key)(i) for i in range(n)]
    return np.stack([_decode(simulator, _encode(simulator, target, k, i), k) for i, k in enumerate(keys)])


# Exact laws


def check_symbols_are_integers(simulator: Simulator, cases: Sequence[Case]) -> None:
    """Symbols are a row of integers from 0 to 2⁶⁰, and the decoder turns them into finite samples of one shape."""
    shapes = {}
    for case in cases:
        for i in range(8):
            symbols = simulator.encode(case.target, shared=_key(i), rng=_rng(i))
            kind = getattr(symbols, "dtype", type(symbols))
            require(
                isinstance(symbols, np.ndarray) and symbols.dtype == np.int64,
                f"{case.name}: symbols are {kind}",
            )
            require(symbols.ndim == 1, f"{case.name}: symbols have shape {symbols.shape}, must be one row")
            in_range = not symbols.size or (symbols.min() >= 0 and symbols.max() <= _LARGEST)
            require(in_range, f"{case.name}: symbols {symbols} must lie in 0 … 2⁶⁰")
            sample = simulator.decode(symbols, shared=_key(i))
            require(bool(np.isfinite(sample).all()), f"{case.name}: the sample {sample} is not finite")
            shapes[np.shape(sample)] = case.name
    require(len(shapes) == 1, f"samples have several shapes: {shapes}")


def check_simulator_repeats(simulator: Simulator, cases: Sequence[Case]) -> None:
    """The same key gives the same symbols and sample: again, in a copy, and whatever was coded in between."""
    copied = pickle.loads(pickle.dumps(simulator))
    first = [(case, i, _encode(simulator, case.target, _key(i), i)) for case in cases for i in range(3)]
    samples = [_decode(simulator, symbols, _key(i)) for _, i, symbols in first]
    for (case, i, symbols), sample in reversed(list(zip(first, samples, strict=True))):
        for one in (simulator, copied):
            again = _encode(one, case.target, _key(i), i)
            require(np.array_equal(again, symbols), f"{case.name}: encoded again, {symbols} become {again}")
            require(
                same(_decode(one, symbols, _key(i)), sample),
                f"{case.name}: {symbols} are decoded differently once others were coded",
            )


def check_simulator_in_fresh_process(simulator: Simulator, cases: Sequence[Case]) -> None:
    """A process that never saw a target decodes the same samples from integers and key; encoding repeats there.

    Both travel as pickles, into another hash seed, locale, number of threads and working folder.
    """
    sent = [(case.name, _encode(simulator, case.target, _key(i), i), i) for case in cases for i in range(4)]
    here = [_decode(simulator, symbols, _key(i)) for _, symbols, i in sent]
    targets = [case.target for case in cases]
    told = [(symbols.tolist(), i) for _, symbols, i in sent]
    there, again = in_fresh_process(_code_all, simulator, told, targets)
    for (name, symbols, _), a, b in zip(sent, here, there, strict=True):
        require(same(a, b), f"{name}: {symbols} are decoded to {a} here and to {b} in a fresh process")
    for case, symbols in zip(cases, again, strict=True):
        now = _encode(simulator, case.target, _key(0)).tolist()
        require(now == symbols, f"{case.name}: encoded as {now} here and as {symbols} in a fresh process")


def check_encoder_keeps_its_randomness(simulator: Simulator, cases: Sequence[Case]) -> None:
    """With other private randomness the encoder may choose other symbols; the decoder knows the symbols alone."""
    for case in cases:
        one, other = (
            simulator.encode(case.target, shared=_key(0), rng=private_rng(_SEED, r)) for r in (1, 2)
        )
        after = _decode(simulator, one, _key(0))
        simulator.encode(case.target, shared=_key(0), rng=private_rng(_SEED, 1))
        require(
            same(_decode(simulator, one, _key(0)), after),
            f"{case.name}: the decoder knows of the encoder's draws",
        )
        if np.array_equal(one, other):
            require(
                same(_decode(simulator, other, _key(0)), after),
                f"{case.name}: equal symbols are decoded differently",
            )


def check_bad_symbols_are_bounded(
    simulator: Simulator, cases: Sequence[Case], *, seconds: float = 5.0
) -> None:
    """Symbols that no encoder wrote raise ``ValueError`` or ``DecodeError``; huge ones may decode, quickly."""
    case = cases[0]
    good = _encode(simulator, case.target, _key(0))
    shape = np.shape(_decode(simulator, good, _key(0)))
    bad: dict[str, NDArray[Any]] = {
        "a negative symbol": np.full(good.shape, -1),
        "symbols of 2⁶⁰": np.full(good.shape, _LARGEST),
        "no symbol": good[:0],
        "a symbol too many": np.append(good, 0),
        "floats": good + 0.5,
    }
    for what, symbols in bad.items():
        start = time.perf_counter()
        try:
            sample = simulator.decode(symbols, shared=_key(0))
        except (ValueError, DecodeError):
            continue
        except Exception as error:
            raise LawBroken(f"{what}: must raise ValueError or DecodeError, raises {error!r}") from error
        finally:
            spent = time.perf_counter() - start
            require(spent <= seconds, f"{what}: takes {spent:.1f} s; at most {seconds:g} s are allowed")
        if what != "symbols of 2⁶⁰" and not np.array_equal(symbols, good):
            broken(f"{what}: must be refused, is decoded to {sample}")
        require(np.shape(sample) == shape, f"{what}: decoded to shape {np.shape(sample)}, not {shape}")
        require(bool(np.isfinite(sample).all()), f"{what}: decoded to {sample}, which is not finite")


def check_exactness_is_declared(simulator: Simulator, *, deviation: float) -> None:
    """A simulator with a stated deviation must not call itself exact; one without must not call itself inexact.

    What it calls itself is its attribute ``exact``; one that has none claims to be exact.
    """
    non_negative("deviation", deviation)
    claims = bool(getattr(simulator, "exact", True))
    require(
        not (claims and deviation > 0.0), f"claims to be exact, but its deviation is stated as {deviation}"
    )
    require(claims or deviation > 0.0, "calls itself inexact; state its deviation, so that it is tested")


def check_capacity(simulator: Simulator, case: Case, *, seconds: float = 2.0) -> None:
    """A target past the declared capacity raises ``ValueError`` before the work starts.

    The work is stopped after ``WORDS`` words of common randomness: it might have no end.
    """
    start = time.perf_counter()
    try:
        symbols = simulator.encode(case.target, shared=_Limited(*_key(0).key), rng=_rng(0))
    except ValueError as error:
        spent = time.perf_counter() - start
        require(spent <= seconds, f"{case.name}: refused only after {spent:.1f} s: {error}")
    except _TooMuch:
        broken(f"{case.name}: past the capacity, but the work goes on after {WORDS} words")
    else:
        broken(f"{case.name}: past the capacity, but encoded as {symbols}")


def check_golden_symbols(
    simulator: Simulator, cases: Sequence[Case], golden: Mapping[str, Sequence[Sequence[int]]]
) -> None:
    """The symbols that earlier versions chose are still chosen."""
    found = {case.name: case for case in cases}
    for name, rows in golden.items():
        if name not in found:
            raise refuse("golden", name, f"must name a case: {', '.join(found)}")
        now = golden_symbols(simulator, [found[name]], keys=len(rows))[name]
        before = [list(row) for row in rows]
        require(now == before, f"{name} is now encoded as {now}, no longer as {before}")


# Statistical laws


def check_sample_law(
    simulator: Simulator, case: Case, *, n: int = 1000, deviation: float = 0.0, level: float = LEVEL
) -> None:
    """Decoded samples have the target's law, or one within the stated total variation of it."""
    law = _law(case)
    require_law(transmitted(simulator, case.target, n), law, deviation=deviation, level=level)


def check_samples_are_independent(
    simulator: Simulator, case: Case, *, n: int = 1000, level: float = LEVEL
) -> None:
    """Samples under different keys are independent, also where keys differ only in order or length."""
    law, n = _law(case), max(n // 2, LEAST)
    samples = transmitted(simulator, case.target, n)
    for layout in _LAYOUTS:
        other = transmitted(simulator, case.target, n, layout=layout)
        require_independence(samples, law, other, level=level / len(_LAYOUTS))


def check_coded_rate(simulator: Simulator, rate: RateCase, *, level: float = LEVEL) -> None:
    """Mean bits of a sample, decoded from their bytes, lie within what theory allows.

    The bits of a sample are those of its symbols under the models; of every block the bytes must bear them out, up
    to the few that end a stream. A simulator that costs less than ``lower`` beats the information-theoretic bound:
    it is broken.
    """
    bits, samples = Moments(), []
    for b in range(rate.blocks):
        rows = []
        for i in range(rate.block):
            key = _key(b * rate.block + i, _RATE)
            target = rate.targets(private_rng(_SEED, _RATE, b, i))
            rows.append(_encode(simulator, target, key, i))
            samples.append(_decode(simulator, rows[-1], key))
        sent = np.stack(rows)
        data = write_symbols(sent, rate.models)
        back = read_symbols(data, sent.shape, rate.models)
        require(np.array_equal(back, sent), f"{rate.name}: the models do not bring the symbols back")
        stated, coded = _bits(sent, rate.models), 8 * len(data)
        bits.add(stated)
        require(
            -_WORD <= coded - float(stated.sum()) <= rate.overhead,
            f"{rate.name}: the models state {stated.sum():.1f} bits for a stream of {coded}",
        )
    mean = bits.estimate()
    found = [at_least("mean bits", mean, rate.lower, resolution=rate.resolution)]
    if math.isfinite(rate.upper):
        found.append(at_most("mean bits", mean, rate.upper, resolution=rate.resolution))
    for comparison in found:
        verdict = comparison.verdict(level / len(found))
        least = comparison.relation == "at_least"
        tail = f"; {'at least' if least else 'at most'} {comparison.theory:.4g} is allowed"
        hint = f": take more than {rate.blocks} blocks" if verdict == "inconclusive" else ""
        require(verdict == "holds", f"{rate.name}: {verdict}{hint}; mean bits are {mean}{tail}")
    if rate.marginal is not None:
        require_law(np.stack(samples), rate.marginal, level=level)


def write_symbols(rows: Symbols, models: IntegerModel | Sequence[IntegerModel]) -> bytes:
    """Rows of symbols (n, k) as one stream, column by column."""
    encoder = Encoder()
    for column, model in zip(rows.T, _models(models, rows.shape[1]), strict=True):
        model.put(encoder, column)
    return encoder.finish()


def read_symbols(
    data: bytes, shape: tuple[int, ...], models: IntegerModel | Sequence[IntegerModel]
) -> Symbols:
    """The rows of :func:`write_symbols`; ``DecodeError`` for bytes that are no such stream."""
    decoder = Decoder(data)
    n, k = shape
    columns = [model.get(decoder, n) for model in _models(models, k)]
    decoder.finish()
    return np.stack(columns, axis=1)


# Parts

_RATE, _TURNED = 2, 3
_WORD = 32  # bits: by as much the end of a stream may be implied


def _sample_law(name: str, simulator: Simulator, case: Case, deviation: float, n: int, level: float) -> Law:
    law = _law(case)
    return Law(
        name,
        check_sample_law,
        (simulator, case),
        {"n": n, "deviation": deviation, "level": level},
        case.name,
        seen=lambda: power(law, n, deviation=deviation, level=level),
    )


def _independence_law(name: str, simulator: Simulator, case: Case, n: int, level: float) -> Law:
    law = _law(case)
    return Law(
        name,
        check_samples_are_independent,
        (simulator, case),
        {"n": n, "level": level},
        case.name,
        seen=lambda: independence_power(law, max(n // 2, LEAST), level=level / len(_LAYOUTS)),
    )


def _rate_law(name: str, simulator: Simulator, rate: RateCase, level: float) -> Law:
    finest = Seen("mean bits past a bound", rate.resolution, rate.block * rate.blocks, level)
    return Law(name, check_coded_rate, (simulator, rate), {"level": level}, rate.name, seen=lambda: [finest])


def _law(case: Case) -> Reference:
    if case.law is None:
        raise refuse("case", case.name, "must have a law to be held against")
    return case.law


def _key(i: int, kind: int = 1) -> SharedRandomness:
    return SharedRandomness(_SEED, kind, i)


def _transposed(i: int) -> SharedRandomness:
    return SharedRandomness(i, 1, _SEED)


def _deeper(i: int) -> SharedRandomness:
    return SharedRandomness(_SEED, 1, i, 0)


_LAYOUTS = (_transposed, _deeper)


def _rng(i: int) -> np.random.Generator:
    return private_rng(_SEED, _TURNED, i)


def _encode(simulator: Simulator, target: Target, shared: SharedRandomness, i: int = 0) -> Symbols:
    return simulator.encode(target, shared=shared, rng=_rng(i))


def _decode(simulator: Simulator, symbols: Symbols, shared: SharedRandomness) -> Array:
    """Integers and key are handed over as plain numbers, as if they had travelled."""
    return np.asarray(
        simulator.decode(np.array(symbols.tolist(), dtype=np.int64), shared=SharedRandomness(*shared.key))
    )


def _code_all(
    simulator: Simulator, sent: list[tuple[list[int], int]], targets: list[Target]
) -> tuple[list[Array], list[list[int]]]:
    """Decode before a target is seen."""
    samples = [_decode(simulator, np.array(symbols, dtype=np.int64), _key(i)) for symbols, i in sent]
    return samples, [_encode(simulator, target, _key(0)).tolist() for target in targets]


def _bits(rows: Symbols, models: IntegerModel | Sequence[IntegerModel]) -> Floats:
    """What each row of symbols costs under the models, shape (n,)."""
    columns = zip(rows.T, _models(models, rows.shape[1]), strict=True)
    return np.asarray(np.sum([model.bits(column) for column, model in columns], axis=0))


def _models(models: IntegerModel | Sequence[IntegerModel], k: int) -> Sequence[IntegerModel]:
    return list(models) if isinstance(models, Sequence) else [models] * k


class _TooMuch(BaseException):
    """Somebody draws and draws; a coder that catches every ``Exception`` does not catch this."""


class _Limited(SharedRandomness):
    """Common randomness that ends once so many words are drawn from it and from its children."""

    __slots__ = ("_drawn",)
    _drawn: list[int]

    def __init__(self, *key: int, drawn: list[int] | None = None) -> None:
        super().__init__(*key)
        object.__setattr__(self, "_drawn", [0] if drawn is None else drawn)

    def child(self, *path: int) -> SharedRandomness:
        return _Limited(*self.key, *path, drawn=self._drawn)

    def _raw(self, kind: bytes, n: int, start: int) -> Words:
        self._drawn[0] += int(n)
        if self._drawn[0] > WORDS:
            raise _TooMuch
        return super()._raw(kind, n, start)
