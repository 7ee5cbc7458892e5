"""What the tests of all proxies share."""

from __future__ import annotations

import pytest

from support.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Signs the certificates of the proxies."""
    return Authority(tmp_path_factory.mktemp("authority"))
