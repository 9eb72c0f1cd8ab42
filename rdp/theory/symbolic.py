r"""The closed forms as SymPy expressions, for reading, for documentation, and for deriving their limits.

``names()`` lists them; ``expression(name)`` gives one, with its symbols, its place in the theory sheet and where
it comes from. They are the *printed* forms: for numbers use the functions of :mod:`rdp.theory`, which are stable
where these cancel or overflow; tests hold the two against each other. ``limits(name)`` of
:mod:`rdp.theory.symbolic_limits` derives what happens at the ends. docs/theory.md shows all of it; it is written
by ``python tools/make_theory_page.py``.

SymPy is imported when the first expression is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

from rdp.validate import one_of


@dataclass(frozen=True)
class Expression:
    """One closed form.

    ``left`` is the LaTeX of what it equals, ``form`` a SymPy expression in ``symbols`` and in the abbreviations of
    ``given``, ``sheet`` the theory sheet's name of the statement, ``reference`` a key of docs/references.bib.
    ``where`` says for which values it holds. H is the entropy, in bits, of the masses in its brackets, Φ the
    normal distribution function.
    """

    name: str
    meaning: str
    left: str
    form: Any
    symbols: tuple[Any, ...]
    sheet: str
    reference: str
    where: str = ""
    given: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def expression(self) -> Any:
        """``form`` with its abbreviations written out, in SymPy's own functions."""
        return plain(self.form, self.given)

    @property
    def latex(self) -> str:
        """The equation, abbreviations after it; ten digits of a constant."""
        sign = " " if self.left.endswith((r"\le", r"\ge")) else " = "
        parts = [f"{self.left}{sign}{rendered(self.form)}{digits(self.expression)}"]
        parts += [rf"{rendered(symbol)} = {rendered(meaning)}" for symbol, meaning in self.given.items()]
        return r",\qquad ".join(parts)


def names() -> tuple[str, ...]:
    """The names that :func:`expression` knows, in the order of the theory sheet."""
    return tuple(_FORMS)


def sections() -> dict[str, tuple[str, ...]]:
    """The same names under the headings of the page."""
    return {title: tuple(members) for title, members in _SECTIONS.items()}


@cache
def expression(name: str) -> Expression:
    """One closed form by name; ``ValueError`` for a name that is none of :func:`names`."""
    one_of("name", name, _FORMS)
    return _FORMS[name]()


def plain(form: Any, given: Mapping[Any, Any] | None = None) -> Any:
    """``form`` without abbreviations: log2, the entropy H of masses and Φ become logarithms and erf."""
    import sympy as sp
    from sympy.codegen.cfunctions import log2

    for symbol, meaning in (given or {}).items():
        form = form.subs(symbol, meaning)
    form = form.replace(sp.Function("Phi"), lambda x: (1 + sp.erf(x / sp.sqrt(2))) / 2)
    form = form.replace(sp.Function("H"), lambda *masses: sum(-m * log2(m) for m in masses))
    return form.replace(log2, lambda x: sp.log(x) / sp.log(2))


def rendered(value: Any) -> str:
    """LaTeX of a SymPy object as one would write it: what is positive, and numbers, first in a sum."""
    return str(_printer().doprint(value))


def digits(value: Any) -> str:
    """LaTeX of ten digits of an irrational constant, nothing for anything else."""
    if value.free_symbols or value.is_rational:
        return ""
    return rf" \approx {value.evalf(10)}"


@cache
def _printer() -> Any:
    from sympy.printing.latex import LatexPrinter

    class Printer(LatexPrinter):  # type: ignore[misc, unused-ignore]
        def _print_Add(self, expr: Any, order: Any = None) -> str:
            terms = self._as_ordered_terms(expr, order=order)
            rest = expr.getO()
            if rest is None:
                terms.sort(key=lambda t: (t.could_extract_minus_sign(), not t.is_number))
            else:  # a series, its largest terms first
                x, point = rest.variables[0], rest.point[0]
                at = dict.fromkeys(expr.free_symbols, 1) | {x: 1e-6 if point == 0 else 1e6}
                terms = sorted(expr.removeO().as_ordered_terms(), key=lambda t: -abs(t.evalf(subs=at)))
                terms.append(rest)
            text = ""
            for i, term in enumerate(terms):
                minus = bool(i) and term.could_extract_minus_sign()
                text += (" - " if minus else " + ") if i else ""
                body = self._print(-term if minus else term)
                text += rf"\left({body}\right)" if self._needs_add_brackets(term) else body
            return text

        def _print_log2(self, expr: Any, exp: Any = None) -> str:
            power = f"^{{{exp}}}" if exp else ""
            return rf"\log_2{power}{{\left({self._print(expr.args[0])}\right)}}"

    return Printer({"ln_notation": True})


@cache
def symbols() -> SimpleNamespace:
    """The symbols that all expressions share, every one of them positive."""
    import sympy as sp

    def positive(text: str, **more: bool) -> Any:
        return sp.Symbol(text, positive=True, **more)

    return SimpleNamespace(
        D=positive("D"),  # distortion
        P=positive("P"),  # level of realism
        R=positive("R"),  # rate in bits
        Rc=positive("R_c"),  # common randomness in bits
        sigma=positive("sigma"),
        spread=positive(r"\hat\sigma"),  # standard deviation of the output
        c=positive("c"),
        cc=positive("c'"),
        n=positive("n"),  # noise, or number of messages
        lam=positive("lambda"),  # variance of a component
        rho=positive("rho"),
        kappa=positive("kappa"),
        step=positive("Delta"),
        p=positive("p"),
        q=positive("q"),
        b=positive("b"),
        M=positive("M", integer=True),
        theta=positive("theta"),
        mu=sp.Symbol("mu", real=True),
        nu=sp.Symbol("nu", real=True),
        tau=positive("tau"),
        S=positive("S_n"),
        x=sp.Symbol("x", real=True),
        K=positive("K"),  # divergence in bits
        T=positive("V"),  # total variation
        H=positive("H"),  # Hellinger distance
    )


_FORMS: dict[str, Callable[[], Expression]] = {}
_SECTIONS: dict[str, list[str]] = {}


def _form(
    name: str, meaning: str, left: str, *, sheet: str, reference: str, where: str = ""
) -> Callable[[Callable[[Any, SimpleNamespace], tuple[Any, ...]]], None]:
    """Register the function below, which returns (form, symbols) or (form, symbols, given)."""

    def register(build: Callable[[Any, SimpleNamespace], tuple[Any, ...]]) -> None:
        def make() -> Expression:
            import sympy as sp

            form, used, *given = build(sp, symbols())
            return Expression(name, meaning, left, form, used, sheet, reference, where, *given)

        _FORMS[name] = make
        next(reversed(_SECTIONS.values())).append(name)

    return register


def _correlation(sp: Any, s: SimpleNamespace) -> dict[Any, Any]:
    return {s.c: sp.sqrt(1 - 2 ** (-2 * s.R))}


def _correlations(sp: Any, s: SimpleNamespace) -> dict[Any, Any]:
    return {**_correlation(sp, s), s.cc: sp.sqrt(1 - 2 ** (-2 * (s.R + s.Rc)))}


def _log2(sp: Any, value: Any) -> Any:
    from sympy.codegen.cfunctions import log2

    return log2(value)


def _entropy(sp: Any, *masses: Any) -> Any:
    return sp.Function("H")(*masses)


_SECTIONS["Classical functions"] = []


@_form(
    "gaussian-rate",
    "Rate-distortion function of a Gaussian",
    "R(D)",
    sheet="gauss-rd",
    reference="shannon1959",
    where="0 < D ≤ σ²",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return _log2(sp, s.sigma**2 / s.D) / 2, (s.D, s.sigma)


@_form(
    "gaussian-distortion",
    "Distortion-rate function of a Gaussian",
    "D(R)",
    sheet="gauss-dr",
    reference="shannon1959",
    where="R ≥ 0",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return s.sigma**2 * 2 ** (-2 * s.R), (s.R, s.sigma)


@_form(
    "bernoulli-rate",
    "Rate-distortion function of a coin, Hamming distortion",
    "R(D)",
    sheet="bernoulli-rd",
    reference="cover2006",
    where="0 < D < min(p, 1 − p)",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return _entropy(sp, s.p, 1 - s.p) - _entropy(sp, s.D, 1 - s.D), (s.D, s.p)


@_form(
    "laplace-rate",
    "Rate-distortion function of a Laplace law of scale b, absolute error",
    "R(D)",
    sheet="laplace-l1-rd",
    reference="berger1971",
    where="0 < D ≤ b",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return _log2(sp, s.b / s.D), (s.D, s.b)


@_form(
    "shannon-lower-bound-laplace",
    "Shannon's lower bound for a Laplace law of scale b, squared error",
    r"R(D) \ge",
    sheet="shannon-lower-bound",
    reference="linder1994",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return _log2(sp, 2 * sp.E * s.b**2 / (sp.pi * s.D)) / 2, (s.D, s.b)


@_form(
    "quantisation-loss",
    "Entropy-coded scalar quantisation at high resolution: excess over R(D)",
    r"\lim_{D \to 0} H - R(D)",
    sheet="ecsq-highres",
    reference="gish1968",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return _log2(sp, 2 * sp.pi * sp.E / 12) / 2, ()


@_form(
    "panter-dite",
    "Fixed-rate quantisation of a Gaussian at high resolution",
    "D(R)",
    sheet="panter-dite",
    reference="panter1951",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return sp.sqrt(3) * sp.pi / 2 * s.sigma**2 * 2 ** (-2 * s.R), (s.R, s.sigma)


@_form(
    "transform-gain-ar1",
    "Coding gain of the Karhunen–Loève transform of M samples of AR(1) of correlation ρ",
    "G_M",
    sheet="transform-coding-gain",
    reference="jayant1984",
    where="0 < ρ < 1",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return (1 - s.rho**2) ** (-(s.M - 1) / s.M), (s.M, s.rho)


@_form(
    "ball-second-moment",
    "Least normalised second moment of any cell in n dimensions: the ball's",
    "G_n",
    sheet="lattice-nsm",
    reference="conway1999",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return sp.gamma(s.n / 2 + 1) ** (2 / s.n) / (sp.pi * (s.n + 2)), (s.n,)


_SECTIONS["Universal quantisation"] = []


@_form(
    "dither-low-rate-slope",
    "Universal quantisation of a Gaussian at low rate: bits per standard deviation (in steps)",
    r"\lim_{\sigma\to0} \frac{H(K \mid U)}{\sigma}",
    sheet="dither-gauss-rate",
    reference="zamir1992",
    where="x runs over the real line; the slope is derived in the theory sheet",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    phi = sp.Function("Phi")(s.x)
    return -2 * sp.Integral(phi * _log2(sp, phi), (s.x, -sp.oo, sp.oo)), ()


@_form(
    "dither-redundancy",
    "Universal quantisation: largest excess over R(D), any source, any D",
    r"H(K \mid U) - R(D) \le",
    sheet="zamir-feder-redundancy",
    reference="zamir1992",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return _log2(sp, 4 * sp.pi * sp.E / 12) / 2, ()


@_form(
    "layered-overhead-gaussian",
    "Layered quantisation, Gaussian noise: bits above the information at high resolution",
    r"h(N) - E \log_2 W",
    sheet="layered-quantiser",
    reference="hegazy2022",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    width = 1 + (sp.digamma(sp.Rational(3, 2)) + sp.log(2)) / (2 * sp.log(2))
    return _log2(sp, 2 * sp.pi * sp.E) / 2 - width, ()


@_form(
    "layered-overhead-laplace",
    "Layered quantisation, Laplace noise: bits above the information at high resolution",
    r"h(N) - E \log_2 W",
    sheet="layered-quantiser",
    reference="hegazy2022",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return (1 - sp.digamma(2)) / sp.log(2), ()


_SECTIONS["Realism"] = []


@_form(
    "gaussian-rate-w2",
    "Rate-distortion-perception function, squared Wasserstein distance at most P",
    "R(D, P)",
    sheet="rdp-gauss-w2",
    reference="zhang2021",
    where="√P ≤ σ − √|σ² − D|; else realism costs nothing",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    form = _two_spreads(sp, s)
    return form, (s.D, s.sigma, s.P), {s.spread: s.sigma - sp.sqrt(s.P)}


@_form(
    "gaussian-rate-w2-printed",
    "The same as printed, with the determinant of the joint covariance, which cancels in floating point",
    "R(D, P)",
    sheet="rdp-gauss-w2",
    reference="zhang2021",
    where="√P ≤ σ − √|σ² − D|",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    both = s.sigma**2 * s.spread**2
    form = _log2(sp, both / (both - ((s.sigma**2 + s.spread**2 - s.D) / 2) ** 2)) / 2
    return form, (s.D, s.sigma, s.P), {s.spread: s.sigma - sp.sqrt(s.P)}


def _two_spreads(sp: Any, s: SimpleNamespace) -> Any:
    below = (s.D - (s.sigma - s.spread) ** 2) * ((s.sigma + s.spread) ** 2 - s.D)
    return _log2(sp, 4 * s.sigma**2 * s.spread**2 / below) / 2


@_form(
    "gaussian-distortion-w2",
    "Distortion-rate-perception function, squared Wasserstein distance at most P",
    "D(R, P)",
    sheet="rdp-gauss-w2-dr",
    reference="zhang2021",
    where="√P ≤ σ(1 − c); else D(R)",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    form = s.sigma**2 * 2 ** (-2 * s.R) + (s.sigma * (1 - s.c) - sp.sqrt(s.P)) ** 2
    return form, (s.R, s.sigma, s.P), _correlation(sp, s)


@_form(
    "gaussian-perception-w2",
    "Least squared Wasserstein distance at a rate and a distortion",
    "P(R, D)",
    sheet="rdp-gauss-w2-dr",
    reference="zhang2021",
    where="D(R, ∞) ≤ D ≤ D(R, 0)",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    spare = sp.sqrt(s.D - s.sigma**2 * 2 ** (-2 * s.R))
    return (s.sigma * (1 - s.c) - spare) ** 2, (s.R, s.D, s.sigma), _correlation(sp, s)


@_form(
    "gaussian-rate-kl",
    "Rate-distortion-perception function, KL(output ‖ source) at most P nats",
    "R(D, P)",
    sheet="rdp-gauss-kl",
    reference="zhang2021",
    where="σ̂² ≥ |σ² − D|; W is Lambert's function, principal branch",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    least = s.sigma * sp.sqrt(-sp.LambertW(-sp.exp(-1 - 2 * s.P)))
    return _two_spreads(sp, s), (s.D, s.sigma, s.P), {s.spread: least}


@_form(
    "gaussian-distortion-kl",
    "Distortion-rate-perception function, KL(output ‖ source) at most P nats",
    "D(R, P)",
    sheet="rdp-gauss-kl-dr",
    reference="zhang2021",
    where="σ̂ ≥ σc",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    least = s.sigma * sp.sqrt(-sp.LambertW(-sp.exp(-1 - 2 * s.P)))
    form = s.sigma**2 * 2 ** (-2 * s.R) + (s.spread - s.sigma * s.c) ** 2
    return form, (s.R, s.sigma, s.P), {s.spread: least, **_correlation(sp, s)}


@_form(
    "gaussian-rate-kl-reverse",
    "The rate with KL(source ‖ output) at most P nats: an upper bound, the best among Gaussian outputs",
    r"R(D, P) \le",
    sheet="rdp-gauss-kl-reverse",
    reference="zhang2021",
    where="σ̂² ≥ |σ² − D|; W₋₁ is the other real branch",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    least = s.sigma / sp.sqrt(-sp.LambertW(-sp.exp(-1 - 2 * s.P), -1))
    return _two_spreads(sp, s), (s.D, s.sigma, s.P), {s.spread: least}


@_form(
    "gaussian-distortion-perfect",
    "Distortion of perfect realism, unlimited common randomness",
    "D(R, 0)",
    sheet="gauss-perfect-unlimited-cr",
    reference="li2011",
    where="R ≥ 0",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 * s.sigma**2 * (1 - s.c), (s.R, s.sigma), _correlation(sp, s)


@_form(
    "gaussian-rate-perfect",
    "Rate of perfect realism, unlimited common randomness",
    "R(D, 0)",
    sheet="gauss-perfect-unlimited-cr",
    reference="li2011",
    where="0 < D ≤ 2σ²",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    delta = s.D / (2 * s.sigma**2)
    return -_log2(sp, delta * (2 - delta)) / 2, (s.D, s.sigma)


@_form(
    "gaussian-distortion-output",
    "Distortion from source N(μ, σ²) to output N(ν, τ²), limited common randomness",
    "D(R, R_c)",
    sheet="gauss-output-constrained",
    reference="xie2024",
    where="R, R_c ≥ 0",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    form = (s.mu - s.nu) ** 2 + s.sigma**2 + s.tau**2 - 2 * s.sigma * s.tau * s.c * s.cc
    return form, (s.R, s.mu, s.sigma, s.nu, s.tau, s.Rc), _correlations(sp, s)


@_form(
    "gaussian-distortion-limited",
    "Distortion of perfect realism, limited common randomness",
    "D(R, 0; R_c)",
    sheet="gauss-perfect-limited-cr",
    reference="saldi2015b",
    where="R, R_c ≥ 0",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 * s.sigma**2 * (1 - s.c * s.cc), (s.R, s.sigma, s.Rc), _correlations(sp, s)


@_form(
    "gaussian-distortion-no-common-randomness",
    "Distortion of perfect realism, no common randomness: twice Shannon's",
    "D(R, 0; 0)",
    sheet="no-cr-doubling",
    reference="yan2021",
    where="R ≥ 0",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 * s.sigma**2 * 2 ** (-2 * s.R), (s.R, s.sigma)


@_form(
    "gaussian-perfect-cost",
    "By what factor perfect realism raises the distortion, unlimited common randomness",
    r"\frac{D(R, 0)}{D(R)}",
    sheet="gauss-perfect-cost",
    reference="zhang2021",
    where="R ≥ 0",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 / (1 + s.c), (s.R,), _correlation(sp, s)


@_form(
    "gaussian-distortion-blocks",
    "Distortion with limited common randomness and realism of blocks: W2² of their laws at most nP",
    "D(R, P; R_c)",
    sheet="gauss-rdp-limited-cr-weak",
    reference="qu2025",
    where="√P ≤ √(D(R, 0; R_c) − D(R))",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    least = s.sigma**2 * 2 ** (-2 * s.R)
    gap = sp.sqrt(2 * s.sigma**2 * (1 - s.c * s.cc) - least)
    return least + (gap - sp.sqrt(s.P)) ** 2, (s.R, s.sigma, s.P, s.Rc), _correlations(sp, s)


@_form(
    "gaussian-distortion-iid",
    "Distortion with limited common randomness and i.i.d. Gaussian outputs within P of the source in W2²",
    "D(R, P; R_c)",
    sheet="gauss-rdp-limited-cr-iid-gaussian",
    reference="xie2024",
    where="√P ≤ σ(1 − cc')",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    both = s.c * s.cc
    form = s.sigma**2 * (1 - both**2) + (s.sigma * (1 - both) - sp.sqrt(s.P)) ** 2
    return form, (s.R, s.sigma, s.P, s.Rc), _correlations(sp, s)


@_form(
    "bernoulli-rate-tv",
    "Rate-distortion-perception function of a coin, total variation at most P",
    "R(D, P)",
    sheet="bernoulli-rdp-tv",
    reference="blau2019",
    where="p ≤ ½, P < p, P/(1 − 2(p − P)) ≤ D < 2p(1 − p) − (1 − 2p)P",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    up, down = (s.D + s.P) / 2, (s.D - s.P) / 2
    joint = _entropy(sp, up, down, s.p - up, 1 - s.p - down)
    form = _entropy(sp, s.p, 1 - s.p) + _entropy(sp, s.p - s.P, 1 - s.p + s.P) - joint
    return form, (s.D, s.p, s.P)


@_form(
    "vector-correlation-perfect",
    "Perfect realism of a Gaussian vector: correlation of the component of variance λ at level θ",
    r"\rho",
    sheet="gauss-vector-perfect-unlimited-cr",
    reference="theis2022",
    where="R = −½ Σ log₂(1 − ρ²) and D = 2 Σ λ(1 − ρ)",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return s.lam / (s.theta + sp.sqrt(s.theta**2 + s.lam**2)), (s.theta, s.lam)


_SECTIONS["The circle"] = []


def _arc(sp: Any, s: SimpleNamespace) -> dict[Any, Any]:
    return {s.S: s.n / sp.pi * sp.sin(sp.pi / s.n)}


@_form(
    "circle-deterministic",
    "Distortion of n arcs of the circle, each decoded to its mean",
    "D_n",
    sheet="circle-det-mse",
    reference="theis2021circle",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 1 - s.S**2, (s.n,), _arc(sp, s)


@_form(
    "circle-private",
    "Distortion of n arcs of the circle, the decoder drawing from the arc",
    "D_n",
    sheet="circle-det-private",
    reference="theis2021circle",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 * (1 - s.S**2), (s.n,), _arc(sp, s)


@_form(
    "circle-shared",
    "Distortion of universal quantisation of the angle to n messages",
    "D_n",
    sheet="circle-universal-quantisation",
    reference="theis2021circle",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 - 2 * s.S, (s.n,), _arc(sp, s)


@_form(
    "circle-floor",
    "The same with floor for rounding: a mistake that neither rate nor realism shows",
    "D_n",
    sheet="circle-floor-error",
    reference="theis2021circle",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 - s.n / sp.pi * sp.sin(2 * sp.pi / s.n), (s.n,)


def _mean_cosine(sp: Any, s: SimpleNamespace) -> Any:
    return sp.besseli(1, s.kappa) / sp.besseli(0, s.kappa)


@_form(
    "circle-rate",
    "Rate of the bounds on the circle, by the concentration κ of a von Mises law",
    r"R(\kappa)",
    sheet="circle-perfect-realism-bound",
    reference="saldi2015a",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    form = s.kappa * _mean_cosine(sp, s) / sp.log(2) - _log2(sp, sp.besseli(0, s.kappa))
    return form, (s.kappa,)


@_form(
    "circle-distortion-perfect",
    "Bound on the distortion with outputs uniform on the circle, unlimited common randomness",
    r"D(\kappa)",
    sheet="circle-perfect-realism-bound",
    reference="saldi2015a",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 - 2 * _mean_cosine(sp, s), (s.kappa,)


@_form(
    "circle-distortion",
    "Bound on the distortion with reconstructions anywhere in the plane",
    r"D(\kappa)",
    sheet="circle-mse-rd",
    reference="shannon1959",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 1 - _mean_cosine(sp, s) ** 2, (s.kappa,)


_SECTIONS["DiffC on Gaussians"] = []


def _kept(sp: Any, s: SimpleNamespace) -> dict[Any, Any]:
    return {s.rho: 1 / sp.sqrt(1 + s.n / s.lam)}


@_form(
    "diffc-rate",
    "DiffC on a Gaussian component of variance λ: bits down to noise n = σ²/(1 − σ²)",
    "R(n)",
    sheet="diffc-rate",
    reference="theis2022",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return _log2(sp, 1 + s.lam / s.n) / 2, (s.n, s.lam)


@_form(
    "diffc-ancestral",
    "DiffC: distortion of the ancestral reconstruction, a posterior sample",
    "D_A(n)",
    sheet="diffc-a",
    reference="theis2022",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 * s.lam * s.n / (s.lam + s.n), (s.n, s.lam)


@_form(
    "diffc-flow",
    "DiffC: distortion of the flow reconstruction",
    "D_F(n)",
    sheet="diffc-f",
    reference="theis2022",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 * s.lam * (1 - s.rho), (s.n, s.lam), _kept(sp, s)


@_form(
    "diffc-ratio",
    "DiffC: what the flow gains over ancestral sampling",
    r"\frac{D_F}{D_A}",
    sheet="diffc-ratio",
    reference="theis2022",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 1 / (1 + s.rho), (s.n, s.lam), _kept(sp, s)


_SECTIONS["Divergences and their bounds"] = []


@_form(
    "gaussian-kl",
    "Kullback–Leibler divergence of N(μ, σ²) from N(ν, τ²)",
    r"\mathrm{KL}",
    sheet="gauss-kl",
    reference="cover2006",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    ratio = s.sigma**2 / s.tau**2
    form = (ratio - 1 - sp.log(ratio) + (s.mu - s.nu) ** 2 / s.tau**2) / (2 * sp.log(2))
    return form, (s.mu, s.sigma, s.nu, s.tau)


@_form(
    "gaussian-w2",
    "Squared Wasserstein-2 distance of N(μ, σ²) and N(ν, τ²)",
    "W_2^2",
    sheet="gauss-w2",
    reference="gelbrich1990",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return (s.mu - s.nu) ** 2 + (s.sigma - s.tau) ** 2, (s.mu, s.sigma, s.nu, s.tau)


@_form(
    "gaussian-hellinger",
    "Squared Hellinger distance of N(μ, σ²) and N(ν, τ²)",
    "H^2",
    sheet="divergence-inequalities",
    reference="tsybakov2009",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    total = s.sigma**2 + s.tau**2
    overlap = sp.sqrt(2 * s.sigma * s.tau / total) * sp.exp(-((s.mu - s.nu) ** 2) / (4 * total))
    return 1 - overlap, (s.mu, s.sigma, s.nu, s.tau)


@_form(
    "gaussian-tv-equal-variances",
    "Total variation of N(μ, σ²) and N(ν, σ²)",
    r"\mathrm{TV}",
    sheet="gauss-tv",
    reference="tsybakov2009",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 2 * sp.Function("Phi")(sp.Abs(s.mu - s.nu) / (2 * s.sigma)) - 1, (s.mu, s.nu, s.sigma)


@_form(
    "gaussian-tv-equal-means",
    "Total variation of N(0, σ²) and N(0, τ²), which cross at ±x",
    r"\mathrm{TV}",
    sheet="gauss-tv",
    reference="tsybakov2009",
    where="σ < τ",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    root = sp.sqrt(2 * sp.log(s.tau / s.sigma) / (1 / s.sigma**2 - 1 / s.tau**2))
    phi = sp.Function("Phi")
    return 2 * phi(s.x / s.sigma) - 2 * phi(s.x / s.tau), (s.sigma, s.tau), {s.x: root}


@_form(
    "pinsker",
    "Pinsker's bound on total variation, K bits of KL",
    r"\mathrm{TV} \le",
    sheet="divergence-inequalities",
    reference="tsybakov2009",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return sp.sqrt(s.K * sp.log(2) / 2), (s.K,)


@_form(
    "bretagnolle-huber",
    "The bound of Bretagnolle and Huber, K bits of KL",
    r"\mathrm{TV} \le",
    sheet="divergence-inequalities",
    reference="tsybakov2009",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return sp.sqrt(1 - 2 ** (-s.K)), (s.K,)


@_form(
    "hellinger-upper",
    "Upper bound on total variation from the Hellinger distance H",
    r"\mathrm{TV} \le",
    sheet="divergence-inequalities",
    reference="tsybakov2009",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return s.H * sp.sqrt(2 - s.H**2), (s.H,)


@_form(
    "js-lower",
    "Lower bound on the Jensen–Shannon divergence from total variation V, in bits",
    r"\mathrm{JS} \ge",
    sheet="divergence-inequalities",
    reference="lin1991",
)
def _(sp: Any, s: SimpleNamespace) -> tuple[Any, ...]:
    return 1 - _entropy(sp, (1 - s.T) / 2, (1 + s.T) / 2), (s.T,)
