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
# # The ½ theorem: from a Gaussian to a trained network
#
# A diffusion codec sends a noisy copy of the data, $Z = \alpha X + \sigma U$ with $\alpha^2 + \sigma^2 = 1$:
# as the bits arrive the noise falls. Whenever the decoder stops, it has to make something realistic of what
# it has. It knows two ways:
#
# * **DiffC-A** goes on drawing, and ends with a sample of the posterior, $\hat X_A \sim P(X \mid Z)$;
# * **DiffC-F** adds no more randomness, and follows the probability flow, an ordinary differential equation,
#   from $Z$ to $\hat X_F$.
#
# Both reconstructions have the law of $X$. Which is closer to it? Theis, Salimans, Hoffman and Mentzer (2022)
# proved that for smooth densities the flow wins by a factor that does not depend on the data at all:
# $$\frac{E\|\hat X_F - X\|^2}{E\|\hat X_A - X\|^2} \to \frac12 \quad\text{as } \sigma \to 0.$$
#
# Here we watch it happen: for a Gaussian, in closed form; for other densities; for two laws that break the
# rules; and at last for natural patches and a network, where nobody hands us the truth, and where we must
# find out what our numbers mean. Noise is counted as $n = \sigma^2/\alpha^2$, the variance that is added to
# $X$.

# %%
import matplotlib.pyplot as plt
import numpy as np
from threadpoolctl import threadpool_limits

from rdp import private_rng
from rdp.diffusion import exact
from rdp.diffusion.schedules import alpha, log_snr_from_noise, sigma
from rdp.estimate import Moments
from rdp.sources import patch_prior
from rdp.theory import diffc
from sims import half_theorem as laws
from sims import natural_patches as patches

threadpool_limits(1)  # many small products: more threads would only wait for each other
rng = private_rng(0)

# %% [markdown]
# ## A Gaussian
#
# Everything is linear. The posterior has the variance $n/(1+n)$, so that a sample of it is off by twice
# that, $D_A = 2n/(1+n)$. The flow stretches $Z$ back to unit variance, and is off by $D_F = D_A/(1+\rho)$,
# with $\rho = 1/\sqrt{1+n}$ the correlation of $X$ and $Z$. Beside the closed form stands a simulation, whose
# ratios have their standard errors; and beside the ratio of interest stands another one, which will be of
# great use later: **a posterior sample has exactly twice the error of the posterior mean**, since $X$ itself
# is another sample of that posterior.

# %%
gaussian = exact.Gaussian([1.0])
x = gaussian.sample(100_000, shape=(1,), rng=rng)
for n in (1.0, 0.1, 0.01):
    level = float(log_snr_from_noise(n))
    z = alpha(level) * x + sigma(level) * rng.standard_normal(x.shape)
    decoded = gaussian.flow(z, level), gaussian.posterior_sample(z, level, rng=rng), gaussian(z, level)
    errors = Moments(3).add(np.hstack([(x - recon) ** 2 for recon in decoded]))
    print(f"n = {n:4}   D_F/D_A in theory {diffc.ratio(n, eigenvalues=[1.0]):.4f}", end="")
    print(f"   measured {errors.ratio(0, 1)}   D_A/D_mean {errors.ratio(1, 2)}")

# %% [markdown]
# ## Why one half?
#
# When there is little noise, any smooth density is flat as far as the noise reaches, and the posterior is
# nearly $N(Y, n)$ about $Y = Z/\alpha$. The error of $Y$ is the noise: $n$ in each dimension. The posterior
# sample adds fresh noise of the same size to it: $2n$. The flow does not add anything, and moves $Y$ by
# $\frac n2 \nabla \ln p(Y)$ only, half as far as the posterior mean: for small $n$ that is next to nothing,
# and $n$ remains.
#
# What remains after this is of the next order:
# $$\frac{D_F}{D_A} = \frac12 + \frac{nG}{8M} + O(n^2), \qquad G = E\|\nabla \ln p(X)\|^2,$$
# in $M$ dimensions. The Fisher information $G$ says how quickly the density changes, and so how small the
# noise must be before the theorem is felt. For a Gaussian with eigenvalues $\lambda_i$ it is
# $\sum 1/\lambda_i$: *the smallest one* decides. Keep that in mind for photographs.
#
# Here is the excess over ½ in units of $nG/8M$: quadrature from distribution functions for a mixture of two
# Gaussians and for the logistic law, and then a measurement for a mixture in 64 dimensions.

# %%
score = laws.MIXTURE.score(laws.MIXTURE.sample(100_000, rng=rng), 60.0)
information = {"mixture": float(np.mean(score**2)), "logistic": 1 / 3}

relative = np.geomspace(0.02, 5, 7)  # nG
plt.plot(relative, (diffc.ratio(relative, eigenvalues=[1.0]) - 0.5) * 8 / relative, "k", label="Gaussian")
for name, fisher in information.items():
    pairs = np.array([laws.flow_errors(name, float(r / fisher)) for r in relative])  # mmse, D_F − mmse
    ratio = pairs.sum(axis=1) / (2 * pairs[:, 0])
    plt.plot(relative, (ratio - 0.5) * 8 / relative, label=name)
plt.axhline(1, color="grey", linewidth=0.6)
plt.xscale("log")
plt.xlabel("$nG/M$")
plt.ylabel(r"$(D_F/D_A - \frac{1}{2})\,/\,(nG/8M)$")
plt.legend()
plt.show()

# %%
law = next(law for law in laws.LAWS if law.dimension == 64)
x = law.draw(4000, rng)
fisher = float(np.mean(np.sum(law.score(x) ** 2, axis=1)))
n = 0.1 * 64 / fisher
level = float(log_snr_from_noise(n))
z = laws.noisy(x, rng.standard_normal(x.shape), level)
flow, sample = laws.integrated(law.denoiser, 12)(z, level), law.denoiser.posterior_sample(z, level, rng=rng)
errors = Moments(2).add(np.stack([np.sum((x - recon) ** 2, axis=1) for recon in (flow, sample)], axis=1))
expected = float(diffc.ratio_expansion(n, fisher_information=fisher, dimension=64))
print(f"64 dimensions, nG/M = 0.1: to next order {expected:.4f}, measured {errors.ratio(0, 1)}")

# %% [markdown]
# ## Two laws that break the rules
#
# **Uniform on an interval.** The density jumps, and $G = \infty$. The limit is still ½, since only what lies
# within the noise's reach of a jump is affected; but there are $O(\sqrt n)$ of those points, so that the
# excess falls like $\sqrt n$, and not like $n$.
#
# **Two points**, $X = \pm1$. There is no density, and no ½: the decoder is either certain or it is not, the
# flow takes the nearer point, and the ratio tends to $2/\pi$. By then both are hardly ever wrong: the ratio
# compares two kinds of nothing.
#
# On logarithmic scales the excess over ½ shows its order: slope 1, slope ½, and a level.

# %%
noises = np.geomspace(1e-4, 1, 13)
uniform = np.array([laws.uniform_errors(float(n / 12)) for n in noises])  # on (0, 1): variance 1/12
points = np.array([laws.two_point_ratio(float(n)) for n in noises[4:]])
plt.loglog(noises, diffc.ratio(noises, eigenvalues=[1.0]) - 0.5, "k", label="Gaussian")
plt.loglog(noises, uniform[:, 0] / (2 * uniform[:, 1]) - 0.5, label="uniform")
plt.loglog(noises[4:], points - 0.5, label="two points")
plt.axhline(2 / np.pi - 0.5, color="grey", linewidth=0.6)
plt.xlabel("noise $n$, in units of the variance of $X$")
plt.ylabel(r"$D_F/D_A - \frac{1}{2}$")
plt.legend()
plt.show()

# %% [markdown]
# ## Natural patches, with a law we know
#
# The package ships a mixture of Gaussians that was fitted to 8×8 colour patches of photographs: 192
# dimensions, an exact denoiser, exact posterior samples. Let us first send *its own* samples, so that the
# denoiser's law is the law of the data. From here on noise is given by its standard deviation, of samples
# in [−1, 1].
#
# **First, the sampler.** $D_A/D_{\mathrm{mean}}$ is 2 if it samples the posterior, at every $\sigma$, whatever
# the law. No formula is needed. Beside the exact sampler stands one that takes three big ancestral steps:

# %%
stds = (0.5, 0.1, 0.02)
for std in stds:
    each = [patches.errors(patches.OWN, recon, std, 96, 0) for recon in ("sample", "few steps", "mean")]
    m = Moments(3).add(np.stack(each, axis=1))
    print(f"σ = {std:4}   D_A/D_mean exact {m.ratio(0, 2)}, three steps {m.ratio(1, 2)}")

# %% [markdown]
# The samples of the second are *under-dispersed*: they stay too near the mean. Note that this makes their error
# smaller. Had we judged samplers by PSNR, the broken one would have won, and its $D_F/D_A$ would have come out
# far too large. **A posterior sample that costs less than 3.01 dB is not one.**
#
# **Then the flow.** As the exact sampler is one, we may count $D_A$ as $2 D_{\mathrm{mean}}$, which is known
# better. There is a reference: if each patch told which component it comes from, the flow would be that of a
# Gaussian, and the ratio a sum of closed forms.

# %%
found = {}
for std in stds:
    each = [patches.errors(patches.OWN, recon, std, 48, 0) for recon in ("flow", "mean")]
    found["mixture, own samples", std] = ratio = (
        Moments(2).add(np.stack(each, axis=1)).ratio(0, 1).scaled(0.5)
    )
    print(f"σ = {std:4}   D_F/D_A {ratio}, by component {patches.of_components(std):.3f}")

# %% [markdown]
# It falls towards ½, but how slowly! Noise of 0.02 is between two and three of the 256 grey values, and one
# would have called it invisible. The reason is the smallest eigenvalues: smooth patches hardly vary at high
# frequencies, and in those directions even this noise is large.
#
# ## Photographs, and a network
#
# Now for real patches. They come from photographs that no model here was trained on, reduced three times. We
# ask the same mixture, whose law they do not have, and a network that was trained to denoise patches of
# 32×32 pixels. This is what the network makes of the first four of them with $\sigma = 0.3$:

# %%
network = patches.trained()
kinds = {"Z/α": "received", "mean": "posterior mean", "flow": "flow", "sample": "posterior sample"}
fig, axes = plt.subplots(5, 4, figsize=(6, 8), layout="constrained")
for row, recon in zip(axes, ["original", *kinds], strict=True):
    x, made = patches.reconstructed(network, recon if recon in kinds else "mean", 0.3, 4, 1)
    shown = made if recon in kinds else x
    for ax, pixels in zip(row, shown, strict=True):
        ax.imshow(np.clip((pixels + 1) / 2, 0, 1), interpolation="nearest")
        ax.axis("off")
    row[0].set_title(kinds.get(recon, recon), loc="left", fontsize=9)
plt.show()

# %% [markdown]
# The mean is smooth where it does not know. Flow and sample both invent texture, and you would hardly say
# which of the two is closer to the original. The numbers do:

# %%
for name, setting, count in (("mixture", patches.mismatched(), 32), ("network", network, 12)):
    for std in stds:
        each = [patches.errors(setting, recon, std, count, 1) for recon in ("flow", "sample", "mean")]
        m = Moments(3).add(np.stack(each, axis=1))
        found[f"{name}, photographs", std] = m.ratio(0, 1)
        print(f"{name}, σ = {std:4}   D_F/D_A {m.ratio(0, 1)}   D_A/D_mean {m.ratio(1, 2)}", end="")
        print(f"   D_F/D_mean {m.ratio(0, 2)}")

# %%
for shift, name in (
    (0.96, "mixture, own samples"),
    (1.0, "mixture, photographs"),
    (1.04, "network, photographs"),
):
    ratios = [found[name, std] for std in stds]
    bars = [2 * ratio.stderr for ratio in ratios]
    plt.errorbar([shift * std for std in stds], [r.value for r in ratios], bars, fmt="o-", label=name)
shown = np.geomspace(0.005, 0.8, 40)
mean, covariance = patch_prior().moments()
plt.plot(shown, diffc.ratio(shown**2, eigenvalues=np.linalg.eigvalsh(covariance)), "k", label="one Gaussian")
plt.plot(shown, [patches.of_components(std) for std in shown], "k:", label="mixture, by component")
plt.axhline(0.5, color="grey", linewidth=0.6)
plt.xscale("log")
plt.xlabel("standard deviation of the noise")
plt.ylabel("$D_F/D_A$, ± 2 standard errors")
plt.legend()
plt.show()

# %% [markdown]
# ## How to read this
#
# All three fall, and one is tempted to write "the theorem holds for neural networks". Look at the other
# columns before you do.
#
# * $D_A/D_{\mathrm{mean}}$ should be 2. On photographs it tends to be less, and for the network in
#   particular: its samples are under-dispersed. A denominator that is too small lifts $D_F/D_A$, so that
#   part of the distance from ½ is not the theorem's slow approach but the sampler's fault.
# * $D_F/D_{\mathrm{mean}}$ cannot be below 1, since nothing beats the posterior mean. Where a denoiser's
#   ratio gets there, or below, its mean is not the posterior mean: what we see is **model error**. For a
#   denoiser that is right, $D_F \ge D_{\mathrm{mean}} = D_A/2$, and $D_F/D_A$ never goes below ½.
# * The bars are over patches of eight photographs: they say what other patches of *these* would give.
#
# And the limit $\sigma \to 0$ cannot be taken at all. The theorem asks for a density, and photographs in
# 8 bits have none: they live on a grid of step $2/255 \approx 0.008$. Once the noise is smaller than that,
# they are a set of points like the $\pm1$ above, and the right denoiser rounds to the nearest one. The
# network, which saw little of such noise, does not:

# %%
x = network.patches(16, rng)
for std in (0.02, 0.005, 0.00125):
    level = float(log_snr_from_noise(std**2))
    y = x + std * rng.standard_normal(x.shape)
    denoised = network.denoiser()(float(alpha(level)) * y, level)
    rounded = np.rint(127.5 * y + 127.5) / 127.5 - 1.0
    relative = [float(np.mean((guess - x) ** 2)) / std**2 for guess in (denoised, rounded)]
    print(
        f"σ = {std:7}   squared error over that of Y: network {relative[0]:.3f}, rounding {relative[1]:.3f}"
    )

# %% [markdown]
# So there is a window. Above it the noise is too large for ½; below it there is no density any more, and the
# model is wrong. In between the flow saves most of the 3 dB that a posterior sample costs, for free, and that
# is what the theorem is good for.
#
# `python -m sims --only half-theorem` runs these measurements as claims that could have been refuted, with
# broken samplers that are. `python -m paper_figures --only half_theorem patches` draws them.
