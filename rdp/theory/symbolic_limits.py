r"""What the closed forms tend to, derived from them by SymPy: nothing here is asserted.

``limits(name)`` evaluates the derivations that belong to one expression of :mod:`rdp.theory.symbolic`: D → 0,
P → 0, R → 0, R → ∞, σ → 0, laws that approach each other, and where one region passes into another. A derivation
starts from the expression, or from the definition that it comes from, and ends with a value or a series with its
remainder. Tests hold the values against the theory sheet and the numeric functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from rdp.theory.symbolic import digits, expression, names, plain, rendered, symbols
from rdp.validate import one_of


@dataclass(frozen=True)
class Limit:
    """One derived fact about the expression ``of``: as ``when``, ``left`` (LaTeX) is ``value`` (SymPy)."""

    of: str
    when: str
    left: str
    value: Any

    @property
    def latex(self) -> str:
        """The equation, and ten digits of a constant."""
        return f"{self.left} = {rendered(self.value)}{digits(self.value)}"


@cache
def limits(name: str) -> tuple[Limit, ...]:
    """The limits of one expression, derived now: up to seconds. Empty for an expression that has none."""
    one_of("name", name, names())
    import sympy as sp

    whole = expression(name).expression
    return tuple(
        Limit(name, when, left, derive(sp, symbols(), whole))
        for when, left, derive in _DERIVATIONS.get(name, ())
    )


_Derivation = Callable[[Any, SimpleNamespace, Any], Any]
_DERIVATIONS: dict[str, list[tuple[str, str, _Derivation]]] = {}


def _limit(of: str, when: str, left: str) -> Callable[[_Derivation], _Derivation]:
    """Register the function below it, which derives the value from (sympy, symbols, the expression)."""

    def register(derive: _Derivation) -> _Derivation:
        _DERIVATIONS.setdefault(of, []).append((when, left, derive))
        return derive

    return register


def _whole(name: str) -> Any:
    return expression(name).expression


def _same(sp: Any, one: Any, other: Any) -> Any:
    """Their difference, simplified: 0 if they are the same function."""
    return sp.simplify(sp.expand_log(one - other, force=True))


# Classical


@_limit("gaussian-rate", "D → 0", r"\lim_{D \to 0} \left(R(D) + \tfrac12 \log_2 D\right)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return sp.limit(sp.expand_log(rate) + sp.log(s.D) / (2 * sp.log(2)), s.D, 0)


@_limit("gaussian-rate", "D → σ²", r"\lim_{D \to \sigma^2} R(D)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return sp.limit(rate, s.D, s.sigma**2)


@_limit("gaussian-rate", "slope", r"\frac{dR}{dD}")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return sp.simplify(sp.diff(rate, s.D))


@_limit("gaussian-distortion", "R → 0", r"\lim_{R \to 0} D(R)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.limit(distortion, s.R, 0)


@_limit("gaussian-distortion", "one bit more", r"10 \log_{10} \frac{D(R)}{D(R + 1)}")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    ratio = sp.simplify(distortion / distortion.subs(s.R, s.R + 1))
    return 10 * sp.log(ratio) / sp.log(10)


@_limit("gaussian-distortion", "σ → 0", r"\lim_{\sigma \to 0} D(R)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.limit(distortion, s.sigma, 0)


@_limit("bernoulli-rate", "D → 0", r"\lim_{D \to 0} R(D)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return _entropies(sp, sp.limit(rate, s.D, 0), s.p, 1 - s.p)


@_limit("bernoulli-rate", "D → p", r"\lim_{D \to p} R(D)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return sp.simplify(rate.subs(s.D, s.p))


def _entropies(sp: Any, value: Any, *masses: Any) -> Any:
    """The entropy of ``masses`` as H of them, once ``value`` is shown to be just that."""
    entropy = sp.Function("H")(*masses)
    rest = sp.simplify(value - plain(entropy))
    return entropy + rest


@_limit(
    "shannon-lower-bound-laplace", "the entropy in it, less ½ log2(2πeD)", r"h(X) - \tfrac12 \log_2 2\pi e D"
)
def _(sp: Any, s: SimpleNamespace, bound: Any) -> Any:
    # h = 2 ∫₀^∞ −f ln f for f = e^{−x/b}/(2b)
    f = sp.exp(-s.theta / s.b) / (2 * s.b)
    nats = 2 * sp.integrate(sp.expand(f * (s.theta / s.b + sp.log(2 * s.b))), (s.theta, 0, sp.oo))
    value = (nats - sp.log(2 * sp.pi * sp.E * s.D) / 2) / sp.log(2)
    return bound + sp.simplify(sp.expand_log(value - bound, force=True))


@_limit("quantisation-loss", "the same in decibels", r"10 \log_{10} 2^{2(H - R)}")
def _(sp: Any, s: SimpleNamespace, loss: Any) -> Any:
    return 10 * sp.log(sp.simplify(sp.exp(2 * sp.log(2) * loss))) / sp.log(10)


@_limit("panter-dite", "the integral that it comes from", r"\frac{1}{12} \left(\int f^{1/3}\right)^3 2^{-2R}")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    density = sp.exp(-(s.x**2) / (2 * s.sigma**2)) / (s.sigma * sp.sqrt(2 * sp.pi))
    third = sp.integrate(sp.powdenest(density ** sp.Rational(1, 3), force=True), (s.x, -sp.oo, sp.oo))
    return sp.simplify(third**3 / 12) * 2 ** (-2 * s.R)


@_limit("transform-gain-ar1", "M → ∞", r"\lim_{M \to \infty} G_M")
def _(sp: Any, s: SimpleNamespace, gain: Any) -> Any:
    m = sp.Symbol("m", positive=True)
    return sp.simplify(sp.limit(sp.powsimp(gain.subs(s.M, 1 / m)), m, 0))


@_limit("transform-gain-ar1", "M = 2, from the eigenvalues 1 ± ρ", "G_2")
def _(sp: Any, s: SimpleNamespace, gain: Any) -> Any:
    values = list(sp.Matrix([[1, s.rho], [s.rho, 1]]).eigenvals())
    return sp.simplify((sum(values) / 2) / sp.sqrt(sp.expand(values[0] * values[1])))


@_limit("ball-second-moment", "n → ∞", r"\lim_{n \to \infty} G_n")
def _(sp: Any, s: SimpleNamespace, moment: Any) -> Any:
    # through ln Γ, of which SymPy knows Stirling's series
    z = sp.Symbol("z", positive=True)  # n/2
    stirling = sp.loggamma(z).series(z, sp.oo, 2).removeO() + sp.log(z)  # ln Γ(z + 1)
    log = sp.expand(stirling / z) - sp.log(sp.pi) - sp.log(2 * z + 2)
    return sp.exp(sp.simplify(sp.limit(sp.expand_log(log), z, sp.oo)))


@_limit("ball-second-moment", "n = 1: the interval", "G_1")
def _(sp: Any, s: SimpleNamespace, moment: Any) -> Any:
    return sp.simplify(moment.subs(s.n, 1))


# Universal quantisation


@_limit(
    "dither-low-rate-slope",
    "σ → 0, the density of the output at x standard deviations beyond an edge",
    r"\lim_{\sigma \to 0} f_Z\left(\tfrac12 + \sigma x\right)",
)
def _(sp: Any, s: SimpleNamespace, slope: Any) -> Any:
    # f_Z(z) = Φ((z + ½)/σ) − Φ((z − ½)/σ): both edges together give −2 ∫ Φ log2 Φ per unit of σ.
    phi = lambda u: (1 + sp.erf(u / sp.sqrt(2))) / 2
    z = sp.Rational(1, 2) + s.sigma * s.x
    density = phi((z + sp.Rational(1, 2)) / s.sigma) - phi((z - sp.Rational(1, 2)) / s.sigma)
    return sp.simplify(sp.limit(sp.expand(density), s.sigma, 0))


@_limit(
    "dither-low-rate-slope",
    "σ → ∞, leading term of the entropy beyond that of the Gaussian",
    r"H(K \mid U) - \log_2\left(\sigma\sqrt{2\pi e}\right)",
)
def _(sp: Any, s: SimpleNamespace, slope: Any) -> Any:
    # A uniform of variance 1/12 adds φ''/24 to the density φ; entropy changes by −∫ (φ''/24) log2 φ.
    density = sp.exp(-(s.x**2) / (2 * s.sigma**2)) / (s.sigma * sp.sqrt(2 * sp.pi))
    # −log φ = x²/(2σ²) + const, and φ'' integrates to 0, so the constant does not count.
    change = sp.integrate(sp.diff(density, s.x, 2) * s.x**2 / (2 * s.sigma**2), (s.x, -sp.oo, sp.oo))
    return sp.simplify(change / 24 / sp.log(2)) + sp.Order(s.sigma**-4, (s.sigma, sp.oo))


# Realism, scalar Gaussian


@_limit("gaussian-rate-w2", "P → 0", r"\lim_{P \to 0} R(D, P)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return sp.limit(rate, s.P, 0)


@_limit(
    "gaussian-rate-w2",
    "P → 0, less the perfect-realism rate",
    r"\lim_{P \to 0} \left(R(D, P) - R(D, 0)\right)",
)
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return _same(sp, sp.limit(rate, s.P, 0), _whole("gaussian-rate-perfect"))


@_limit(
    "gaussian-rate-w2",
    "P → 0: the slope in √P",
    r"\left.\frac{\partial R(D, P)}{\partial \sqrt P}\right|_{P = 0}",
)
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    q = sp.Symbol("q", positive=True)
    return sp.factor(sp.simplify(sp.diff(rate.subs(sp.sqrt(s.P), q).subs(s.P, q**2), q).subs(q, 0)))


@_limit(
    "gaussian-rate-w2",
    "at the edge of the region, less R(D): the two pieces meet",
    r"\left. R(D, P) - R(D) \right|_{\sqrt P = \sigma - \sqrt{\sigma^2 - D}}",
)
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    # on the edge σ² = D + σ̂²
    at = lambda name: plain(expression(name).form).subs(s.sigma, sp.sqrt(s.D + s.spread**2))
    ratio = sp.exp(2 * sp.log(2) * (at("gaussian-rate-w2") - at("gaussian-rate")))
    return sp.log(sp.simplify(sp.expand(sp.simplify(ratio)))) / (2 * sp.log(2))


@_limit("gaussian-rate-w2-printed", "difference of the two forms", r"R_{printed}(D, P) - R(D, P)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    argument = lambda e: sp.exp(2 * sp.log(2) * e)
    ratio = sp.simplify(argument(rate) / argument(_whole("gaussian-rate-w2")))
    return sp.log(ratio) / (2 * sp.log(2))


@_limit("gaussian-distortion-w2", "R → 0", r"\lim_{R \to 0} D(R, P)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    value = sp.limit(distortion, s.R, 0)
    return s.sigma**2 + sp.factor(sp.expand(value - s.sigma**2))


@_limit(
    "gaussian-distortion-w2", "P → 0, less perfect realism", r"\lim_{P \to 0} \left(D(R, P) - D(R, 0)\right)"
)
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.simplify(sp.expand(distortion.subs(s.P, 0) - _whole("gaussian-distortion-perfect")))


@_limit(
    "gaussian-distortion-w2",
    "at the edge of the region: Shannon's",
    r"D(R, P)\big|_{\sqrt P = \sigma(1 - c)}",
)
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    below = 1 / (1 + s.q)  # c < 1
    form = expression("gaussian-distortion-w2").form.subs(s.c, below)
    return sp.simplify(form.subs(s.P, (s.sigma * (1 - below)) ** 2))


@_limit("gaussian-distortion-w2", "R → ∞ at P > 0 fixed", r"\lim_{R \to \infty} \sigma(1 - c)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    # the edge of the region comes to 0: at high rate every P > 0 is free
    return sp.limit(s.sigma * (1 - sp.sqrt(1 - 2 ** (-2 * s.R))), s.R, sp.oo)


@_limit("gaussian-rate-kl", "the level at σ̂² = tσ²", "P")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    # KL of N(0, tσ²) from N(0, σ²) in nats, from the definition
    t = sp.Symbol("t", positive=True)
    density = lambda v: sp.exp(-(s.x**2) / (2 * v)) / sp.sqrt(2 * sp.pi * v)
    log_ratio = s.x**2 / (2 * s.sigma**2) - s.x**2 / (2 * t * s.sigma**2) - sp.log(t) / 2
    return sp.simplify(sp.integrate(density(t * s.sigma**2) * sp.expand(log_ratio), (s.x, -sp.oo, sp.oo)))


@_limit("gaussian-rate-kl", "P → 0", r"\frac{\hat\sigma^2}{\sigma^2}")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return _spread_near_perfect(sp, s, 1)


@_limit("gaussian-rate-kl", "P → ∞", r"\frac{\hat\sigma^2}{\sigma^2} e^{1 + 2P}")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    y = sp.Symbol("y", positive=True)  # e^{−1−2P}
    value = sp.series(-sp.LambertW(-y) / y, y, 0, 2)
    return value.removeO().subs(y, sp.exp(-1 - 2 * s.P)) + sp.Order(sp.exp(-4 * s.P), (s.P, sp.oo))


@_limit(
    "gaussian-rate-kl",
    "P → 0, less the perfect-realism rate",
    r"\lim_{P \to 0} \left(R(D, P) - R(D, 0)\right)",
)
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return _same(sp, rate.subs(s.P, 0), _whole("gaussian-rate-perfect"))


@_limit("gaussian-rate-kl", "the level from which on realism is free, at distortion D", "P")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    # σ̂² = σ² − D
    t = (s.sigma**2 - s.D) / s.sigma**2
    return sp.simplify((t - 1 - sp.log(t)) / 2)


@_limit("gaussian-distortion-kl", "R → 0, P → 0", r"\lim_{R, P \to 0} D(R, P)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.simplify(sp.limit(distortion.subs(s.P, 0), s.R, 0))


@_limit("gaussian-rate-kl-reverse", "P → 0", r"\frac{\hat\sigma^2}{\sigma^2}")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    # 1/t for the branch t ≥ 1 of the same equation
    root = sp.Symbol("q", positive=True)
    other = _spread_near_perfect(sp, s, -1).removeO().subs(sp.sqrt(s.P), root).subs(s.P, root**2)
    series = sp.series(1 / other, root, 0, 3).removeO()
    return sp.expand(series).subs(root, sp.sqrt(s.P)) + sp.Order(s.P ** sp.Rational(3, 2))


def _spread_near_perfect(sp: Any, s: SimpleNamespace, sign: int) -> Any:
    """The root t = 1 − sign·(…) of t − 1 − ln t = 2P as a series in √P.

    SymPy does not expand LambertW at its branch point, so the equation itself is inverted, term by term.
    """
    q = sp.Symbol("q", positive=True)
    a = sp.symbols("a1:4")
    t = 1 + sum(v * q ** (j + 1) for j, v in enumerate(a))
    equation = sp.series(t - 1 - sp.log(t), q, 0, 5).removeO() - 2 * q**2
    known: dict[Any, Any] = {a[0]: -2 * sign}
    assert sp.expand(equation.coeff(q, 2).subs(known)) == 0
    for order, unknown in ((3, a[1]), (4, a[2])):
        (known[unknown],) = sp.solve(sp.expand(equation).coeff(q, order).subs(known), unknown)
    return sp.expand(t.subs(known)).subs(q, sp.sqrt(s.P)) + sp.Order(s.P**2)


@_limit("gaussian-distortion-perfect", "R → 0", r"D(R, 0)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.series(distortion, s.R, 0, 1)


@_limit("gaussian-distortion-perfect", "R → ∞, a = 2^(−2R)", r"D(R, 0)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    a = sp.Symbol("a", positive=True)
    return sp.series(distortion.subs(2 ** (-2 * s.R), a), a, 0, 3)


@_limit("gaussian-rate-perfect", "D → 0", r"\lim_{D \to 0} \left(R(D, 0) - R(D)\right)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    return sp.limit(sp.expand_log(rate - _whole("gaussian-rate"), force=True), s.D, 0)


@_limit("gaussian-rate-perfect", "D → 2σ², with D = 2σ²(1 − ε)", "R(D, 0)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    e = sp.Symbol("epsilon", positive=True)
    return sp.series(sp.expand_log(sp.simplify(rate.subs(s.D, 2 * s.sigma**2 * (1 - e)))), e, 0, 4)


@_limit("gaussian-distortion-output", "R → 0", r"\lim_{R \to 0} D(R, R_c)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.limit(distortion, s.R, 0)


@_limit("gaussian-distortion-output", "R → ∞: the squared Wasserstein distance", r"\lim_{R \to \infty} D")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    value = sp.limit(distortion, s.R, sp.oo)
    distance = _whole("gaussian-w2")
    return distance + sp.simplify(sp.expand(value - distance))


@_limit(
    "gaussian-distortion-limited",
    "R_c → ∞, less unlimited",
    r"\lim_{R_c \to \infty} \left(D - D(R, 0)\right)",
)
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.simplify(sp.limit(distortion, s.Rc, sp.oo) - _whole("gaussian-distortion-perfect"))


@_limit("gaussian-distortion-limited", "R_c → 0: twice Shannon's", r"\lim_{R_c \to 0} D(R, 0; R_c)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.simplify(sp.limit(distortion, s.Rc, 0))


@_limit("gaussian-distortion-limited", "R → ∞", r"\lim_{R \to \infty} \frac{D(R, 0; R_c)}{D(R)}")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    a = sp.Symbol("a", positive=True)
    ratio = sp.expand(distortion / _whole("gaussian-distortion"), power_exp=True)
    ratio = sp.expand_power_exp(ratio).subs(2 ** (-2 * s.R), a).subs(2 ** (2 * s.R), 1 / a)
    return sp.limit(sp.simplify(ratio), a, 0)


@_limit("gaussian-perfect-cost", "R → 0", r"\lim_{R \to 0} \frac{D(R, 0)}{D(R)}")
def _(sp: Any, s: SimpleNamespace, ratio: Any) -> Any:
    return sp.limit(ratio, s.R, 0)


@_limit("gaussian-perfect-cost", "R → ∞", r"\lim_{R \to \infty} \frac{D(R, 0)}{D(R)}")
def _(sp: Any, s: SimpleNamespace, ratio: Any) -> Any:
    return sp.limit(ratio, s.R, sp.oo)


@_limit(
    "gaussian-distortion-blocks", "R_c → ∞, less unlimited", r"\lim_{R_c \to \infty} \left(D - D(R, P)\right)"
)
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    # c' tends to 1, and with 2^{−2R} = 1 − c² the gap is the root of a square
    assert sp.limit(expression("gaussian-distortion-blocks").given[s.cc], s.Rc, sp.oo) == 1
    below = 1 / (1 + s.q)  # c < 1
    forms = [expression(f"gaussian-distortion-{name}").form for name in ("blocks", "w2")]
    one, other = (f.subs(2 ** (-2 * s.R), 1 - s.c**2).subs({s.cc: 1, s.c: below}) for f in forms)
    is_root = lambda v: v.is_Pow and v.exp == sp.Rational(1, 2)
    one = one.replace(is_root, lambda v: sp.sqrt(sp.factor(v.base)))
    return sp.simplify(sp.expand(one - other))


@_limit(
    "gaussian-distortion-iid", "R_c → ∞, less unlimited", r"\lim_{R_c \to \infty} \left(D - D(R, P)\right)"
)
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.simplify(sp.expand(sp.limit(distortion, s.Rc, sp.oo) - _whole("gaussian-distortion-w2")))


@_limit("bernoulli-rate-tv", "at D = 2p(1 − p) − (1 − 2p)P: independent output", "R(D, P)")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    # p = 1/(1 + z) and P = p/(1 + y), so that SymPy sees that all masses are positive
    y, z = sp.symbols("y z", positive=True)
    p = 1 / (1 + z)
    level = p / (1 + y)
    at = {s.D: 2 * p * (1 - p) - (1 - 2 * p) * level, s.P: level, s.p: p}
    entropy = lambda *masses: sum(-sp.expand_log(m * sp.log(m)) for m in map(sp.factor, masses))
    form = expression("bernoulli-rate-tv").form.subs(at, simultaneous=True)
    return sp.simplify(sp.expand(form.replace(sp.Function("H"), entropy)) / sp.log(2))


@_limit("vector-correlation-perfect", "the slope in nats, that of every component", r"\frac{dD}{dR}")
def _(sp: Any, s: SimpleNamespace, rho: Any) -> Any:
    distortion, nats = 2 * s.lam * (1 - s.rho), -sp.log(1 - s.rho**2) / 2
    slope = sp.diff(distortion, s.rho) / sp.diff(nats, s.rho)
    return sp.simplify(sp.radsimp(sp.simplify(slope.subs(s.rho, rho))))


@_limit("vector-correlation-perfect", "θ → 0: reverse water-filling with level 2θ", r"\lambda(1 - \rho^2)")
def _(sp: Any, s: SimpleNamespace, rho: Any) -> Any:
    return sp.series(s.lam * (1 - rho**2), s.theta, 0, 2)


@_limit(
    "vector-correlation-perfect", "θ → ∞: every component keeps some", r"\lim_{\theta \to \infty} \theta \rho"
)
def _(sp: Any, s: SimpleNamespace, rho: Any) -> Any:
    return sp.limit(s.theta * rho, s.theta, sp.oo)


# Circle


def _many(name: str, left: str) -> None:
    @_limit(name, "n → ∞", left)
    def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
        return sp.limit(s.n**2 * distortion, s.n, sp.oo)

    @_limit(name, "n = 2", "D_2")
    def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
        return sp.expand(distortion.subs(s.n, 2))


for _name in ("circle-deterministic", "circle-private", "circle-shared", "circle-floor"):
    _many(_name, r"\lim_{n \to \infty} n^2 D_n")


@_limit(
    "circle-shared",
    "n → ∞, over the bound for the rate log2 n",
    r"\lim_{n \to \infty} \frac{D_n}{D(\log_2 n)}",
)
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    bound = _high_rate("circle-distortion-perfect")  # D 2^{2R}, and 2^{2R} = n²
    return sp.simplify(sp.limit(s.n**2 * distortion, s.n, sp.oo) / bound)


def _bessel_small(sp: Any, s: SimpleNamespace) -> tuple[Any, Any]:
    """I₀ and A for small κ, from I₀ = ∫ e^{κ cos θ} dθ/(2π) and A = (ln I₀)'."""
    theta = sp.Symbol("theta", real=True)
    integrand = sum((s.kappa * sp.cos(theta)) ** j / sp.factorial(j) for j in range(7))
    zero = sp.expand(sp.integrate(integrand, (theta, 0, 2 * sp.pi)) / (2 * sp.pi))
    mean = sp.series(sp.diff(zero, s.kappa) / zero, s.kappa, 0, 6).removeO()
    return zero, mean


def _bessel_large(sp: Any, s: SimpleNamespace) -> tuple[Any, Any]:
    """ln I₀ and A for large κ."""
    zero = sp.besseli(0, s.kappa).aseries(s.kappa, 3).removeO()
    log = s.kappa + sp.log(sp.simplify(zero * sp.exp(-s.kappa)))
    return log, sp.diff(log, s.kappa)


@_limit("circle-rate", "κ → 0, in nats", r"R(\kappa) \ln 2")
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    zero, mean = _bessel_small(sp, s)
    return sp.series(s.kappa * mean - sp.log(zero), s.kappa, 0, 6)


@_limit(
    "circle-rate",
    "κ → ∞, in nats",
    r"\lim_{\kappa \to \infty} \left(R(\kappa) \ln 2 - \tfrac12 \ln \kappa\right)",
)
def _(sp: Any, s: SimpleNamespace, rate: Any) -> Any:
    log, mean = _bessel_large(sp, s)
    return sp.expand_log(sp.limit(sp.simplify(s.kappa * mean - log - sp.log(s.kappa) / 2), s.kappa, sp.oo))


@_limit("circle-distortion-perfect", "R → 0", r"\lim_{R \to 0} \frac{2 - D}{\sqrt{R \ln 2}}")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    zero, mean = _bessel_small(sp, s)
    nats = sp.series(s.kappa * mean - sp.log(zero), s.kappa, 0, 6).removeO()
    return sp.sqrt(sp.limit(sp.simplify((2 * mean) ** 2 / nats), s.kappa, 0))


@_limit("circle-distortion-perfect", "R → ∞", r"\lim_{R \to \infty} D\, 2^{2R}")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return _high_rate("circle-distortion-perfect")


@_limit("circle-distortion", "R → ∞", r"\lim_{R \to \infty} D\, 2^{2R}")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return _high_rate("circle-distortion")


@cache
def _high_rate(name: str) -> Any:
    """What D 2^{2R} tends to as κ → ∞."""
    import sympy as sp

    s = symbols()
    log, mean = _bessel_large(sp, s)
    written = _whole(name).subs(sp.besseli(1, s.kappa), mean * sp.besseli(0, s.kappa))
    grown = sp.simplify(written) * sp.exp(2 * s.kappa * (mean - 1)) * sp.exp(2 * (s.kappa - log))
    return sp.simplify(sp.limit(sp.simplify(grown), s.kappa, sp.oo))


# DiffC on Gaussians


@_limit(
    "diffc-ancestral", "half of it is the least squared error of a linear estimate", r"\min_g E(X - gY)^2"
)
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    g = sp.Symbol("g", real=True)
    error = s.lam * (1 - g) ** 2 + g**2 * s.n
    (best,) = sp.solve(sp.diff(error, g), g)
    return sp.factor(sp.simplify(error.subs(g, best)))


@_limit("diffc-ancestral", "σ → 1, n → ∞", r"\lim_{n \to \infty} D_A")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    return sp.limit(distortion, s.n, sp.oo)


@_limit("diffc-flow", "the flow dy/dn = y/(2(λ + n)), solved", "y(n)")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    # dy/dn = −½ ∇ ln p_n(y), the score of N(0, λ + n) being −y/(λ + n)
    y = sp.Function("y")
    return sp.dsolve(sp.Eq(y(s.n).diff(s.n), y(s.n) / (2 * (s.lam + s.n))), y(s.n)).rhs


@_limit("diffc-flow", "from n down to 0 that is a gain √(λ/(λ + n)), whose error is", "E(X - gY)^2")
def _(sp: Any, s: SimpleNamespace, distortion: Any) -> Any:
    g = sp.sqrt(s.lam / (s.lam + s.n))
    error = s.lam * (1 - g) ** 2 + g**2 * s.n
    return distortion + sp.simplify(sp.expand(error - distortion))


@_limit("diffc-ratio", "n → 0: one half, from above", r"\frac{D_F}{D_A}")
def _(sp: Any, s: SimpleNamespace, ratio: Any) -> Any:
    return sp.series(ratio, s.n, 0, 3)


@_limit("diffc-ratio", "σ → 0, variance preserving, n = σ²/(1 − σ²)", r"\frac{D_F}{D_A}")
def _(sp: Any, s: SimpleNamespace, ratio: Any) -> Any:
    return sp.series(ratio.subs(s.n, s.sigma**2 / (1 - s.sigma**2)), s.sigma, 0, 4)


@_limit(
    "diffc-ratio",
    "n → 0, three components: ½ + n tr Σ⁻¹/(8M)",
    r"\frac{\sum_i \lambda_i (1 - \rho_i)}{\sum_i \lambda_i (1 - \rho_i^2)}",
)
def _(sp: Any, s: SimpleNamespace, ratio: Any) -> Any:
    components = sp.symbols("lambda_1:4", positive=True)
    kept = [1 / sp.sqrt(1 + s.n / v) for v in components]
    above = sum(v * (1 - r) for v, r in zip(components, kept, strict=True))
    below = sum(v * (1 - r**2) for v, r in zip(components, kept, strict=True))
    value = sp.expand(sp.simplify(sp.series(above / below, s.n, 0, 2).removeO()))
    return value + sp.Order(s.n**2)


@_limit("diffc-ratio", "n → ∞", r"\lim_{n \to \infty} \frac{D_F}{D_A}")
def _(sp: Any, s: SimpleNamespace, ratio: Any) -> Any:
    return sp.limit(ratio, s.n, sp.oo)


@_limit("diffc-ratio", "by the rate, λ/n = 2^(2R) − 1", r"\frac{D_F}{D_A}")
def _(sp: Any, s: SimpleNamespace, ratio: Any) -> Any:
    a = sp.Symbol("a", positive=True)  # 2^{−2R}
    e = expression("diffc-ratio")
    square = sp.simplify(e.given[s.rho].subs(s.n, s.lam * a / (1 - a)) ** 2)
    return e.form.subs(s.rho, sp.sqrt(square)).subs(a, 2 ** (-2 * s.R))


# Laws that approach each other: N(0, 1) and N(0, (1 + δ)²), or N(δ, 1)


def _delta(sp: Any) -> Any:
    return sp.Symbol("delta", positive=True)


def _near(name: str, left: str, order: int) -> None:
    """Series of an expression in (μ, σ, ν, τ): in the width, then in the mean."""

    @_limit(name, "τ = σ(1 + δ), δ → 0", left)
    def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
        d = _delta(sp)
        wider = value.subs({s.mu: 0, s.nu: 0, s.tau: s.sigma * (1 + d)})
        return sp.series(sp.simplify(sp.expand_log(wider, force=True)), d, 0, order)

    @_limit(name, "τ = σ, ν = μ + σδ, δ → 0", left)
    def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
        d = _delta(sp)
        return sp.series(sp.simplify(value.subs({s.nu: s.mu + s.sigma * d, s.tau: s.sigma})), d, 0, order)


_near("gaussian-kl", r"\mathrm{KL}", 4)
_near("gaussian-hellinger", "H^2", 4)


@_limit(
    "gaussian-w2",
    "with Σ₁Σ₂ of 2 × 2, of eigenvalues a, b: tr √ by trace and determinant",
    r"(\sqrt a + \sqrt b)^2",
)
def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
    a, b = sp.symbols("a b", positive=True)
    trace, determinant = a + b, a * b
    return (
        trace
        + 2 * sp.sqrt(determinant)
        + sp.simplify(sp.expand((sp.sqrt(a) + sp.sqrt(b)) ** 2) - trace - 2 * sp.sqrt(determinant))
    )


@_limit("gaussian-tv-equal-variances", "ν = μ + σδ, δ → 0", r"\mathrm{TV}")
def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
    d = _delta(sp)
    return sp.series(sp.simplify(value.subs(s.nu, s.mu + s.sigma * d)), d, 0, 3)


@_limit("gaussian-tv-equal-means", "τ = σ(1 + δ), δ → 0", r"\mathrm{TV}")
def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
    d = _delta(sp)
    # the crossing point first: its square over σ² has a power series
    square = 2 * sp.log(1 + d) / (1 - (1 + d) ** -2)
    y = sp.sqrt(sp.series(square, d, 0, 3).removeO())
    return sp.series(sp.erf(y / sp.sqrt(2)) - sp.erf(y / (1 + d) / sp.sqrt(2)), d, 0, 2)


@_limit("js-lower", "V → 0", r"1 - H\left(\tfrac{1 - V}2, \tfrac{1 + V}2\right)")
def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
    return sp.series(value, s.T, 0, 6)


@_limit("js-lower", "V → 1", r"\lim_{V \to 1} \left(1 - H\left(\tfrac{1 - V}2, \tfrac{1 + V}2\right)\right)")
def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
    return sp.limit(value, s.T, 1)


@_limit("pinsker", "K at which it crosses the bound of Bretagnolle and Huber", "K")
def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
    nats = sp.Symbol("k", real=True)
    squares = [e.subs(s.K, nats / sp.log(2)) ** 2 for e in (value, _whole("bretagnolle-huber"))]
    roots = sp.solve(sp.simplify(squares[0] - squares[1]), nats)
    (root,) = [r for r in roots if sp.N(r) > 0]
    return sp.simplify(root / sp.log(2))


@_limit("hellinger-upper", "H → 1", r"\lim_{H \to 1} H\sqrt{2 - H^2}")
def _(sp: Any, s: SimpleNamespace, value: Any) -> Any:
    return sp.limit(value, s.H, 1)
