"""Errors of the Hub as one line and an exit code, and which of them are worth another try."""

import re

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import OfflineModeIsEnabled

from traceformers.apps.hub import hub_faults
from traceformers.apps.hub.folder_checks import CHECKS
from traceformers.apps.hub.hub_faults import EXIT_CODES, HubFault, fault_of, retrying

TOKEN = "hf_" + "a1B2c3D4" * 4


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(hub_faults, "FIRST_WAIT", 0.01)


def error_of(hub, **fault):
    """Returns what the real client raises when the Hub answers so."""
    hub.put("user/faulty", {"config.json": b"{}"})
    with hub.failing("GET /api/models/user/faulty", **fault), pytest.raises(Exception) as caught:
        HfApi().model_info("user/faulty")
    return caught.value


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"status": 401, "headers": {"X-Error-Message": "Invalid credentials in Authorization header"}}, 4),
        ({"status": 403}, 4),
        ({"status": 403, "headers": {"X-Error-Code": "GatedRepo"}}, 4),
        ({"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}, 5),
        ({"status": 404, "headers": {"X-Error-Code": "RevisionNotFound"}}, 5),
        ({"status": 404}, 5),
        ({"status": 409}, 6),
        ({"status": 412}, 6),
        ({"status": 429}, 7),
        ({"status": 500}, 7),
        ({"status": 504}, 7),
        ({"status": 418}, 1),
        ({"cut_after": 0}, 7),
    ],
    ids=str,
)
def test_every_answer_has_its_code_and_one_line(hub, fault, code):
    found = fault_of(error_of(hub, **fault), "user/faulty")
    assert found.exit_code == code and "\n" not in str(found)
    assert "user/faulty" in str(found) and len(str(found)) < 400


def test_a_hub_that_is_not_there_is_out_of_reach():
    with pytest.raises(Exception) as caught:
        HfApi(endpoint="http://127.0.0.1:9").model_info("user/x")
    assert fault_of(caught.value).exit_code == hub_faults.UNREACHED


def test_a_client_that_is_told_to_stay_offline_is_not_asked_again():
    def offline():
        calls.append(1)
        raise OfflineModeIsEnabled("offline")

    calls = []
    with pytest.raises(OfflineModeIsEnabled) as caught:
        retrying(offline)
    assert len(calls) == 1 and "HF_HUB_OFFLINE is set" in str(fault_of(caught.value, "user/x"))


def test_a_token_is_never_said():
    fault = HubFault(f"Expected something, got {TOKEN}\nin two lines")
    assert TOKEN not in str(fault) and "hf_***" in str(fault) and "\n" not in str(fault)
    assert TOKEN not in str(fault_of(RuntimeError(f"Authorization: Bearer {TOKEN}")))


def test_what_another_try_does_not_help_is_tried_once(hub):
    hub.put("user/once", {})
    for status in (400, 401, 403, 404, 409, 412):
        with hub.failing("GET /api/models/user/once", status=status, times=9) as fault, pytest.raises(Exception):  # noqa: B017
            retrying(HfApi().model_info, "user/once")
        assert fault.met == 1, status


def test_the_wait_is_what_the_hub_asks_for_or_doubles(hub, monkeypatch):
    waits, notes = [], []
    monkeypatch.setattr(hub_faults.time, "sleep", waits.append)
    monkeypatch.setattr(hub_faults, "FIRST_WAIT", 1.0)
    hub.put("user/waits", {})
    with (
        hub.failing("GET /api/models/user/waits", status=503),
        hub.failing("GET /api/models/user/waits", status=429, headers={"Retry-After": "7"}),
        hub.failing("GET /api/models/user/waits", cut_after=0, times=2),
    ):
        assert retrying(HfApi().model_info, "user/waits", note=notes.append).id == "user/waits"
    assert waits == [1.0, 7.0, 4.0, 8.0] and len(notes) == 4
    with hub.failing("GET /api/models/user/waits", status=502, times=99) as fault, pytest.raises(Exception):  # noqa: B017
        retrying(HfApi().model_info, "user/waits")
    assert fault.met == hub_faults.TRIES


def test_the_page_names_every_exit_code_and_every_check(repository_root):
    page = (repository_root / "docs" / "hub.md").read_text()
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d) \| (.+) \|$", page, flags=re.MULTILINE)}
    assert sorted(rows) == sorted(EXIT_CODES)
    assert re.findall(r"^\| `(\w+)` \| [a-z]", page, flags=re.MULTILINE) == list(CHECKS)
