"""What every test stands on: a temporary home, a Hub on the loopback interface, and no other network.

The environment is set when pytest reads this file, before any test module imports huggingface_hub or torch:
both read it once, at import.
"""

import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from loopback_hub import LoopbackHub

_home = tempfile.TemporaryDirectory(prefix="traceformers-tests-")
_hub = LoopbackHub()
os.environ.update(_hub.environment(Path(_home.name) / "huggingface"))
os.environ.update({"HOME": _home.name, "XDG_CACHE_HOME": f"{_home.name}/cache"})
os.environ.setdefault("OMP_NUM_THREADS", "1")  # equal outputs in two processes need equal thread counts
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("default", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


class NetworkForbidden(RuntimeError):
    """A test opened a connection to another machine."""


def only_loopback(connect):
    """Returns `connect`, a method of socket, for loopback and Unix addresses only."""

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            if host not in ("127.0.0.1", "::1", "localhost"):
                raise NetworkForbidden(f"tests use no network; a connection to {host!r} was asked for")
        return connect(self, address)

    return guarded


@pytest.fixture(autouse=True, scope="session")
def no_network():
    """Only the loopback interface can be reached from this process."""
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", only_loopback(socket.socket.connect))
    patch.setattr(socket.socket, "connect_ex", only_loopback(socket.socket.connect_ex))
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def _loopback():
    with _hub:
        yield
    _home.cleanup()


@pytest.fixture
def hub():
    """The Hub that HF_ENDPOINT names: `push_to_hub` and `from_pretrained("user/name")` work against it."""
    return _hub


@pytest.fixture(scope="session")
def repository_root():
    """The folder that holds setup.cfg."""
    return Path(__file__).resolve().parent.parent
