"""What is possible: closed forms and certified numerics, one module for each source or scheme.

``gaussian``  one Gaussian symbol, squared error: rate, distortion, W2 realism, common randomness
``circle``    an angle, chordal error: the one-bit schemes of the talk and the bounds below them
``dither``    dithered (universal) quantisation of a Gaussian: its rate, its error, its output law

A module is imported by name, ``from rdp.theory import gaussian``. Nothing here knows the channels and coders
that it predicts: they meet in ``sims`` and in tests, because agreement is evidence only between independent
routes.
"""
