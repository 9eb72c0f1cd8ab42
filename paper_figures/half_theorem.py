"""The ½ theorem: the flow's error over a posterior sample's as noise vanishes, and the next order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from paper_figures._points import estimates, own_seed, plain
from rdp.diffusion import exact
from rdp.estimate import Estimate, Moments
from rdp.plotting import GREY, Look, errorbar_points, figure, name_panels, style
from rdp.theory import diffc
from sims import half_theorem as claims

NAME = "half_theorem"

CAPTION = (
    "The ½ theorem. A noisy copy of X, of noise variance n in each of its M components, is turned into X̂ by a "
    "sample of the posterior (DiffC-A, error D_A) or by the probability flow (DiffC-F, error D_F). (a) D_F/D_A "
    "tends to ½ from above as n → 0 for laws with a smooth density, and also where the Fisher information G is "
    "infinite (uniform), but not for two points, where it tends to 2/π (dotted). (b) The excess over ½ in units "
    "of nG/(8M), which it tends to for all laws with finite G. Lines are exact: a closed form for the Gaussian, "
    "quadrature for the others. Hollow circles are measured, {n} blocks of noisy items with the exact denoiser; "
    "D_A counts as twice the error of the posterior mean, which the claims confirm. Error bars are ±2 standard "
    "errors. In (a) the uniform law has unit variance."
)

LOOKS: Mapping[str, Look] = {
    "gaussian": Look("#000000", "-", "Gaussian"),
    "mixture": Look("#0072B2", (0, (5, 1.5)), "mixture of two Gaussians"),
    "mixture-64-dimensions": Look("#56B4E9", "-", "mixture in 64 dimensions"),
    "logistic": Look("#009E73", (0, (4, 1.2, 1, 1.2)), "logistic"),
    "student-3-degrees": Look("#AA3377", (0, (2, 1.5)), "Student, 3 degrees"),
    "uniform": Look("#E69F00", (0, (5, 1.5)), "uniform, $G=\\infty$"),
    "two points": Look("#D55E00", (0, (1, 1)), "two points, no density"),
}

RELATIVE = (0.05, 0.12, 0.3, 0.8, 2.0)
"""nG/M of the measured points."""


def data(n: int = 24, seed: int = 0) -> dict[str, Any]:
    """Curves by quadrature, and points from ``n`` blocks (at least 4) for each law and noise."""
    laws = {law.name: law for law in claims.LAWS if law.name in LOOKS} | {"gaussian": _gaussian()}
    relative = np.geomspace(0.02, 5.0, 18)
    noise = np.geomspace(1e-3, 4.0, 60)
    fisher = {name: law.fisher or _fisher(law, own_seed(seed, NAME, 99)) for name, law in laws.items()}
    curves = {"gaussian": _curve(relative, diffc.ratio(relative, eigenvalues=[1.0]), 1.0)}
    for name in ("mixture", "logistic"):
        ratios = [_ratio(*claims.flow_errors(name, float(r / fisher[name]))) for r in relative]
        curves[name] = _curve(relative / fisher[name], np.array(ratios), fisher[name])
    curves["uniform"] = _curve(noise / 12.0, np.array([_uniform(float(v / 12.0)) for v in noise]), None, 12.0)
    curves["two points"] = _curve(noise, np.array([claims.two_point_ratio(float(v)) for v in noise]), None)
    points = {
        name: [_point(law, r, fisher[name], n, own_seed(seed, NAME, i, j)) for j, r in enumerate(RELATIVE)]
        for i, (name, law) in enumerate(laws.items())
    }
    return {"n": n, "curves": curves, "points": points, "limit": 2.0 / np.pi}


def _gaussian() -> claims.Law:
    law = exact.Gaussian([1.0])
    draw = lambda n, rng: law.sample(n, shape=(1,), rng=rng)
    return claims.Law("gaussian", law, draw, lambda x: -x, fisher=1.0, flow=law.flow)


def _fisher(law: claims.Law, seed: int) -> float:
    rng = np.random.default_rng(seed)
    return float(np.mean(np.sum(law.score(law.draw(40_000, rng)) ** 2, axis=1)))


def _ratio(mmse: float, gap: float) -> float:
    return (mmse + gap) / (2.0 * mmse)


def _uniform(noise: float) -> float:
    flow, mmse = claims.uniform_errors(noise)
    return flow / (2.0 * mmse)


def _curve(noise: Any, ratio: Any, fisher: float | None, scale: float = 1.0) -> dict[str, Any]:
    """``scale`` brings the noise to a source of unit variance."""
    curve: dict[str, Any] = {"noise": (noise * scale).tolist(), "ratio": ratio.tolist()}
    if fisher is not None:
        curve |= {
            "relative": (noise * fisher).tolist(),
            "slope": ((ratio - 0.5) * 8.0 / (noise * fisher)).tolist(),
        }
    return curve


def _point(law: claims.Law, relative: float, fisher: float, n: int, seed: int) -> dict[str, Any]:
    noise = relative * law.dimension / fisher
    # Where the flow is integrated it takes more steps the more noise there is.
    draw = claims.distortions(
        law,
        noise,
        block=64 if law.dimension > 1 else 2048,
        steps=24,
        sample=lambda denoiser, z, at, rng: z,  # not asked for here
    )
    m = Moments(8).add(draw(max(n, 4), seed=seed))
    flow, mean = claims.FLOW, claims.MEAN
    return {"noise": noise, "relative": relative} | plain(
        {
            "ratio": m.function(lambda v: v[flow] / (2.0 * v[mean])),
            "slope": m.function(lambda v: (v[flow] / (2.0 * v[mean]) - 0.5) * 8.0 / relative),
        }
    )


def draw(data: Mapping[str, Any]) -> Figure:
    """The ratio against noise, and its excess over ½ in units of the next order."""
    with style():
        fig = figure(height=2.9)
        left, right = fig.subplots(1, 2)
        for name, look in LOOKS.items():
            curve, points = data["curves"].get(name), data["points"].get(name, [])
            for ax, x, y in ((left, "noise", "ratio"), (right, "relative", "slope")):
                if curve is not None and x in curve:
                    ax.plot(
                        curve[x], curve[y], color=look.colour, linestyle=look.line, label=look.label, zorder=2
                    )
                for point in points:
                    (estimate,) = estimates([point], y)
                    errorbar_points(
                        ax, [Estimate(point[x], 0.0, 2)], [estimate], kind="ideal", colour=look.colour
                    )
            if curve is None:  # measured only
                left.plot([], [], "o", color=look.colour, markerfacecolor="white", label=look.label)
        left.axhline(0.5, color=GREY, linewidth=0.6, zorder=1)
        left.axhline(data["limit"], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=1)
        left.set_xscale("log")
        left.set_xlim(1e-3, 5.0)
        left.set_ylim(0.49, 0.8)
        left.set_xlabel("noise $n=\\sigma^2/\\alpha^2$")
        left.set_ylabel("$D_F/D_A$")
        left.legend(loc="upper left")
        right.axhline(1.0, color=GREY, linewidth=0.6, zorder=1)
        right.set_xscale("log")
        right.set_ylim(0.0, 1.4)
        right.set_xlabel("$nG/M$")
        right.set_ylabel(r"$(D_F/D_A-\frac{1}{2})\,/\,(nG/8M)$")
        for ax in (left, right):
            ax.grid(True)
        name_panels((left, right), ["The ratio", "Its excess over ½, in units of the next order"])
    return fig
