"""What do estimates of realism cost, with error and bias, beside the bare values of POT and torchmetrics?

One run, one after the other, on the same float64 rows of two Gaussian laws, best of three. Theirs is a value
alone; ours is the whole estimate, and the value where it can be had alone. The same work means as many directions,
all pairs, and as many features. A second table streams items through a ``FrechetAccumulator`` and shows how far
memory grows, beside what their rows would take. The last line names what is slower than the other package's value;
where that is the whole estimate and not its value, it does more for it.
"""

import contextlib
import time
import tracemalloc
import warnings

import numpy as np

from rdp.realism.frechet import FrechetAccumulator, GaussianMoments, frechet_distance_squared
from rdp.realism.kernels import energy_distance, maximum_mean_discrepancy_squared
from rdp.realism.neighbours import density_coverage
from rdp.realism.resampling import Grouped
from rdp.realism.transport import sliced_wasserstein2_squared

ROWS, FEATURES, DIRECTIONS = 10_000, 64, 128
KID_ROWS = 5_000
FID_ROWS, FID_FEATURES = 2_500, 768
ITEMS, CROPS = 10_000, 8


def rows(rng, n, d):
    return rng.standard_normal((n, d)), 0.1 + rng.standard_normal((n, d))


def best_of(repeats, call):
    """Seconds, and what came back."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def sliced_of_pot(a, b):
    import ot

    return ot.sliced_wasserstein_distance(a, b, n_projections=DIRECTIONS, seed=0) ** 2


def as_they_are():
    """Features for features."""
    import torch

    class Features(torch.nn.Module):
        num_features = FID_FEATURES

        def forward(self, x):
            return x

    return Features()


def of_torchmetrics(metric, a, b, dtype):
    import torch

    torch.set_num_threads(1)
    for sample, real in ((a, True), (b, False)):
        metric.update(torch.from_numpy(sample).to(getattr(torch, dtype)), real=real)
    result = metric.compute()
    return float(result[0] if isinstance(result, tuple) else result)


def kid(a, b, dtype="float64"):
    from torchmetrics.image.kid import KernelInceptionDistance

    metric = KernelInceptionDistance(feature=as_they_are(), subsets=1, subset_size=len(a))
    return of_torchmetrics(metric, a, b, dtype)


def fid(a, b):
    from torchmetrics.image.fid import FrechetInceptionDistance

    return of_torchmetrics(FrechetInceptionDistance(feature=as_they_are()), a, b, "float64")


def frechet_value(a, b):
    return GaussianMoments().add(a).distance_squared(GaussianMoments().add(b))


def units_of(sample):
    return Grouped(sample, np.arange(len(sample)) // CROPS)


def timed(name, repeats, call, base=None, package="rdp"):
    """Prints a line; seconds, or nothing if the package is not there."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(None):
                seconds, result = best_of(repeats, call)
    except ImportError:
        print(f"{name:50} pip install {package} to compare")
        return None
    ratio = f"{seconds / base:7.2f}" if base else f"{'':7}"
    print(
        f"{name:50} {seconds:8.2f} s {ratio}   {result if isinstance(result, str) else shown(result)}",
        flush=True,
    )
    return seconds


def shown(result):
    if hasattr(result, "bias"):
        return f"{result.value:.5f} ± {result.stderr:.5f}, bias ≤ {result.bias:.5f}"
    return f"{result:.5f}"


def compare(theirs, ours):
    """Theirs and the lines of ours beneath it; the names of ours that are slower."""
    name, repeats, call, package = theirs
    base = timed(name, repeats, call, package=package)
    return [
        label
        for label, call in ours
        if (seconds := timed(f"  {label}", repeats, call, base)) is not None and base and seconds > base
    ]


def stream(rng, items):
    """Peak growth of memory, in MiB, and seconds."""
    pair = FrechetAccumulator(), FrechetAccumulator()
    tracemalloc.start()
    start = time.perf_counter()
    for i in range(items):
        pair[i % 2].add(rng.standard_normal((CROPS, FEATURES)))
    pair[0].distance_squared(pair[1])
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20, seconds


def main():
    rng = np.random.default_rng(0)
    slower = []
    print(f"{'':50} {'':>8}    ratio   value")

    a, b = rows(rng, ROWS, FEATURES)
    grouped = units_of(a), units_of(b)
    print(f"{ROWS:,} rows each of {FEATURES} features, {DIRECTIONS} directions")
    slower += compare(
        ("POT, sliced W2, value", 3, lambda: sliced_of_pot(a, b), "POT"),
        [
            ("sliced W2², value, error, bias", lambda: sliced_wasserstein2_squared(a, b)),
            ("the same over units", lambda: sliced_wasserstein2_squared(*grouped)),
        ],
    )
    timed("energy distance, value and error", 1, lambda: energy_distance(a, b))
    timed("the same over units", 1, lambda: energy_distance(*grouped))
    timed("density, coverage and their errors", 1, lambda: density_coverage(a, b).coverage)

    a, b = rows(rng, KID_ROWS, FEATURES)
    print(f"{KID_ROWS:,} rows each of {FEATURES} features, all pairs")
    slower += compare(
        ("torchmetrics, KID, one subset of all, value", 3, lambda: kid(a, b), "torchmetrics"),
        [
            ("KID, value and error", lambda: maximum_mean_discrepancy_squared(a, b)),
            ("the same over units", lambda: maximum_mean_discrepancy_squared(units_of(a), units_of(b))),
        ],
    )
    timed("torchmetrics in float32", 3, lambda: kid(a, b, "float32"), package="torchmetrics")

    a, b = rows(rng, FID_ROWS, FID_FEATURES)
    print(f"{FID_ROWS:,} rows each of {FID_FEATURES} features")
    slower += compare(
        ("torchmetrics, FID, value", 3, lambda: fid(a, b), "torchmetrics"),
        [
            ("Fréchet distance, value", lambda: frechet_value(a, b)),
            ("Fréchet distance, value, error, bias", lambda: frechet_distance_squared(a, b)),
        ],
    )

    print(f"streamed Fréchet distance of items of {CROPS} rows of {FEATURES} features")
    print(f"{'items':>10} {'peak growth':>14} {'rows would take':>16} {'time':>8}")
    for items in (ITEMS // 10, ITEMS):
        peak, seconds = stream(rng, items)
        print(
            f"{items:10,} {peak:10.1f} MiB {items * CROPS * FEATURES * 8 / 2**20:12.1f} MiB {seconds:6.1f} s"
        )
    if slower:
        print(f"\nslower than the other package: {', '.join(slower)}")


if __name__ == "__main__":
    main()
