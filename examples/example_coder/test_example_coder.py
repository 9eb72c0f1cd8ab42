"""Three lines test a coder, and three a codec."""

import example_coder
import numpy as np

from rdp.coders.proposals import StandardNormal
from rdp.testing import codec_laws, gaussian_cases, laws, numbers, simulator_laws


@laws(simulator_laws(example_coder.FirstAccepted(StandardNormal()), gaussian_cases(), n=400))
def test_coder(law):
    """Every law of channel simulation."""
    law()


@laws(codec_laws(example_coder.Noisy(), numbers(sizes=(1, 2, 50)), refused={"bytes": np.zeros(3, np.uint8)}))
def test_codec(law):
    """Every law of a codec."""
    law()
