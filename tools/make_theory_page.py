"""Write docs/theory.md: the closed forms, typeset, and the limits that SymPy derives from them.

Run by a person after a change in rdp/theory/symbolic.py or symbolic_limits.py (`python tools/make_theory_page.py`,
half a minute); a test holds the committed page against what this writes.
"""

from pathlib import Path

from rdp.theory import symbolic, symbolic_limits

PAGE = Path(__file__).resolve().parents[1] / "docs" / "theory.md"

HEAD = """\
# Closed forms

Written by `python tools/make_theory_page.py` from `rdp/theory/symbolic.py`; do not edit. Each formula is the SymPy
expression `rdp.theory.symbolic.expression(name).expression`; the limits below it are derived from it by SymPy.
For numbers use the functions of `rdp.theory`: the forms here are the printed ones, and some cancel or overflow.

Rates are in bits, distortions are squared errors, σ² is the source's variance. H is the entropy, in bits, of the
masses in its brackets, Φ the normal distribution function, W Lambert's function, I₀ and I₁ are modified Bessel
functions. In brackets after each title: the name of the statement in the theory sheet, and a key of
[references.bib](references.bib).
"""


def display(latex: str) -> str:
    """A displayed equation, as GitHub reads it: fences on lines of their own."""
    return f"$$\n{latex}\n$$\n"


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, names in symbolic.sections().items():
        parts.append(f"## {title}\n")
        for name in names:
            e = symbolic.expression(name)
            parts.append(f"### {e.meaning}\n")
            parts.append(f"`{name}` (sheet: `{e.sheet}`; [{e.reference}](references.bib))\n")
            parts.append(display(e.latex))
            if e.where:
                parts.append(f"where {e.where}.\n")
            for limit in symbolic_limits.limits(name):
                parts.append(f"{limit.when}:\n")
                parts.append(display(limit.latex))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
