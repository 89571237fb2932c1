import pytest

from tests import recorded_traffic


@pytest.fixture(scope="session")
def response_of():
    """The recorded answer as a transport would hand it over."""
    return recorded_traffic.response_of


@pytest.fixture(scope="session")
def recorded_chats():
    """Every recorded exchange of the chat completions wire."""
    return recorded_traffic.recorded("openai.chat")


@pytest.fixture(scope="session")
def recorded_faults():
    """The failures of all vendors, by name."""
    return recorded_traffic.faults()
