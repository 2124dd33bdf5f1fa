"""One ConSE for the tests of this folder."""

import pytest

from openmov.model.backbones.conse import ConSEBackbone


@pytest.fixture(scope="session")
def conse() -> ConSEBackbone:
    return ConSEBackbone.load()
