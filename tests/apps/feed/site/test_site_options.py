"""Options and passwords: what would be unsafe is refused where it is made."""

import stat

import pytest

from traceformers.apps.feed.site import site_password
from traceformers.apps.feed.site.site_guard import host_is_ours
from traceformers.apps.feed.site.site_options import SiteOptions
from traceformers.apps.feed.site.site_password import (
    AttemptLimiter,
    entry_mark,
    hash_password,
    password_fits,
    read_or_make_secret,
)


def test_only_this_machine_is_served_by_default(tmp_path):
    assert SiteOptions(tmp_path).host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "feed.example.org"])
def test_an_address_that_others_reach_needs_a_password(tmp_path, host):
    with pytest.raises(ValueError, match="Expected a password"):
        SiteOptions(tmp_path, host=host)
    assert SiteOptions(tmp_path, host=host, password_hash=hash_password("long enough")).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_addresses_need_none(tmp_path, host):
    assert SiteOptions(tmp_path, host=host).password_hash is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"thumbnails": "yes"},
        {"embed": "never"},
        {"page_size": 0},
        {"page_size": 1000},
        {"port": 0},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"thumbnail_base": "file:///etc"},
        {"session_days": 0},
    ],
)
def test_a_wrong_option_is_named(tmp_path, wrong):
    with pytest.raises(ValueError, match="Expected") as error:
        SiteOptions(tmp_path, **wrong)
    assert str(next(iter(wrong.values()))) in str(error.value)


def test_the_password_is_not_shown_with_the_options(tmp_path):
    password_hash = hash_password("long enough")
    assert password_hash not in repr(SiteOptions(tmp_path, password_hash=password_hash))


def test_a_password_fits_its_own_hash_only():
    kept = hash_password("correct horse ☂")
    assert "correct" not in kept
    assert password_fits("correct horse ☂", kept)
    assert not password_fits("correct horse", kept)
    assert not password_fits("", kept)


def test_one_password_has_a_new_hash_each_time():
    assert hash_password("long enough") != hash_password("long enough")


def test_a_kept_hash_changes_with_the_password_only(tmp_path):
    path = tmp_path / "site_password_hash"
    first = site_password.kept_hash("long enough", path)
    assert site_password.kept_hash("long enough", path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = site_password.kept_hash("another one", path)
    assert password_fits("another one", other) and not password_fits("long enough", other)
    path.write_text("broken")
    assert password_fits("another one", site_password.kept_hash("another one", path))
    assert [file.name for file in tmp_path.iterdir()] == ["site_password_hash"]


def test_a_short_password_and_a_broken_hash_are_refused():
    with pytest.raises(ValueError, match="at least 8"):
        hash_password("short")
    for broken in ("", "plain", "scrypt$x$8$1$AA==$AA==", "md5$1$1$1$AA==$AA=="):
        with pytest.raises(ValueError, match="Expected a password hash"):
            password_fits("anything", broken)


def test_another_password_ends_all_sessions():
    assert entry_mark(hash_password("long enough")) != entry_mark(hash_password("long enough"))


def test_the_cookie_secret_is_random_kept_and_private(tmp_path):
    first, other = tmp_path / "a" / "site_secret", tmp_path / "b" / "site_secret"
    secret = read_or_make_secret(first)
    assert len(secret) >= 32
    assert read_or_make_secret(first) == secret
    assert read_or_make_secret(other) != secret
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert [path.name for path in first.parent.iterdir()] == ["site_secret"]


def test_a_secret_that_others_could_read_is_made_private(tmp_path):
    path = tmp_path / "site_secret"
    secret = read_or_make_secret(path)
    path.chmod(0o644)
    assert read_or_make_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "site_secret").write_text("guess")
    with pytest.raises(ValueError, match="Delete it"):
        read_or_make_secret(tmp_path / "site_secret")


def test_wrong_passwords_cost_longer_and_longer_waits():
    now = [0.0]
    limiter, waits = AttemptLimiter(clock=lambda: now[0]), []
    for _ in range(site_password.FREE_ATTEMPTS + 12):
        waits.append(limiter.wait_seconds("10.0.0.9"))
        now[0] += waits[-1]
        limiter.failed("10.0.0.9")
    assert waits[: site_password.FREE_ATTEMPTS] == [0.0] * site_password.FREE_ATTEMPTS
    later = waits[site_password.FREE_ATTEMPTS :]
    assert later == sorted(later) and later[0] >= 2.0 and later[-1] == site_password.LONGEST_WAIT
    assert limiter.wait_seconds("10.0.0.10") == 0.0
    limiter.fitted("10.0.0.9")
    assert limiter.wait_seconds("10.0.0.9") == 0.0


def test_counting_attempts_cannot_fill_the_memory(monkeypatch):
    monkeypatch.setattr(site_password, "ADDRESSES", 10)
    limiter = AttemptLimiter()
    for n in range(100):
        limiter.failed(f"10.0.0.{n}")
    assert len(limiter._failed) == 10


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8090", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8090", True),
        ("192.168.1.4:8090", True),
        ("my-laptop:8090", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example:8090", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[::1", False),
        ("127.0.0.1:port", False),
        ("evil.example@127.0.0.1", True),  # the host is the address; a browser never sends a user
    ],
)
def test_a_name_that_can_be_turned_to_this_machine_is_no_host_of_ours(host, ours):
    assert host_is_ours(host, {"localhost", "my-laptop"}) is ours
