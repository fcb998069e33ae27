import pytest

from tests.api.client import Api


@pytest.fixture
def api(db):
    """A caller that may do everything."""
    return Api()
