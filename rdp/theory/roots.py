"""Roots of monotone functions, many at a time, in brackets: what closed forms lack an inverse for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rdp.validate import Floats


def bracketed_root(f: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """The x in [low, high] where an elementwise increasing f crosses zero, to a few roundings of x.

    Chandrupatla's choice between inverse quadratic interpolation and bisection, elementwise
    [chandrupatla1997]. Where f has no sign change the end nearer to one is returned. ``ArithmeticError`` if
    200 steps do not suffice, which bisection alone would do on any bracket of float64 without zero inside.
    """
    a, b = np.array(high, dtype=np.float64), np.array(low, dtype=np.float64)
    fa, fb = f(a), f(b)
    c, fc = a.copy(), fa.copy()
    t = np.full(a.shape, 0.5)
    fixed = np.where(fb >= 0.0, b, a)
    done = (fb >= 0.0) | (fa <= 0.0)
    for _ in range(200):
        x = a + t * (b - a)
        fx = f(x)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        tolerance = 4e-16 * np.abs(best) + 1e-320
        width = np.abs(b - a)
        done = done | (width <= 2.0 * tolerance) | (fa == 0.0)
        if done.all():
            break
        with np.errstate(all="ignore"):  # what is not finite is replaced by bisection
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            quadratic = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
            step = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            least = np.where(width > 0.0, tolerance / width, 0.5)
        t = np.where(quadratic & np.isfinite(step), step, 0.5)
        t = np.clip(t, np.minimum(least, 0.5), 1.0 - np.minimum(least, 0.5))
    else:
        raise ArithmeticError("no root found in 200 steps")
    first, last = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    inside = (f(first) < 0.0) & (f(last) > 0.0)
    return np.where(inside, np.where(fa == 0.0, a, best), fixed)
