"""CompressAI's interface as it is documented, in a stand-in: neither the package nor its weights are here."""

import dataclasses
import sys
import types
import zlib
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch
from torch import nn

from rdp import DecodeError, SharedRandomness, bitstream, private_rng
from rdp.codecs import codec_for_stream, compressai_models, describe_codecs, parse_codec
from rdp.codecs.compressai_models import CompressAI
from rdp.codecs.downsampled import Downsampled
from rdp.testing import codec_laws, laws, photographs


class Factorized(nn.Module):
    """With the methods and types of compressai.models.FactorizedPrior: 16 times down, one string a picture."""

    downsampling_factor = 16

    def __init__(self, channels):
        super().__init__()
        self.g_a = nn.Conv2d(3, channels, 16, stride=16)
        self.g_s = nn.ConvTranspose2d(channels, 3, 16, stride=16)
        self.register_buffer("tables", torch.zeros(0, dtype=torch.int32))

    @classmethod
    def from_state_dict(cls, state_dict):
        net = cls(state_dict["g_a.weight"].size(0))
        net.tables = torch.zeros_like(state_dict["tables"])  # as the entropy models do
        net.load_state_dict(state_dict)
        return net

    def update(self, scale_table=None, force=False, update_quantiles=False):
        if self.tables.numel() and not force:
            return False
        self.tables = torch.arange(4, dtype=torch.int32)
        return True

    def _strings(self, y):
        assert self.tables.numel(), "Uninitialized CDFs. Run update() first"
        return [
            zlib.compress(item.mul(32).round().clamp(-128, 127).to(torch.int8).numpy().tobytes())
            for item in y
        ]

    def _latents(self, strings, shape, channels):
        plain = zlib.decompress(strings[0])
        return torch.frombuffer(bytearray(plain), dtype=torch.int8).reshape(1, channels, *shape).float() / 32

    def compress(self, x):
        assert not self.training
        assert x.dtype == torch.float32
        assert x.shape[:2] == (1, 3)
        assert x.min() >= 0
        assert x.max() <= 1
        y = self.g_a(x)
        return {"strings": [self._strings(y)], "shape": y.size()[-2:]}

    def decompress(self, strings, shape):
        assert isinstance(strings, list)
        assert len(strings) == 1
        return {"x_hat": self.g_s(self._latents(strings[0], shape, self.g_a.out_channels)).clamp_(0, 1)}


class Hyperprior(Factorized):
    """As compressai.models.MeanScaleHyperprior: two strings, and the shape of the second, 64 times down."""

    downsampling_factor = 64

    def __init__(self, channels):
        super().__init__(channels)
        self.h_a = nn.Conv2d(channels, 2, 4, stride=4)

    def compress(self, x):
        y = self.g_a(x)
        z = self.h_a(y)
        return {"strings": [self._strings(y), self._strings(z)], "shape": z.size()[-2:]}

    def decompress(self, strings, shape):
        assert isinstance(strings, list)
        assert len(strings) == 2
        self._latents(strings[1], shape, 2)
        return super().decompress(strings[:1], tuple(4 * n for n in shape))


class Latents(Factorized):
    """As models of latent codecs: the shape is a dictionary."""

    def compress(self, x):
        out = super().compress(x)
        return {**out, "shape": {"y": [out["shape"]]}}


class Broken(Factorized):
    """Decodes to numbers that are none."""

    def decompress(self, strings, shape):
        return {"x_hat": super().decompress(strings, shape)["x_hat"] * torch.nan}


def zoo(kind):
    def make(quality, metric="mse", pretrained=False, progress=True, **kwargs):
        if metric not in ("mse", "ms-ssim"):
            raise ValueError(f'Invalid metric "{metric}"')
        if quality == 8 and pretrained:
            raise OSError("urlopen error: no network")
        net = kind(4 + quality)
        if pretrained:  # the mean of each square, with some detail that the quality adds
            rng = torch.Generator().manual_seed(quality + 10 * (metric == "mse"))
            with torch.no_grad():
                for name, tensor in net.named_parameters():
                    tensor.copy_(torch.randn(tensor.shape, generator=rng) / 50)
                    if name.endswith("bias"):
                        tensor.zero_()
                net.g_a.weight[:3] = torch.eye(3)[:, :, None, None] / 256
                net.g_s.weight[:3] = torch.eye(3)[:, :, None, None]
        return net

    return make


KINDS = {
    "bmshj2018-factorized": Factorized,
    "mbt2018-mean": Hyperprior,
    "elic2022-chandelier": Latents,
    "broken": Broken,
}


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path_factory):
    """The modules that the codec imports, and torch's folder of downloads with weights, but none of quality 7."""
    package, inner = types.ModuleType("compressai"), types.ModuleType("compressai.zoo")
    package.__spec__, package.__path__ = ModuleSpec("compressai", None, is_package=True), []
    inner.__spec__ = ModuleSpec("compressai.zoo", None)
    inner.image_models = {name: zoo(kind) for name, kind in KINDS.items()}
    pictures = types.ModuleType("compressai.zoo.image")
    pictures.model_urls = {
        name: {
            "mse": {
                quality: f"https://host.test/v1/{name}-{quality}-0abc.pth.tar?x=y" for quality in range(1, 9)
            }
        }
        for name in KINDS
    }
    downloads = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(downloads))
    (downloads / "checkpoints").mkdir()
    for name in KINDS:
        for quality in (*range(1, 7), 8):
            (downloads / "checkpoints" / f"{name}-{quality}-0abc.pth.tar").touch()
    package.zoo, inner.image = inner, pictures
    monkeypatch.setitem(sys.modules, "compressai.zoo.image", pictures)
    monkeypatch.setitem(sys.modules, "compressai", package)
    monkeypatch.setitem(sys.modules, "compressai.zoo", inner)
    compressai_models._load.cache_clear()
    yield
    compressai_models._load.cache_clear()


PLAIN = CompressAI(device="cpu")
MEAN = CompressAI("mbt2018-mean", 4, device="cpu")
ITEMS = {name: a for name, a in photographs().items() if "pixel" in name or "odd" in name or "slope" in name}
NO_PICTURES = {"floats": np.zeros((8, 9, 3)), "two axes": np.zeros((8, 9), np.uint8)}


def encode(codec, item):
    return codec.encode(item, shared=SharedRandomness(0), rng=private_rng(1))


def decode(codec, data):
    return codec.decode(data, rng=private_rng(2))


def model_laws(codec):
    # A fresh process would have to have the package.
    return [law for law in codec_laws(codec, ITEMS, refused=NO_PICTURES) if law.name != "check_fresh_process"]


@laws(model_laws(PLAIN))
def test_laws(law):
    law()


@pytest.mark.slow
@laws(model_laws(MEAN))
def test_laws_with_a_hyperprior(law):
    law()


def test_the_picture_is_padded_by_its_last_row_and_column_and_cut_again(monkeypatch):
    seen = []
    compress = Factorized.compress
    monkeypatch.setattr(Factorized, "compress", lambda net, x: seen.append(x) or compress(net, x))
    item = photographs()["colour slope"]  # 40 × 65
    recon = decode(PLAIN, encode(PLAIN, item))
    (x,) = seen
    assert x.shape == (1, 3, 64, 128)
    padded = np.pad(item, ((0, 24), (0, 63), (0, 0)), mode="edge")
    assert np.array_equal(x[0].permute(1, 2, 0).mul(255).round().byte().numpy(), padded)
    assert recon.shape == item.shape
    # The stand-in's model sends the means of squares of 16 × 16, in steps of 1/32, and little else.
    means = padded[:16, :16].astype(float).mean((0, 1))
    assert np.abs(recon[:16, :16].mean((0, 1)) - means).max() < 30


def test_strings_are_the_segments_and_nothing_else_travels():
    item = photographs()["colour slope"]
    header, segments = bitstream.unpack(encode(MEAN, item))
    assert header.codec == "compressai:model=mbt2018-mean,quality=4,metric=mse"
    assert [len(zlib.decompress(s)) for s in segments] == [8 * 4 * 8, 2 * 1 * 2]


def test_grey_is_three_equal_channels_and_their_mean(monkeypatch):
    item = photographs()["grey slope"]
    coloured = np.repeat(item, 3, axis=2)
    assert bitstream.unpack(encode(PLAIN, item))[1] == bitstream.unpack(encode(PLAIN, coloured))[1]
    recon, colour = decode(PLAIN, encode(PLAIN, item)), decode(PLAIN, encode(PLAIN, coloured))
    assert recon.shape == item.shape
    assert np.abs(recon[:, :, 0] - colour.mean(2)).max() <= 1


def test_other_weights_are_refused_and_files_of_weights_are_read(tmp_path):
    item = ITEMS["colour noise of odd size"]
    net = zoo(Factorized)(3, pretrained=True).eval()
    with torch.no_grad():
        net.g_s.bias += 0.1
    net.tables = torch.zeros(2, dtype=torch.int32)  # out of date
    streams = {"": encode(PLAIN, item)}
    for name, content in {
        "plain": net.state_dict(),
        "training": {"epoch": 3, "state_dict": net.state_dict()},
    }.items():
        torch.save(content, tmp_path / name)
        codec = dataclasses.replace(PLAIN, weights=str(tmp_path / name))
        streams[name] = encode(codec, item)
        assert codec._loaded().net.tables.tolist() == [0, 1, 2, 3]
        assert str(tmp_path) not in codec.decoder_spec
        assert list(codec.ladder()) == []
        with pytest.raises(DecodeError, match="other tables or weights"):
            decode(PLAIN, streams[name])
        with pytest.raises(DecodeError, match="other tables or weights"):
            decode(codec, streams[""])
        assert parse_codec(codec.spec) == codec
    assert streams["plain"] == streams["training"]
    with torch.no_grad():
        net.g_s.bias += 0.1
    torch.save(net.state_dict(), tmp_path / "plain")  # in the same place
    with pytest.raises(DecodeError, match="other tables or weights"):
        decode(dataclasses.replace(PLAIN, weights=str(tmp_path / "plain")), streams["plain"])


def test_files_that_are_no_weights_are_refused(tmp_path):
    item = ITEMS["colour pixel"]
    (tmp_path / "text").write_text("no weights")
    torch.save({"g_a.weight": torch.zeros(3)}, tmp_path / "other")
    torch.save([1, 2], tmp_path / "list")
    for name in ("text", "other", "list"):
        with pytest.raises(ValueError, match="are not those of model=bmshj2018-factorized"):
            encode(dataclasses.replace(PLAIN, weights=str(tmp_path / name)), item)
    with pytest.raises(ImportError, match="cannot be read"):
        encode(dataclasses.replace(PLAIN, weights=str(tmp_path / "nothing")), item)


def test_the_kind_of_device_is_part_of_what_both_ends_must_hold():
    data = encode(PLAIN, ITEMS["colour pixel"])
    if not torch.cuda.is_available():
        assert decode(CompressAI(), data).shape == (1, 1, 3)
    else:
        with pytest.raises(DecodeError, match="other tables or weights"):
            decode(CompressAI(), data)


def test_a_stream_downloads_nothing(monkeypatch):
    item = ITEMS["colour pixel"]
    willing = CompressAI(quality=7, device="cpu", fetch=True)
    data = encode(willing, item)
    assert np.array_equal(decode(willing, data), decode(willing, data))
    assert "fetch" not in willing.decoder_spec
    assert parse_codec("compressai:quality=7,device=cpu,fetch=true") == willing
    for nested in (data, encode(Downsampled(willing, 2), photographs()["colour slope"])):
        stranger = codec_for_stream(nested)
        monkeypatch.setitem(sys.modules["compressai.zoo"].image_models, "bmshj2018-factorized", fetching)
        with pytest.raises(
            ImportError, match=r"quality 7, mse, are not here: fetch=true lets CompressAI fetch them"
        ):
            decode(stranger, nested)
    with pytest.raises(ImportError, match="are not here"):
        encode(CompressAI(quality=7), item)
    with pytest.raises(ImportError, match="are not here"):  # of which CompressAI has none
        encode(CompressAI(metric="ms-ssim"), item)
    monkeypatch.delattr(sys.modules["compressai.zoo.image"], "model_urls")
    with pytest.raises(ImportError, match="are not here"):
        encode(PLAIN, item)


def fetching(*arguments, **options):
    pytest.fail("it was fetched")


def test_streams_find_their_decoder_and_choose_no_file():
    data = encode(PLAIN, ITEMS["colour pixel"])
    assert codec_for_stream(data) == CompressAI()
    named = "compressai:model=mbt2018-mean,quality=4,metric=mse,weights=/etc/passwd"
    header = bitstream.Header(named, bitstream.digest(named), (), (1, 1, 3), "uint8")
    with pytest.raises(DecodeError):
        codec_for_stream(bitstream.pack(header, [b"x"]))


def test_multiply_adds_are_half_of_what_torch_counts(monkeypatch):
    # By hand: of the analysis 16·16·3 for each number of y, of the synthesis the same.
    y = 8 * (128 // 16) * (192 // 16)
    assert MEAN.multiply_adds((100, 190, 3)) == {
        "encode": 16 * 16 * 3 * y + 4 * 4 * 8 * 2 * (128 // 64) * (192 // 64),
        "decode": 16 * 16 * 3 * y,
    }
    loaded = MEAN._loaded()
    monkeypatch.setattr(loaded.net, "compress", lambda x: pytest.fail("counted twice"))
    assert MEAN.multiply_adds((64, 64, 1))["decode"] == 16 * 16 * 3 * 8 * 16
    sent = PLAIN.transmit(ITEMS["colour pixel"], shared=SharedRandomness(0), rng=private_rng(0))
    assert set(sent.multiply_adds) == {"encode", "decode"}


def test_the_ladder_goes_by_quality():
    assert [c.quality for c in PLAIN.ladder()] == list(range(1, 9))
    assert [c.quality for c in CompressAI("cheng2020-attn").ladder()] == list(range(1, 7))
    item = photographs()["colour slope"]
    assert len(encode(PLAIN.ladder()[0], item)) < len(encode(PLAIN.ladder()[5], item))


def test_neither_threads_nor_the_global_generator_are_changed():
    torch.set_num_threads(2)
    try:
        state = torch.get_rng_state()
        decode(MEAN, encode(MEAN, ITEMS["grey pixel"]))
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"model": "../x"}, "must be the name of a model"),
        ({"model": ""}, "must be the name of a model"),
        ({"quality": 0}, "must be an integer ≥ 1 and ≤ 8"),
        ({"quality": 9}, "must be an integer ≥ 1 and ≤ 8"),
        ({"model": "cheng2020-anchor", "quality": 7}, "must be an integer ≥ 1 and ≤ 6"),
        ({"metric": "psnr"}, "must be one of mse, ms-ssim"),
    ],
)
def test_parameters_that_there_are_not_are_refused(fields, why):
    with pytest.raises(ValueError) as caught:
        CompressAI(**fields)
    assert why in str(caught.value)


def test_models_that_cannot_be_coded_are_refused():
    item = ITEMS["colour pixel"]
    with pytest.raises(ValueError, match="must be one of bmshj2018-factorized, mbt2018-mean"):
        encode(CompressAI("mbt2019"), item)
    with pytest.raises(ValueError, match="which a decoder cannot derive"):
        encode(CompressAI("elic2022-chandelier", device="cpu"), item)
    with pytest.raises(ImportError, match=r"cannot be fetched .*; weights=… names a file"):
        encode(CompressAI(quality=8), item)
    with pytest.raises(ValueError, match="must have at most 16777216 pixels"):
        encode(PLAIN, np.zeros((4097, 4096, 1), np.uint8))
    with pytest.raises(DecodeError, match="not finite"):
        decode(CompressAI("broken", device="cpu"), encode(CompressAI("broken", device="cpu"), item))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "compressai.zoo")
    monkeypatch.delitem(sys.modules, "compressai")
    info = next(info for info in describe_codecs() if info.name == "compressai")
    if info.available:
        pytest.skip("the package is installed")
    assert info.install == "pip install compressai"
    with pytest.raises(ImportError, match="pip install compressai"):
        encode(PLAIN, ITEMS["colour pixel"])
