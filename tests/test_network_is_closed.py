"""The suite itself: nothing in it reaches beyond this machine."""

import socket

import pytest
from pytest_socket import SocketConnectBlockedError


def test_only_loopback_can_be_connected_to():
    with socket.socket() as listener, socket.socket() as near, socket.socket() as far:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        near.connect(listener.getsockname())
        with pytest.warns(UserWarning, match="192"), pytest.raises(SocketConnectBlockedError):
            far.connect(("192.0.2.1", 80))
