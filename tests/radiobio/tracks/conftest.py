import numpy as np
import pytest

from dosimetry import decay_chain
from radiobio.tracks import simulate_hits


@pytest.fixture(scope="session")
def lutetium():
    return simulate_hits("Lu-177", rng=np.random.default_rng(11), n_histories=60_000)


@pytest.fixture(scope="session")
def radium():
    chain = decay_chain("Ra-223")
    return simulate_hits(chain, rng=np.random.default_rng(12), n_histories=60_000)
