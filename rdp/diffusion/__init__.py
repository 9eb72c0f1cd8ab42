"""Diffusion: levels, denoisers from the exact to the learned, samplers, and what a noisy copy costs.

``schedules``   noise levels, the coordinates they have names in, and the order in which they are visited
``denoisers``   what a denoiser is
``exact``       denoisers of laws that are known: Gaussian, mixture, scalars, circle, points
``adapters``    denoisers of networks trained elsewhere
``samplers``    ancestral sampling and the probability flow
``rates``       nats per step, equal steps, the discretised last step
``likelihood``  the law that a denoiser stands for: its log-density, for observers and critics

Nothing here knows sources or codecs: a denoiser takes arrays.
"""
