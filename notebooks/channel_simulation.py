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
# # Channel simulation by hand
#
# The encoder knows a law $Q$. The decoder does not, but it shall end with one sample of it. Both know a
# proposal $P$ and share randomness. Sending a sample with all its digits would take any number of bits;
# sending *which of the proposals that both can draw* takes about $\mathrm{KL}(Q\|P)$.
#
# First ten lines of NumPy that do it, then their law, then a mistake that no round trip shows, and at last
# a coder of one's own under the laws of `rdp.testing`.

# %%
import matplotlib.pyplot as plt
import numpy as np

from rdp import private_rng
from rdp.coders.proposals import StandardNormal, draw
from rdp.estimate import Moments
from rdp.testing import LawBroken, gaussian_cases, simulator_laws
from rdp.theory import simulation

# %% [markdown]
# ## A race
#
# Proposals $Y_1, Y_2, \dots$ arrive at the times $T_1 < T_2 < \dots$ of a Poisson process. The target's
# density ratio $r = dQ/dP$ sets the pace: the winner is $K = \arg\min_i T_i / r(Y_i)$, and $Y_K$ has
# exactly the law $Q$. This is the Poisson functional representation of Li and El Gamal. Here it is run
# 20000 times at once, for four symbols.

# %%
q, p = np.array([0.7, 0.1, 0.1, 0.1]), np.full(4, 0.25)
r = q / p

rng = private_rng(1)
runs, candidates = 20_000, 200
arrivals = np.cumsum(rng.exponential(size=(runs, candidates)), axis=1)
proposals = rng.integers(4, size=(runs, candidates))
winner = np.argmin(arrivals / r[proposals], axis=1)
samples = proposals[np.arange(runs), winner]

for symbol in range(4):
    print(f"Q({symbol}) = {q[symbol]:.1f}   measured {Moments().add(samples == symbol).estimate()}")

# %% [markdown]
# Two hundred candidates are enough here: the winner's score is exponential with mean 1, and the
# two-hundredth arrival, divided by $\sup r = 2.8$, comes far behind it. That is also how one knows when to
# stop: once $T_i / \sup r$ exceeds the best score, nobody who comes later can win.
#
# ## What is sent
#
# The decoder draws the same proposals, so $K$ is all it needs. Given the sample $y$, $K$ is geometric with
# mean $1 + E_P[(r(y) - r(Y))_+]$, an exact law.

# %%
k = winner + 1
masses = simulation.poisson_index_masses(q, p, 8)
shown = np.arange(1, 9)
plt.bar(shown, masses, color="lightgrey", label="its law")
plt.plot(shown, [np.mean(k == i) for i in shown], "k.", label="measured")
plt.xlabel("index $K$")
plt.ylabel("probability")
plt.legend()
plt.show()

print("E[K]    theory", simulation.poisson_index_mean(q, p), "  measured", Moments().add(k).estimate())
print("H(K)    theory", round(simulation.poisson_index_entropy(q, p), 4), "bits")
kl = float(np.sum(q * np.log2(r)))
print("KL(Q‖P)       ", round(kl, 4), "bits, so that H(K) is guaranteed to be at most", end=" ")
print(round(float(simulation.poisson_entropy_bound(kl)), 4))

# %% [markdown]
# ## Why it must not be cut short
#
# "$2^{\mathrm{KL}}$ candidates should do." They do not. Let $Q$ be certain of one symbol that the proposal
# draws with probability $2^{-10}$, so that KL is 10 bits, and race 1024 candidates: with probability $(1 -
# 2^{-10})^{1024}$ the symbol is not among them, and whatever is sent then is wrong.

# %%
rare = private_rng(2).random((2000, 1024)) < 2.0**-10
missed = Moments().add(~rare.any(axis=1)).estimate()
certain, uneven = np.array([1.0, 0.0]), np.array([2.0**-10, 1.0 - 2.0**-10])
print("total variation: measured", missed, "  exactly", round((1.0 - 2.0**-10) ** 1024, 4))
print("and among 512, whatever the rule, at least", simulation.selection_tv_bound(certain, uneven, 512))

# %% [markdown]
# ## A coder of one's own
#
# A simulator has two methods. Common randomness comes from `shared`, which both ends have; a proposal is
# made from its words, and the same words give the same samples everywhere.


# %%
class Race:
    """The race above, for any target with a bounded density ratio."""

    def __init__(self, proposal):
        self.proposal = proposal

    def encode(self, target, *, shared, rng):
        if target.log_ratio_bound > np.log(2**12):
            raise ValueError("this target would need more than 2¹² proposals")
        best, k, time, i = np.inf, 0, 0.0, 0
        while i == 0 or np.log(time) - target.log_ratio_bound < best:
            times = time + np.cumsum(-np.log(1.0 - shared.uniform(64, start=i)))
            scores = np.log(times) - target.log_ratio(draw(self.proposal, shared, 64, start=i))
            if scores.min() < best:
                best, k = scores.min(), i + scores.argmin()
            time, i = times[-1], i + 64
        return np.array([k])

    def decode(self, symbols, *, shared):
        if symbols.shape != (1,) or symbols.dtype != np.int64 or symbols[0] < 0:
            raise ValueError(f"symbols={symbols} must be one index")
        return draw(self.proposal, shared, 1, start=int(symbols[0]))[0]


# %% [markdown]
# `gaussian_cases` has targets from one that is the proposal itself to one far out and narrow. Each law says
# what it would see. (One law is left out: a fresh process cannot import what is defined in a notebook. In a
# file of tests it comes for free.)

# %%
found = simulator_laws(Race(StandardNormal()), gaussian_cases(bits=5.0), n=400)
for law in found:
    if law.name != "check_simulator_in_fresh_process":
        law()
        print("holds ", law)

# %%
(law,) = [law for law in found if str(law) == "Race-check_sample_law-narrow"]
for seen in law.power():
    print(seen)

# %% [markdown]
# ## And a broken one
#
# The same race among the first eight alone. It is consistent, the decoder gets what the encoder chose, and
# the bits are fewer. Where the target is close to the proposal nothing is wrong with it that these numbers
# of samples would show; where it is not, the law of the sample is not the target's.


# %%
class ShortRace(Race):
    """Stops after eight proposals."""

    def encode(self, target, *, shared, rng):
        times = np.cumsum(-np.log(1.0 - shared.uniform(8)))
        return np.array([np.argmin(np.log(times) - target.log_ratio(draw(self.proposal, shared, 8)))])


for law in simulator_laws(ShortRace(StandardNormal()), gaussian_cases(bits=5.0), n=400):
    if law.name == "check_sample_law":
        try:
            law()
            print("holds ", law)
        except LawBroken as error:
            print("BROKEN", law)
            print("      ", str(error).partition(";")[0])

# %% [markdown]
# In a file of tests all this is three lines; `docs/test-your-coder.md` has them, and `docs/which-coder.md`
# says which of the coders in `rdp.coders` to take.
