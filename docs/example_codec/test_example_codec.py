"""Three lines test it."""

import example_codec
import numpy as np

from rdp.testing import codec_laws, laws, photographs


@laws(codec_laws(example_codec.Blocks(), photographs(), refused={"floats": np.zeros((8, 8, 3))}))
def test_codec(law):
    """Every law of a codec."""
    law()
