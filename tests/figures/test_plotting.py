"""The style keeps to itself, the points show their errors, and the bytes repeat."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import pytest
from matplotlib.figure import Figure

from rdp.estimate import Estimate
from rdp.plotting import (
    LOOKS,
    MARKERS,
    PAGE,
    bar,
    direct_label,
    errorbar_points,
    figure,
    legend_entry,
    name_panels,
    save,
    style,
)

X = [Estimate(1.0, 0.1, 10), Estimate(2.0, 0.2, 10, bias=0.05)]
Y = [Estimate(3.0, 0.3, 10), Estimate(4.0, 0.0, 10)]


def _picture() -> Figure:
    with style():
        fig = figure()
        ax = fig.subplots()
        errorbar_points(ax, X, Y, kind="ideal", colour="black")
        direct_label(ax, "a $D(R)$ label", (1.5, 3.5))
        ax.legend(handles=[legend_entry(LOOKS["shannon"], kind="ideal")])
        name_panels([ax], ["title"])
    return fig


def test_importing_and_drawing_change_no_settings():
    script = """if True:
        import matplotlib
        before = matplotlib.rcParams.copy()
        from rdp.plotting import figure, style
        assert matplotlib.rcParams.copy() == before, "import"
        with style():
            assert matplotlib.rcParams.copy() != before
            figure()
        assert matplotlib.rcParams.copy() == before, "after"
        import sys
        assert "matplotlib.pyplot" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_style_wins_over_a_users_settings_and_gives_them_back():
    with matplotlib.rc_context({"font.size": 21.0, "lines.dashed_pattern": (1.0, 1.0)}):
        with style():
            assert matplotlib.rcParams["font.size"] == 8.0
            assert matplotlib.rcParams["lines.dashed_pattern"] != (1.0, 1.0)
        assert matplotlib.rcParams["font.size"] == 21.0


def test_a_figure_has_the_width_it_was_given():
    fig = figure(height=2.0)
    assert tuple(fig.get_size_inches()) == (PAGE, 2.0)
    for size in ({"width": 0.0}, {"height": -1.0}):
        with pytest.raises(ValueError, match="must be positive"):
            figure(**size)


def test_an_error_bar_is_two_standard_errors_and_the_bias():
    assert bar(X[1]) == pytest.approx(0.45)
    ax = figure().subplots()
    container = errorbar_points(ax, X, Y, kind="ideal", colour="black")
    across, up = (bars.get_segments() for bars in container[2])
    assert across[1].tolist() == [[pytest.approx(1.55), 4.0], [pytest.approx(2.45), 4.0]]
    assert up[0].tolist() == [[1.0, pytest.approx(2.4)], [1.0, pytest.approx(3.6)]]


def test_information_is_hollow_and_bytes_are_filled():
    ax = figure().subplots()
    ideal, coded = (
        errorbar_points(ax, X, Y, kind=kind, colour="#123456").lines[0] for kind in ("ideal", "coded")
    )
    assert (ideal.get_marker(), ideal.get_markerfacecolor()) == (MARKERS["ideal"], "white")
    assert (coded.get_marker(), coded.get_markerfacecolor()) == (MARKERS["coded"], "#123456")
    assert legend_entry(LOOKS["jpeg"], kind="coded").get_marker() == MARKERS["coded"]


def test_concepts_that_meet_in_one_picture_look_different():
    for together in (("shannon", "unlimited", "limited", "none", "dithered"), ("jpeg", "webp", "jpegxl")):
        assert len({LOOKS[name].colour for name in together}) == len(together)
        lines = [LOOKS[name].line for name in together if name not in ("shannon", "unlimited")]
        assert len(set(lines)) == len(lines), "printed in grey"


def test_points_that_do_not_match_are_refused():
    ax = figure().subplots()
    with pytest.raises(ValueError, match="equal length"):
        errorbar_points(ax, X, Y[:1], kind="ideal", colour="black")
    with pytest.raises(ValueError, match="kind='exact' must be one of"):
        errorbar_points(ax, X, Y, kind="exact", colour="black")


def test_bytes_repeat_and_fonts_are_embedded_as_outlines(tmp_path):
    first = save(_picture(), tmp_path / "a.b")
    with matplotlib.rc_context({"pdf.fonttype": 3, "savefig.dpi": 40, "savefig.bbox": "tight"}):
        second = save(_picture(), tmp_path / "c")
    assert [path.name for path in first] == ["a.b.pdf", "a.b.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    pdf = first[0].read_bytes()
    assert b"/Type0" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
