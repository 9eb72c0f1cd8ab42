"""Which evaluations are a curve, and how curves are read from a journal."""

import pytest
from curve_toys import PLAIN, PSNR, RATES, curve, one, records

from rdp.comparison import (
    bjontegaard_rate,
    by_target,
    curves,
    family,
    matching,
    read_curves,
)
from rdp.journal import Journal
from rdp.results import read_evaluations, read_journal

# Families


@pytest.mark.parametrize(
    ("channel", "over", "expected"),
    [
        ("jpeg", (), "jpeg"),
        ("jpeg:quality=30", (), "jpeg"),
        ("jpeg:quality=30", ("quality",), "jpeg"),
        ("jpegxl:distance=3,effort=7", ("distance",), "jpegxl:effort=7"),
        ("hfd:base=[jpeg:quality=5],steps=10", ("steps",), "hfd:base=[jpeg:quality=5]"),
        ("target:bpp=0.25,codec=[jpegxl:effort=7]", (), "jpegxl:effort=7"),
        ("target:codec=[jpeg],bpp=0.25,most_factor=1", (), "target:codec=[jpeg],most_factor=1"),
        ("target:codec=[jpeg],bpp=0.25,most_factor=1", ("quality",), "target:codec=[jpeg],most_factor=1"),
        ("jpegxl:distance=3.0,effort=7", (), "jpegxl"),
        ("jpegxl:distance=3.0,effort=9", (), "jpegxl:effort=9"),
        ("dct:step=3,block=8", (), "dct"),
        ("dct:step=3,block=16,chroma=444", (), "dct:block=16,chroma=444"),
        ("lloyd_max:levels=4,prediction=true", (), "lloyd_max:prediction=true"),
        ("lloyd_max:levels=4,prediction=false", (), "lloyd_max"),
        ("compressai:model=mbt2018-mean,quality=3", (), "compressai:model=mbt2018-mean"),
        ("downsampled:of=[jpeg:quality=5],factor=2", (), "downsampled:of=[jpeg]"),
        (
            "downsampled:of=[jpegxl:distance=5,effort=9],factor=3",
            (),
            "downsampled:of=[jpegxl:effort=9],factor=3",
        ),
        (
            "command:encoder=[a {in} {out} {quality}],decoder=[b {in} {out}],quality=3,qualities=[9,3]",
            (),
            "command:encoder=a {in} {out} {quality},decoder=b {in} {out},qualities=[9,3]",
        ),
        ("png", (), "png"),
        ("target:bpp=0.25", (), "target"),
        ("GaussianTestChannel(gain=0.75, noise=0.1875)", (), "GaussianTestChannel"),
    ],
)
def test_families(channel, over, expected):
    assert family(channel, over=over) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("circle:levels=2", "circle:levels=8"),
        ("compressai:quality=3,weights=three.pth", "compressai:quality=5,weights=three.pth"),
        ("command:encoder=[a {in} {out}],decoder=[b {in} {out}]", "command:decoder=[b {in} {out}]"),
    ],
)
def test_without_a_ladder_nothing_is_a_setting(first, second):
    assert len({family(first), family(second), first.partition(":")[0]}) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jpegxl", ["jpegxl"]),
        ("jpegxl:effort=7", ["jpegxl"]),
        ("jpegxl:effort=9", ["jpegxl:effort=9"]),
        ("dct", ["dct:block=16", "dct:block=16,chroma=444"]),
        ("dct:chroma=444", ["dct:block=16,chroma=444"]),
        ("dct:block=4", []),
        ("webp", ["target:codec=[webp],most_factor=1"]),
        ("Test", ["Test"]),
        ("avif", []),
    ],
)
def test_a_name_with_fewer_parameters_will_do(text, expected):
    known = [
        "jpegxl",
        "jpegxl:effort=9",
        "dct:block=16",
        "dct:block=16,chroma=444",
        "target:codec=[webp],most_factor=1",
        "Test",
    ]
    assert matching(text, known) == expected


def test_curves_are_by_family_and_by_rate():
    made = [*curve("b", PLAIN)[::-1], *curve("a", PLAIN)]
    found = curves(made)
    assert {name: len(of_one) for name, of_one in found.items()} == {"a": 4, "b": 4}
    assert [e.channel for e in found["b"]] == [f"b:quality={k}" for k in range(4)]
    with pytest.raises(
        ValueError, match=r"one source and seed, not of photographs:toy with seed 0; .* seed 1"
    ):
        curves([*made, *curve("c", PLAIN, seed=1)])


def test_a_codec_at_settings_and_at_rates_has_two_curves():
    quality = {"psnr_db": PSNR[:, 0]}
    fixed = one("jpeg:quality=5", RATES[:, 0], **quality)
    target = one("target:bpp=0.25,codec=[jpeg]", RATES[:, 1], **quality)
    assert set(curves([fixed, target])) == {"jpeg", "target:codec=[jpeg]"}
    assert set(curves([target])) == {"jpeg"}
    # The brackets have the parameters that a family leaves out at their defaults.
    fixed = one("jpegxl:distance=3.0,effort=7", RATES[:, 0], **quality)
    target = one("target:bpp=0.25,codec=[jpegxl:effort=7]", RATES[:, 1], **quality)
    assert set(curves([fixed, target])) == {"jpegxl", "target:codec=[jpegxl:effort=7]"}
    whole = one("target:bpp=0.25,codec=[jpegxl:effort=7],most_factor=1", RATES[:, 1], **quality)
    assert len(curves([fixed, target, whole])) == 3


def test_evaluations_at_rates_are_found_by_them():
    quality = {"psnr_db": PSNR[:, 0]}
    targets = [one(f"target:bpp={bpp},codec=[jpeg]", RATES[:, 0], **quality) for bpp in (0.25, 0.5)]
    own = one("target:of=mine", RATES[:, 0], **quality)
    found = by_target([*targets, own, one("jpeg:quality=5", RATES[:, 0], **quality)])
    assert found == {0.25: targets[0], 0.5: targets[1]}


def test_curves_are_read_from_a_journal(tmp_path):
    path = tmp_path / "results.jsonl"
    with Journal(path) as journal:
        for seed in (0, 1):
            for k in range(4):
                for record in records(f"a:quality={k}", RATES[:, k], psnr_db=PSNR[:, k], seed=seed):
                    journal.append(record)
    [(name, found)] = read_curves(path, seed=1).items()
    assert (name, [e.provenance["seed"] for e in found]) == ("a", [1] * 4)
    assert bjontegaard_rate(found, curve("a", PLAIN, seed=1)).value.value == pytest.approx(0.0, abs=1e-12)
    assert set(read_curves(path, seed=1, over=["other"])) == {f"a:quality={k}" for k in range(4)}
    assert read_curves(path, source="photographs:none") == {}
    with pytest.raises(ValueError, match="one source and seed"):
        read_curves(path)
    with path.open("a") as file:
        file.write('{"channel": "a"}\n')
    with pytest.raises(ValueError, match=r"^results.jsonl, line 25: source is missing"):
        read_curves(path)


def journal_of(path, *runs):
    with Journal(path) as journal:
        for record in (record for run in runs for record in run):
            journal.append(record)


def test_a_run_of_one_item_is_left_out_and_named(tmp_path):
    path = tmp_path / "results.jsonl"
    journal_of(path, records("a", [0.5], psnr_db=[30.0]), records("b", [0.5, 0.6], psnr_db=[30.0, 31.0]))
    assert [e.channel for e in read_evaluations(path)] == ["b"]
    assert set(read_curves(path)) == {"b"}
    [why] = read_journal(path).left_out
    assert why.startswith("a on photographs:toy with seed 0: one item")


def versioned(rates, **versions):
    return [{**r, **versions} for r in records("a", rates, psnr_db=[30.0] * len(rates))]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"rdp": "0.1.0"}, {"rdp": "0.2.0"}, "2 items of rdp 0.1.0 left out, those of rdp 0.2.0 stand"),
        (
            {"versions": {"pillow": "11", "libjpeg": "6"}},
            {"versions": {"pillow": "12", "libjpeg": "6"}},
            "2 items of pillow 11 left out, those of pillow 12 stand",
        ),
        ({}, {"versions": {"pillow": "12"}}, "2 items of no versions left out, those of pillow 12 stand"),
    ],
)
def test_runs_of_different_versions_are_not_one(tmp_path, old, new, told):
    path = tmp_path / "results.jsonl"
    first, second = versioned([0.5, 0.6], **old), versioned([0.7, 0.9, 0.8], **new)
    journal_of(path, first, second)
    found = read_journal(path)
    assert [e.bits_per_symbol.value for e in found.evaluations] == pytest.approx([0.8])
    assert found.left_out == [f"a on photographs:toy with seed 0: {told}"]
    # What was begun last and has no error yet does not take the place of what is whole.
    path = tmp_path / "begun.jsonl"
    journal_of(path, first, second[:1])
    assert [e.bits_per_symbol.value for e in read_evaluations(path)] == pytest.approx([0.55])
    assert "1 item of" in read_journal(path).left_out[0]


def test_divergences_are_those_of_the_versions_that_stand(tmp_path):
    path = tmp_path / "results.jsonl"
    whole = {"channel": "a", "source": "photographs:toy", "seed": 0, "items": 2}
    told = {"w2": {"value": 1.0, "stderr": 0.1, "n": 2, "bias": 0.0}}
    old = [*versioned([0.5, 0.6], rdp="0.1.0"), {**whole, "rdp": "0.1.0", "divergences": told}]
    journal_of(path, old)
    assert [list(e.divergences) for e in read_evaluations(path)] == [["w2"]]
    journal_of(path, versioned([0.7, 0.9], rdp="0.2.0"))
    assert [list(e.divergences) for e in read_evaluations(path)] == [[]]


def test_metrics_of_several_lines_on_an_item_are_joined(tmp_path):
    path = tmp_path / "results.jsonl"
    journal_of(
        path,
        records("a", [0.5, 0.6], psnr_db=[30.0, 31.0], mse=[9.0, 9.0]),
        records("a", [0.5, 0.6], ms_ssim=[0.9, 0.8], mse=[1.0, 2.0]),
    )
    [found] = read_evaluations(path)
    means = {name: e.value for name, e in found.distortions.items()}
    assert means == pytest.approx({"psnr_db": 30.5, "mse": 1.5, "ms_ssim": 0.85})
