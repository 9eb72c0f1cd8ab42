# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Rate, distortion and realism: a tour
#
# Lossy compression has three axes. *Rate* is how many bits are sent, *distortion* is how far the
# reconstruction is from the source, and *realism* is how far the *law* of reconstructions is from the law
# of sources. This tour measures all three on a Gaussian and on the circle, first through ideal channels,
# then through bytes.
#
# Nothing is defined here: everything is imported from `rdp` and `sims`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from rdp import evaluate
from rdp.codecs.circle import CircleCodec
from rdp.codecs.dithered import DitheredGaussian
from rdp.realism import GaussianW2Squared, mse, squared_error_per_symbol
from rdp.sources import CircleBlock, GaussianBlock
from rdp.theory import circle, dither, gaussian
from sims.gaussian import limited_channel, realistic_channel, shannon_channel

source = GaussianBlock(4096)

# %% [markdown]
# ## A Gaussian, and what Shannon says
#
# For $X \sim N(0, 1)$ and squared error, $R(D) = \frac12 \log_2 (1/D)$. The test channel that attains it
# shrinks: its output has variance $1 - D$. The error is as small as it can be, but the reconstructions do
# not look like the source. `evaluate` sends blocks through the channel and measures; every number has its
# standard error.

# %%
shannon = evaluate(
    shannon_channel(1.0),
    source,
    items=64,
    seed=0,
    distortions=[mse],
    divergences=[GaussianW2Squared()],
)
print("theory:   distortion", float(gaussian.distortion(1.0)), "at 1 bit")
print("measured: distortion", shannon.distortions["mse"], "at", shannon.bits_per_symbol, "bits")
print("realism:  squared Wasserstein distance", shannon.divergences["gaussian_w2_squared"])

# %% [markdown]
# ## Perfect realism
#
# Demand that $\hat X$ has exactly the law of $X$. With unlimited common randomness the cost is small, and
# it vanishes at high rate: $D = 2(1 - \sqrt{1 - 2^{-2R}})$. Without any common randomness it is a factor
# of exactly two at every rate. One shared bit removes about three quarters of the penalty.

# %%
for name, channel, theory in [
    ("unlimited", realistic_channel(1.0), gaussian.distortion(1.0, w2_squared=0)),
    ("one bit  ", limited_channel(1.0, 1.0), gaussian.distortion(1.0, w2_squared=0, common_randomness=1)),
    ("none     ", limited_channel(1.0, 0.0), gaussian.distortion(1.0, w2_squared=0, common_randomness=0)),
]:
    result = evaluate(channel, source, items=64, seed=0, distortions=[mse], divergences=[GaussianW2Squared()])
    print(
        f"{name}  theory {float(theory):.4f}  measured {result.distortions['mse']}  "
        f"W2² {result.divergences['gaussian_w2_squared']}"
    )

# %%
rates = np.linspace(0.01, 3, 200)
best = gaussian.distortion(rates)
for shared, label in [(np.inf, "unlimited"), (1.0, "1 bit"), (0.0, "none")]:
    cost = gaussian.distortion(rates, w2_squared=0, common_randomness=shared)
    plt.plot(rates, 10 * np.log10(cost / best), label=label)
plt.xlabel("rate in bits")
plt.ylabel("cost of perfect realism in dB")
plt.legend(title="common randomness")
plt.show()

# %% [markdown]
# ## From channels to bytes
#
# An ideal channel states its information; a codec ships bytes, and what counts is what the decoder was
# given. Universal quantisation draws a dither $U$ that both ends know, sends $K = \lfloor Y - U + \frac12
# \rfloor$, and reconstructs $K + U$. The result has the law of $Y$ plus *independent* uniform noise, and
# $K$ costs $H(K|U) = I(Y; Y + U')$ bits.

# %%
codec = DitheredGaussian(step=1.0)
blocks = GaussianBlock(65536)
for name, channel in [("ideal", codec.ideal()), ("coded", codec)]:
    result = evaluate(channel, blocks, items=16, seed=0, distortions=[mse])
    print(f"{name}: {result.bits_per_symbol} bits, squared error {result.distortions['mse']}")
print("theory:", float(dither.rate(variance=1.0)), "bits, squared error", 1 / 12)

# %% [markdown]
# ## The circle: where should the randomness be?
#
# The talk's toy example: a point on the circle, one bit. A deterministic code with the best decoder
# reconstructs two points inside the circle. If the decoder adds randomness of its own, the reconstructions
# fill the circle, at twice the distortion. If both ends share the randomness, the same bit buys perfect
# realism at much less.

# %%
points = CircleBlock(65536)
for scheme in ("deterministic", "private", "shared"):
    result = evaluate(CircleCodec(2, scheme), points, items=8, seed=0, distortions=[squared_error_per_symbol])
    distortion = result.distortions["squared_error_per_symbol"]
    theory = float(circle.scheme_distortion(2, scheme=scheme))
    print(f"{scheme:13} theory {theory:.4f}  measured {distortion}  bits {result.bits_per_symbol.value:.4f}")
print(
    "no scheme with perfect realism does better at one bit than", float(circle.distortion(1.0, w2_squared=0))
)

# %% [markdown]
# `python -m sims` checks these statements, and more, against simulations that could have refuted them;
# `python -m paper_figures` draws them.
