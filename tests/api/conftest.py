import pytest

from tests.support.api import Api


@pytest.fixture
def api(db):
    """A caller that may do everything."""
    return Api()
