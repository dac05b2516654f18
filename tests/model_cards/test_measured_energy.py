"""The energy of a run: told where codecarbon and a country are there, and no reason to stop where they are not."""

import socket
import sys

import pytest

from traceformers.model_cards.card import read_energy
from traceformers.model_cards.measured_energy import COUNTRY, measured_energy


def test_without_a_country_nothing_is_counted(tmp_path, monkeypatch):
    monkeypatch.delenv(COUNTRY, raising=False)
    with measured_energy(tmp_path) as counted:
        assert not counted
    assert read_energy(tmp_path) is None


def test_without_codecarbon_nothing_is_counted(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with measured_energy(tmp_path, "DEU") as counted:
        assert not counted
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("country", ["Germany", "DE", "12A"])
def test_a_country_that_is_none_is_refused(tmp_path, monkeypatch, country):
    monkeypatch.setenv(COUNTRY, country)
    with pytest.raises(ValueError, match="three letters of a country"), measured_energy(tmp_path):
        pass


def test_each_part_of_a_run_adds_a_row_and_no_connection_is_opened(tmp_path, monkeypatch):
    pytest.importorskip("codecarbon")
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    for _ in range(2):
        with measured_energy(tmp_path / "run", "isl") as counted:
            assert counted
            sum(number * number for number in range(200_000))
    energy = read_energy(tmp_path / "run")
    assert energy["country"] == "Iceland" and energy["kwh"] > 0 and energy["tracker"].startswith("codecarbon ")
    assert len((tmp_path / "run" / "emissions.csv").read_text().splitlines()) == 3
    assert asked == []


def test_an_error_of_the_run_goes_through(tmp_path):
    with pytest.raises(RuntimeError, match="of the run"), measured_energy(tmp_path):
        raise RuntimeError("of the run")
