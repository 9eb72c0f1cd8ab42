"""Evaluations out of numbers, for tests of curves and comparisons."""

import numpy as np

from rdp.evaluate import aggregate

SYMBOLS = 1000
RATES = np.array([[0.2, 0.4, 0.9, 1.5], [0.3, 0.5, 1.1, 2.5], [0.1, 0.15, 0.4, 0.7]])
PSNR = np.array([[28.0, 30.5, 34.0, 36.0], [25.0, 27.5, 31.0, 36.0], [33.0, 34.0, 38.5, 41.0]])
PLAIN = (RATES, PSNR)


def records(channel, rates, *, first=0, source="photographs:toy", seed=0, kind="coded", **metrics):
    """Of one setting, by the rates of its items and by metrics of each."""
    return [
        {
            "channel": channel,
            "source": source,
            "seed": seed,
            "item": first + i,
            "name": f"{first + i}.png",
            "kind": kind,
            "bits": float(rate) * SYMBOLS,
            "shape": [10, 100, 3],
            "symbols": SYMBOLS,
            "photograph": True,
            "distortions": {name: float(values[i]) for name, values in metrics.items()},
            "seconds": {},
            "rdp": "0.1.0",
        }
        for i, rate in enumerate(rates)
    ]


def curve(name, rates, metric="psnr_db", **about):
    """From rates (items, settings) and values of a metric of the same shape, or a pair of both."""
    rates, values = rates
    return [
        aggregate(records(f"{name}:quality={k}", rates[:, k], **{metric: values[:, k]}, **about))
        for k in range(rates.shape[1])
    ]


def twice(rates, values):
    """One item's curve as that of two equal items, since one has no error."""
    return np.array([rates, rates]), np.array([values, values])


def straight(log2_rates, slope, offset):
    """Items whose dB are linear in log2 rate: every interpolation of them is exact."""
    log2_rates = np.array(log2_rates)
    return 2.0**log2_rates, slope * log2_rates + offset


def one(channel, rates, **metrics):
    """Of one setting."""
    return aggregate(records(channel, rates, **metrics))
