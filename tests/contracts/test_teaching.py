"""The codecs of the timeline: Lloyd–Max quantisation with Huffman's code, cosine and Karhunen–Loève transforms."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdp import DecodeError, bitstream, private_rng
from rdp.codecs import JPEG, parse_codec
from rdp.codecs import block_transforms as transforms
from rdp.codecs.coefficients import Contexts, get_plane, put_plane
from rdp.codecs.colour import from_planes, plane_shapes, to_planes
from rdp.codecs.lloyd_max import LloydMax, best_levels, lloyd_levels, nearest
from rdp.codecs.transform import DCTCodec, KLTCodec, _predicted, _unpredicted
from rdp.coders.entropy import Decoder, Encoder
from rdp.realism import mse, psnr_db
from rdp.sources import Photographs
from rdp.testing import codec_laws, laws, photographs
from rdp.testing.codecs import SHARED, decode, encode
from rdp.testing.damage import resealed

GOLDEN_LLOYD_MAX = {
    "grey row": (
        "ab5244011a6c6c6f79645f6d61783a70726564696374696f6e3d66616c736560d6c16d00000301250101d9c9a47f1003"
        "9adf361f327ca84b0c87dd45146908c35c02fd"
    ),
    "colour pixel": (
        "ab5244011a6c6c6f79645f6d61783a70726564696374696f6e3d66616c736560d6c16d000003010103016745d6720800"
        "ae200ae200ae2030ed5ec3"
    ),
}
GOLDEN_DCT = {
    "grey row": (
        "ab524401206463743a737465703d32342e302c626c6f636b3d382c6368726f6d613d34343488543fe500000301250101"
        "a93c36503406768a923568c26c4268b88b38e835e65e9dac0b9aa1292e31390000ccddb26c081d298610000000683647"
        "00684479ad00789f85115fc1f6"
    ),
    "colour pixel": (
        "ab524401206463743a737465703d32342e302c626c6f636b3d382c6368726f6d613d34343488543fe500000301010301"
        "17b0445d0cd807808047b37e450000808b19055e69"
    ),
    "colour slope": (
        "ab524401206463743a737465703d32342e302c626c6f636b3d382c6368726f6d613d34343488543fe500000328410301"
        "63dde4f0a001c00f8180f0295d5679bb4b77a4caeae6b7a55787c509e71ab5521c19fc9ea31e1bfb3180843d3539ecff"
        "ffff726222daa54ddce8bbe1b2d4686a8b7295a80ab9dd76c70e2d7b9b3a25a60a85c89d4d4e38643cfa31e7c6617bbc"
        "0d9cdbfcc7090f529fa998c289c079feff65000000000000000094cc05006d7554bf4177de4d031f40b695ab2afb12cd"
        "0f5d4a9abb017b7c7bbbf7675464a8d86716000000001469c0cd"
    ),
}
GOLDEN_KLT = {
    "grey row": (
        "ab524401306b6c743a737465703d32342e302c626c6f636b3d382c6368726f6d613d3432302c62617369733d73657061"
        "7261626c653d1acf6800000301250101fc130ed9d4014afd3fadaad8faa7195cd2d5966d1b1035ced963e5a2793e38da"
        "104fb0238c471fdf58097ee4304c0f7caee8328d944e78c5160dcbd3d09c050a8d029a257eacb92fd1b66f45e88cbd88"
        "16864ed16d226e559dcb230306dddb2b2d3f26d7326e180d6f5e1d981969ea13cd097b007ef944794cecd66f19b63ab6"
        "fbee8c73354e490a772c250ead525e768f2f21eb01fa6e0aecfe0ffa01e6e553dd5f13633a7fbd7fe7476440991918b3"
        "8142e7e54a63d336eec1811171af6bb40f1d7c6adf592aed165fc842860c0b0000000b167051088c1a7c191c2c1a"
    ),
    "colour pixel": (
        "ab524401306b6c743a737465703d32342e302c626c6f636b3d382c6368726f6d613d3432302c62617369733d73657061"
        "7261626c653d1acf6800000301010301429f7cd4bc014afd3fadaad8faa71f5cd2d5ac54db497197f14632a8e25950fa"
        "f9d14c907b101fdf58097ee4304c0f7caee8328d944e78c5160d5bd3d09c0e168c9ae5962d0b210c1654c89d6dcc786f"
        "af0f08e2e51a9fe8d374b95bc19cda427016b76513a41e32f478c9838c27e6e44e76d140b43524da8b7966f1e956e457"
        "512c33249c4c337ce0a5b9acea543331a4683c871297b1749de7706afd1e794835e9345e5cf19e4e390c42a45d3e9c1a"
        "094cefbd5a8851768e93b2576ffa00000013c07c6dd5"
    ),
}
NO_PICTURES = {
    "two axes": np.zeros((8, 9), np.uint8),
    "two channels": np.zeros((8, 9, 2), np.uint8),
    "empty": np.zeros((0, 9, 3), np.uint8),
    "floats": np.zeros((8, 9, 3)),
    "more than 2²⁴ pixels": np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (2**13, 2**12, 1)),
}


SOME = ("grey pixel", "grey row", "colour pixel", "colour column", "colour slope")


def picture_laws(codec, most, golden=None):
    items = {name: photographs()[name] for name in SOME}
    return codec_laws(
        codec, items, refused=NO_PICTURES, distortion=mse, most=most, golden=golden, memory=2**28
    )


def slow(law):
    return "mutated" in law.name


TEACHING = [
    *picture_laws(LloydMax(4), 500.0, GOLDEN_LLOYD_MAX),
    *picture_laws(DCTCodec(chroma="444"), 120.0, GOLDEN_DCT),
]
FURTHER = [
    *picture_laws(LloydMax(5, prediction=True), 12000.0),
    *picture_laws(KLTCodec(), 4000.0, GOLDEN_KLT),
]


@laws([law for law in TEACHING if not slow(law)])
def test_teaching_codec(law):
    law()


@pytest.mark.slow
@laws(FURTHER, [law for law in TEACHING if slow(law)])
def test_further_teaching_codec(law):
    law()


@pytest.fixture(scope="module")
def photograph():
    return Photographs().item(1)[40:200, 30:222]


def recon(codec, item):
    return decode(codec, encode(codec, item))


def bits(codec, item):
    return 8 * len(encode(codec, item))


# Lloyd and Max


def error(values, counts, levels):
    return int(np.sum(counts * (values - levels[nearest(values, levels)]) ** 2))


def histograms():
    return st.lists(
        st.tuples(st.integers(0, 30), st.integers(1, 50)), min_size=1, max_size=7, unique_by=lambda t: t[0]
    ).map(lambda pairs: tuple(np.array(x) for x in zip(*sorted(pairs), strict=True)))


@settings(max_examples=60, deadline=None)
@given(histograms(), st.integers(1, 4))
def test_no_quantiser_is_better_than_the_best(histogram, levels):
    values, counts = histogram
    found = error(values, counts, best_levels(values, counts, levels))
    n = min(levels, len(values))
    cuts = itertools.combinations(range(1, len(values)), n - 1)  # every way to cut the values into n runs
    brute = []
    for cut in cuts:
        runs = zip((0, *cut), (*cut, len(values)), strict=True)
        cells = [(values[a:b], counts[a:b]) for a, b in runs]
        brute.append(sum(min(int(np.sum(c * (v - y) ** 2)) for y in range(31)) for v, c in cells))
    assert found == min(brute)
    assert error(values, counts, lloyd_levels(values, counts, levels)) >= found


@pytest.mark.parametrize("design", [best_levels, lloyd_levels])
@pytest.mark.parametrize("levels", [2, 5, 16])
def test_both_conditions_hold(photograph, design, levels):
    values, counts = np.unique(photograph[:, :, 1].astype(np.int64), return_counts=True)
    y = design(values, counts, levels)
    cells = np.argmin(np.abs(values[:, None] - y), axis=1)  # nearest neighbour, by another route
    assert np.array_equal(nearest(values, y), cells)
    for k in range(len(y)):
        assert abs(np.average(values[cells == k], weights=counts[cells == k]) - y[k]) <= 0.5


def test_lloyds_method_may_be_stuck():
    values, counts = np.array([0, 5, 10, 100]), np.array([3, 1, 3, 1])
    assert best_levels(values, counts, 3).tolist() == [0, 9, 100]
    stuck = lloyd_levels(values, counts, 3)
    assert error(values, counts, stuck) > error(values, counts, best_levels(values, counts, 3))


def test_levels_far_from_their_means_are_seen(photograph):
    """The broken sibling: midpoints of cells for their means."""
    values, counts = np.unique(photograph[:, :, 1].astype(np.int64), return_counts=True)
    y = best_levels(values, counts, 5)
    edges = np.concatenate([[values[0]], (y[1:] + y[:-1]) // 2, [values[-1]]])
    midpoints = (edges[1:] + edges[:-1]) // 2
    assert error(values, counts, midpoints) > 1.02 * error(values, counts, y)


@pytest.mark.parametrize("item", photographs().values(), ids=photographs())
def test_with_a_level_for_every_value_nothing_is_lost(item):
    assert np.array_equal(recon(LloydMax(256), item), item)


def test_levels_lower_the_error_and_cost_bits(photograph):
    ladder = list(LloydMax().ladder())[:12]
    errors = [mse(photograph, recon(codec, photograph)) for codec in ladder]
    rates = [bits(codec, photograph) for codec in ladder]
    assert all(np.diff(errors) < 0)
    assert all(np.diff(rates) > 0)
    assert rates[1] > photograph.size  # one bit a sample, whatever the picture
    assert rates[0] < 1000  # but nothing for one level


def test_prediction_saves_bits_at_equal_error(photograph):
    plain, differential = LloydMax(16), LloydMax(8, prediction=True)
    assert mse(photograph, recon(differential, photograph)) < mse(photograph, recon(plain, photograph))
    assert bits(differential, photograph) < bits(plain, photograph)


def test_open_loop_prediction_drifts(photograph):
    """The broken sibling: differences of the original, which the decoder does not have."""
    from rdp.codecs import lloyd_max

    x = photograph[:, :, 0].astype(np.int64)
    source = x - lloyd_max._forecast(x)
    levels = best_levels(*np.unique(source, return_counts=True), 5)
    closed = lloyd_max._summed(levels[lloyd_max._track(x, levels)])
    drifted = lloyd_max._summed(levels[nearest(source, levels)])
    assert np.mean((drifted - x) ** 2) > 5 * np.mean((closed - x) ** 2)


# Transforms


@pytest.mark.parametrize("size", [4, 8, 16, 32])
def test_the_cosine_transform_is_scipys(size):
    from scipy.fft import dctn

    x = private_rng(size).integers(-2048, 2048, (5, size, size)).astype(float)
    t = transforms.dct(size)
    found = t.forward(x) / t.scale
    rows, columns = np.transpose(transforms.zigzag(size))
    assert np.allclose(found, dctn(x, axes=(1, 2), norm="ortho")[:, rows, columns].T, atol=4.0)
    assert np.max(np.abs(t.inverse(np.rint(found)) / t.scale - x)) < 8.0  # of 2048: the basis is in 2⁻¹²


def test_zigzag_is_jpegs():
    assert transforms.zigzag(8)[:6] == [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2)]
    assert sorted(transforms.zigzag(8)) == list(itertools.product(range(8), range(8)))


def test_principal_axes_are_lapacks():
    x = private_rng(3).standard_normal((200, 12)) * np.arange(1, 13)
    axes = transforms.principal_axes(x.T @ x)
    values, vectors = np.linalg.eigh(x.T @ x)
    assert np.allclose(np.abs(axes @ vectors[:, ::-1]), np.eye(12), atol=1e-9)
    assert np.allclose(np.sum((x @ axes.T) ** 2, axis=0), values[::-1])
    assert np.array_equal(transforms.principal_axes(np.zeros((4, 4))), np.eye(4))


def test_full_klt_has_uncorrelated_coefficients(photograph):
    blocks = transforms.cut(photograph[:, :, 1].astype(float) - 128.0, 4)
    t = transforms.full_klt(blocks, 2**20)
    y = t.forward(blocks) / t.scale
    moments = y @ y.T / y.shape[1]
    assert np.max(np.abs(moments - np.diag(np.diag(moments)))) < 1e-3 * moments[0, 0]
    assert all(np.diff(np.diag(moments)) <= 0)
    cosines = transforms.dct(4).forward(blocks) / transforms.dct(4).scale
    variances = np.mean(cosines**2, axis=1)
    assert np.sum(np.log2(np.diag(moments))) < np.sum(np.log2(variances))  # no transform has less


@pytest.mark.parametrize("codec", [DCTCodec(16.0), KLTCodec(16.0), KLTCodec(16.0, basis="full")], ids=str)
def test_the_error_is_that_of_the_coefficients(codec, photograph):
    """Parseval, through the whole codec: what the quantiser does is what the picture shows."""
    item = np.ascontiguousarray(photograph[:, :, :1])
    blocks = transforms.cut(item[:, :, 0] - 128.0, 8)
    t = codec.put_transform(Encoder(), 16 * blocks)
    decoded = transforms.cut(recon(codec, item)[:, :, 0] - 128.0, 8)
    a, b = t.forward(blocks) / t.scale, t.forward(decoded) / t.scale
    assert np.mean((a - b) ** 2) == pytest.approx(mse(item, recon(codec, item)), rel=0.01)
    cells = np.abs(np.abs(a - b)[1:])
    assert np.quantile(cells, 0.99) < 16.0 * 0.8  # 3/4 of a step in the cell of 0, and rounded samples


def test_reconstruction_elsewhere_in_the_cells_is_worse(photograph, monkeypatch):
    """The broken siblings: points that are not the means of their cells; a deadzone that the decoder ignores."""
    codec = DCTCodec(40.0)
    right = mse(photograph, recon(codec, photograph))
    quantised = DCTCodec._quantised

    def wrong(points):
        monkeypatch.setattr(
            DCTCodec, "_quantised", lambda *args: (quantised(*args)[0], np.array(points) + 128)
        )
        return mse(photograph, recon(codec, photograph))

    assert wrong([0, 0]) > 1.005 * right
    assert wrong([16, 16]) > 1.001 * right  # the middle of the cells
    assert wrong([48, 48]) > 1.05 * right


def test_deadzone_is_as_wide_as_it_says(photograph):
    item = np.ascontiguousarray(photograph[:, :, :1])
    t = transforms.dct(8)
    y = np.abs(t.forward(np.rint(16 * transforms.cut(item[:, :, 0] - 128.0, 8))) / (16 * t.scale))[1:] / 32.0
    for deadzone in (1.0, 1.5, 2.0):
        parts = np.floor(64 * np.concatenate([y[:1], y])).astype(np.int64)
        k, _ = DCTCodec(32.0, deadzone=deadzone)._quantised(parts, np.ones_like(parts))
        inside = y < deadzone / 2
        assert np.array_equal(k[1:] == 0, inside)
        assert np.array_equal(k[1:][~inside], np.floor(y[~inside] - deadzone / 2).astype(int) + 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_prediction_of_the_means_is_undone(rows, columns, seed):
    x = private_rng(seed).integers(-99, 100, (rows, columns))
    assert np.array_equal(_unpredicted(x - _predicted(x), 100), x)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([0, 1, 14, 15, 16, 1000]), st.integers(0, 2**32))
def test_coefficients_come_back(rows, columns, most, seed):
    q = private_rng(seed).integers(-most, most + 1, (16, rows, columns))
    neighbours, encoder = transforms.dct(4).neighbours, Encoder()
    put_plane(encoder, q, neighbours, Contexts())
    decoder = Decoder(encoder.finish())
    assert np.array_equal(get_plane(decoder, q.shape, neighbours, Contexts(), largest=most), q)
    decoder.finish()
    if most >= 16 and np.abs(q).max() > 15:
        with pytest.raises(DecodeError, match="at most"):
            get_plane(Decoder(encoder.finish()), q.shape, neighbours, Contexts(), largest=15)


def test_tables_off_by_one_are_seen(photograph, monkeypatch):
    """The broken sibling: a decoder that counts one sighting too many."""
    data = encode(DCTCodec(), photograph)
    expected = decode(DCTCodec(), data)
    learn = Contexts.learn

    def twice(self, context, symbols):
        learn(self, context, symbols)
        self._counts[context][0] += 64

    monkeypatch.setattr(Contexts, "learn", twice)
    try:
        found = DCTCodec().decode(data, rng=private_rng(0))
    except DecodeError:
        return
    assert not np.array_equal(found, expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 2**32))
def test_colours_come_back(height, width, channels, seed):
    x = private_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    planes = to_planes(x, "444")
    assert np.array_equal(from_planes(planes, height, width), x)
    half = to_planes(x, "420")
    assert [p.shape for p in half] == plane_shapes(height, width, channels, "420")
    grey = np.repeat(x[:, :, :1], channels, axis=2)
    assert np.array_equal(from_planes(to_planes(grey, "420"), height, width), grey)


# What they are for


def test_smaller_steps_buy_less_error(photograph):
    ladder = DCTCodec().ladder()
    codecs = [ladder[i] for i in (0, 16, 32, 48)]
    assert all(np.diff([mse(photograph, recon(codec, photograph)) for codec in codecs]) < 0)
    assert all(np.diff([bits(codec, photograph) for codec in codecs]) > 0)
    assert psnr_db(photograph, recon(DCTCodec(0.25, chroma="444"), photograph)) > 50


def test_a_flat_quantiser_and_an_adaptive_coder_beat_jpeg_in_squared_error(photograph):
    jpeg = JPEG(30)
    codec = DCTCodec(28.0)
    assert psnr_db(photograph, recon(codec, photograph)) > psnr_db(photograph, recon(jpeg, photograph))
    assert bits(codec, photograph) < 0.95 * bits(jpeg, photograph)  # less on a picture to learn from


def test_the_basis_is_what_the_klt_pays(photograph):
    sent = bits(KLTCodec(basis="full"), photograph) - bits(DCTCodec(), photograph)
    assert 0.8 * 64 * 64 * 11 < sent < 64 * 64 * 11 + 2000


def test_multiplications_are_counted():
    assert DCTCodec().multiply_adds((16, 16, 1))["decode"] == 256 * (16 + 1)
    assert DCTCodec().multiply_adds((9, 16, 1))["decode"] == 256 * (16 + 1)
    assert DCTCodec().multiply_adds((16, 16, 3))["encode"] == 1.5 * 256 * (16 + 1) + 5 * 256
    assert DCTCodec().multiply_adds((16, 16, 3))["decode"] == 1.5 * 256 * (16 + 1) + 4 * 256
    assert KLTCodec(basis="full").multiply_adds((16, 16, 1))["decode"] == 256 * (64 + 1)
    moments = {basis: KLTCodec(basis=basis).multiply_adds((16, 16, 3)) for basis in ("full", "separable")}
    assert moments["full"]["encode"] - moments["full"]["decode"] == 256 * (64 + 1)
    assert moments["separable"]["encode"] - moments["separable"]["decode"] == 256 * (16 + 1)


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("lloyd_max:levels=0", "levels"),
        ("lloyd_max:levels=257", "levels"),
        ("lloyd_max:design=luck", "design"),
        ("dct:step=0.1", "step"),
        ("dct:step=inf", "step"),
        ("dct:deadzone=0.5", "deadzone"),
        ("dct:block=7", "block"),
        ("dct:chroma=422", "chroma"),
        ("klt:basis=full,block=16", "block"),
    ],
)
def test_bad_parameters_are_refused(spec, match):
    with pytest.raises(ValueError, match=match):
        parse_codec(spec)


@pytest.mark.parametrize("codec", [LloydMax(), DCTCodec(), KLTCodec()], ids=lambda codec: codec.name)
def test_huge_photographs_from_few_bytes_are_refused(codec):
    data = encode(codec, np.full((1, 1, 1), 128, np.uint8))
    for shape in ((2**14, 2**10 + 1, 1), (1, 2**24 + 1, 1), (2**26, 1, 3)):
        with pytest.raises(DecodeError):
            codec.decode(resealed(data, shape=shape), rng=private_rng(0))


def test_quantisers_that_no_encoder_writes_are_refused():
    data = encode(LloydMax(3), photographs()["grey noise of odd size"])
    (payload,) = bitstream.unpack(data)[1]
    as_bits = np.unpackbits(np.frombuffer(payload, np.uint8))
    equal = as_bits.copy()
    equal[17:26] = equal[8:17]  # the second level is the first again
    below = as_bits.copy()
    below[8:17] = 0  # a level of −255
    for wrong in (equal, below, as_bits[:20]):
        forged = resealed(data, segments=[np.packbits(wrong).tobytes()])
        with pytest.raises(DecodeError):
            LloydMax(3).decode(forged, rng=private_rng(0))


def test_nothing_is_shared():
    assert {codec.common_randomness for codec in (LloydMax(), DCTCodec(), KLTCodec())} == {"none"}
    assert SHARED.key not in (bitstream.unpack(encode(DCTCodec(), photographs()["grey pixel"]))[0].key,)
