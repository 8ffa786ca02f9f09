"""The server from which fits are forked that are then killed, starved and lied to."""

import os

import pytest

from tests.faults._server import Server


def pytest_collection_modifyitems(items):
    if not hasattr(os, "fork"):
        here = os.path.dirname(__file__)
        for item in items:
            if str(item.path).startswith(here):
                item.add_marker(pytest.mark.skip(reason="needs fork"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("faults"))
    yield server
    server.close()
