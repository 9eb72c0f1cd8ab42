"""How fast are closed forms on ten million points, beside the bare formula in NumPy, and on a million eigenvalues?

The bare formula is the one in the docstring, typed without a thought for cancellation, domains or memory; it loses
digits that the library keeps. Both run on the same points, one after the other, best of three. A second table
divides rates among a million eigenvalues, which has no bare formula: there seconds are what counts.
"""

import time

import numpy as np

from rdp.theory import bernoulli, diffc, divergences, gaussian, gaussian_vector, laplace, spectra

POINTS = 10_000_000
EIGENVALUES = 1_000_000


def best_of(repeats, call):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def entropy(p):
    return -p * np.log2(p) - (1 - p) * np.log2(1 - p)


def rate_w2(d, p):
    s = 1 - np.sqrt(p)
    active = s**2 >= np.abs(1 - d)
    return np.where(
        active,
        0.5 * np.log2(s**2 / (s**2 - ((1 + s**2 - d) / 2) ** 2)),
        np.maximum(0.5 * np.log2(1 / d), 0),
    )


def distortion_w2(r, p):
    e = 2 ** (-2 * r)
    return e + np.maximum(1 - np.sqrt(p) - np.sqrt(1 - e), 0) ** 2


def perception_w2(r, d):
    e = 2 ** (-2 * r)
    return np.maximum(1 - np.sqrt(1 - e) - np.sqrt(np.maximum(d - e, 0)), 0) ** 2


def distortion_limited(r, rc):
    return 2 * (1 - np.sqrt((1 - 2 ** (-2 * r)) * (1 - 2 ** (-2 * (r + rc)))))


def rate_limited(d, rc):
    k, e = 2 ** (-2 * rc), 1 - (1 - d / 2) ** 2
    return -0.5 * np.log2(2 * e / (1 + k + np.sqrt((1 - k) ** 2 + 4 * k * (1 - e))))


def rate_bernoulli_tv(d, p, tv):
    q = 1 - p
    masses = ((d + tv) / 2, (d - tv) / 2, p - (d + tv) / 2, q - (d - tv) / 2)
    joint = -sum(m * np.log2(m) for m in masses)
    first, last = tv / (1 - 2 * (p - tv)), 2 * p * q - (q - p) * tv
    classical = np.where(d < p, entropy(p) - entropy(np.minimum(d, 0.5)), 0)
    active = (d >= first) & (d < last)
    return np.where(active, entropy(p) + entropy(p - tv) - joint, classical)


def kl(m1, v1, m2, v2):
    return 0.5 * (np.log(v2 / v1) + (v1 + (m1 - m2) ** 2) / v2 - 1)


def cases(rng):
    d, r = rng.uniform(0.01, 0.99, POINTS), rng.uniform(0.01, 8, POINTS)
    p, rc = rng.uniform(0.001, 0.5, POINTS), rng.uniform(0, 4, POINTS)
    bit = rng.uniform(0.01, 0.3, POINTS)
    m, v = rng.normal(size=POINTS), rng.uniform(0.1, 10, POINTS)
    above = 2 ** (-2 * r) + d
    tv = 0.1 * bit
    return [
        ("gaussian R(D)", lambda: np.maximum(0.5 * np.log2(1 / d), 0), lambda: gaussian.rate(d)),
        ("gaussian D(R)", lambda: 2 ** (-2 * r), lambda: gaussian.distortion(r)),
        ("gaussian R(D, P), W2", lambda: rate_w2(d, p), lambda: gaussian.rate(d, w2_squared=p)),
        ("gaussian D(R, P), W2", lambda: distortion_w2(r, p), lambda: gaussian.distortion(r, w2_squared=p)),
        ("gaussian P(R, D), W2", lambda: perception_w2(r, above), lambda: gaussian.perception(r, above)),
        (
            "gaussian R(D, 0; Rc)",
            lambda: rate_limited(d, rc),
            lambda: gaussian.rate(d, w2_squared=0, common_randomness=rc),
        ),
        (
            "gaussian D(R, 0; Rc)",
            lambda: distortion_limited(r, rc),
            lambda: gaussian.distortion(r, w2_squared=0, common_randomness=rc),
        ),
        (
            "bernoulli R(D)",
            lambda: np.where(bit < 0.3, entropy(0.3) - entropy(bit), 0),
            lambda: bernoulli.rate(bit, probability=0.3),
        ),
        (
            "bernoulli R(D, P)",
            lambda: rate_bernoulli_tv(bit, 0.3, tv),
            lambda: bernoulli.rate(bit, probability=0.3, tv=tv),
        ),
        ("laplace R(D), L1", lambda: np.maximum(np.log2(1 / d), 0), lambda: laplace.rate(d)),
        (
            "gaussian KL",
            lambda: kl(m, v, 0, 1),
            lambda: divergences.gaussian_kl(m, v, 0, 1),
        ),
        (
            "gaussian W2²",
            lambda: m**2 + (np.sqrt(v) - 1) ** 2,
            lambda: divergences.gaussian_w2_squared(m, v, 0, 1),
        ),
    ]


def spectra_cases():
    image = spectra.power_law_image(1000, EIGENVALUES // 1000)
    one, many = EIGENVALUES * 1.0, EIGENVALUES * np.linspace(0.1, 4, 10)
    vector = gaussian_vector.distortion
    return [
        ("D(R)", lambda: vector(one, eigenvalues=image)),
        ("R(D)", lambda: gaussian_vector.rate(image.sum() / 10, eigenvalues=image)),
        ("D(R, 0)", lambda: vector(one, eigenvalues=image, w2_squared=0)),
        (
            "D(R, 0), no common randomness",
            lambda: vector(one, eigenvalues=image, w2_squared=0, common_randomness=0),
        ),
        (
            "D(R, 0; Rc), half a bit each",
            lambda: vector(one, eigenvalues=image, w2_squared=0, common_randomness=EIGENVALUES / 2),
        ),
        ("D(R, P), W2", lambda: vector(one, eigenvalues=image, w2_squared=image.sum() / 100)),
        ("D(R) at ten rates", lambda: vector(many, eigenvalues=image)),
        *(
            (
                f"DiffC-{method}: D(R)",
                lambda method=method: diffc.distortion(one, eigenvalues=image, method=method),
            )
            for method in ("A", "F", "A*", "F*")
        ),
    ]


def main():
    print(f"{POINTS:,} points, best of 3; a quarter of NumPy's speed is a ratio of 4")
    print(f"{'':>24} {'bare formula':>13} {'rdp.theory':>11} {'ratio':>6}")
    slow = []
    for name, bare, ours in cases(np.random.default_rng(0)):
        with np.errstate(all="ignore"):
            first = best_of(3, bare)
        second = best_of(3, ours)
        print(f"{name:>24} {first:11.3f} s {second:9.3f} s {second / first:6.2f}")
        if second > 4 * first:
            slow.append(name)
    print(f"\n{EIGENVALUES:,} eigenvalues of an image with a 1/f² spectrum, seconds, once")
    for name, call in spectra_cases():
        print(f"{name:>30} {best_of(1, call):8.2f} s")
    if slow:
        print(f"\nslower than a quarter of NumPy: {', '.join(slow)}")


if __name__ == "__main__":
    main()
