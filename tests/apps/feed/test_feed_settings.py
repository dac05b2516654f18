"""Settings: every key explained and written once, wrong ones refused by name, secrets for their owner alone."""

import os
import stat
import subprocess
import sys
import tomllib
from dataclasses import fields

import pytest

from traceformers.apps.feed.feed_beginning import begin_feed, encoder_for_this_machine, local_time_zone
from traceformers.apps.feed.feed_home import HOME_VARIABLE, FeedBusy, FeedHome, default_home, write_atomically
from traceformers.apps.feed.feed_secrets import FeedSecrets, keep_secrets, write_secrets
from traceformers.apps.feed.feed_settings import FeedSettings, SettingsError, settings_text
from traceformers.apps.feed.open_feed import database_url, open_feed


def test_the_written_settings_are_read_back_as_they_were():
    settings = FeedSettings().changed("general", time_zone="Asia/Hong_Kong").changed("privacy", drop=[r"(?i)bank\."])
    assert FeedSettings.from_text(settings_text(settings)) == settings


def test_every_setting_stands_in_the_file_with_its_meaning_above_it():
    lines = settings_text(FeedSettings()).splitlines()
    for section in fields(FeedSettings):
        table = lines.index(f"[{section.name}]")
        for one in fields(section.default):
            place = next(i for i in range(table, len(lines)) if lines[i].startswith(f"{one.name} = "))
            assert lines[place - 1].startswith("# ") and one.metadata["about"].split()[-1] in lines[place - 1]
    assert set(tomllib.loads("\n".join(lines))) == {section.name for section in fields(FeedSettings)}


def test_what_the_file_does_not_name_has_its_default():
    assert FeedSettings.from_text("") == FeedSettings()
    assert FeedSettings.from_text("[site]\nport = 9000\n").site.port == 9000


@pytest.mark.parametrize(
    "text,named",
    [
        ("[scoring]\nchannel_cap = 'x'", "scoring.channel_cap: expected a whole number"),
        ("[scoring]\nchannel_cap = 0", "scoring.channel_cap: expected a whole number from 1"),
        ("[scoring]\nproductive = nan", "scoring.productive: expected a number"),
        ("[scoring]\nproductve = 1", "scoring.productve: expected one of look_back_days"),
        ("[scoring]\nproductive = 0\ninterest = 0\nfreshness = 0", "scoring: expected at least one of productive"),
        ("[site]\nport = true", "site.port: expected a whole number from 1 to 65535"),
        ("[site]\nport = '8090'", "site.port: expected a whole number"),
        ("[sites]\nport = 1", "sites: expected one of the tables"),
        ("port = 1", "port: expected one of the tables"),
        ("[general]\ntime_zone = 'Mars/Olympus'", "general.time_zone: expected a time zone"),
        ("[privacy]\ndrop = ['(']", "privacy.drop: expected a list of regular expressions"),
        ("[privacy]\ndrop = 'bank'", "privacy.drop: expected a list"),
        ("[schedule]\nactive_from = '7'", "schedule.active_from: expected a time of day"),
        ("[model]\nencoder = 'bge'", "model.encoder: expected one of bge-m3"),
        ("[model]\nkind = 'big'", "model.kind: expected one of auto, linear, base, hybrid"),
        ("[activitywatch]\nhost = 'http://desk'", "activitywatch.host: expected a name or an address, without http"),
        ("[activitywatch]\nhost = 'desk:5600'", "activitywatch.host: expected a name or an address, without http"),
        ("[site]\nhost = ''", "site.host: expected a name or an address"),
        ("[general", "Expected TOML in home/settings.toml"),
    ],
)
def test_a_wrong_setting_is_refused_with_file_key_and_what_was_expected(text, named):
    with pytest.raises(SettingsError) as error:
        FeedSettings.from_text(text, "home/settings.toml")
    assert named in str(error.value) and "home/settings.toml" in str(error.value)


def test_names_and_addresses_of_both_kinds_are_hosts():
    for host in ("127.0.0.1", "desk.local", "dell_é", "::1", "[fe80::1%eth0]", "0.0.0.0", "::"):
        assert FeedSettings().changed("activitywatch", host=host).activitywatch.host == host


def test_a_value_that_stands_in_no_file_is_refused_without_naming_one():
    with pytest.raises(SettingsError, match=r"^general.time_zone: expected .* got 'Mars' .*Give another\.$"):
        FeedSettings().changed("general", time_zone="Mars")


def test_files_that_an_editor_of_windows_saved_are_read(tmp_path):
    home, _ = begin_feed(tmp_path, time_zone="Europe/Vienna", encoder="minilm")
    for file in (home.settings, home.secrets):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert FeedSettings.load(home).general.time_zone == "Europe/Vienna"
    assert FeedSecrets.load(home, {}) == FeedSecrets()


def test_bytes_that_are_no_text_are_told_with_file_and_line_and_not_shown(tmp_path):
    home, _ = begin_feed(tmp_path, time_zone="UTC", encoder="minilm")
    for file, load in ((home.settings, FeedSettings.load), (home.secrets, FeedSecrets.load)):
        file.write_bytes(b"# one\n# t\xff0psecret\n")
        with pytest.raises(ValueError, match=rf"{file.name}, got other bytes in line 2\. Save it as UTF-8") as error:
            load(home)
        assert "psecret" not in str(error.value)


def test_a_home_that_cannot_be_made_is_told_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(OSError, match=r"Expected to write .*file, got: .* Name another folder with --home"):
        begin_feed(tmp_path / "file", time_zone="UTC", encoder="minilm")
    assert (tmp_path / "file").read_text() == "a file"


@pytest.mark.skipif(os.name != "posix", reason="only POSIX limits the size of files")
def test_settings_stay_as_they_were_where_no_file_can_grow(tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from traceformers.apps.feed.feed_home import FeedHome\n"
        "from traceformers.apps.feed.feed_settings import FeedSettings, write_settings\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_settings(FeedHome(sys.argv[1]), FeedSettings())\n"
    )
    begin_feed(tmp_path, time_zone="Europe/Vienna", encoder="minilm")
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert "settings.toml, got: File too large. Nothing was done: make room" in ended.stderr
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_a_password_in_the_database_url_is_refused_and_not_shown():
    with pytest.raises(SettingsError) as error:
        FeedSettings.from_text("[general]\ndatabase = 'postgresql+psycopg://me:hunter2@host/feed'")
    assert "hunter2" not in str(error.value) and "database_password" in str(error.value)


def test_the_database_url_gets_its_password_from_the_secrets(tmp_path):
    home = FeedHome(tmp_path)
    settings = FeedSettings().changed("general", database="postgresql+psycopg://me@host/feed")
    url = database_url(home, settings, FeedSecrets(database_password="p@ss/word"))
    assert url == "postgresql+psycopg://me:p%40ss%2Fword@host/feed"
    assert database_url(home, FeedSettings(), FeedSecrets()) == f"sqlite:///{tmp_path}/feed.sqlite"


def test_init_writes_secrets_for_their_owner_alone_and_overwrites_nothing_without_force(tmp_path):
    home, settings = begin_feed(tmp_path / "feed", encoder="minilm", time_zone="Europe/Vienna")
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600
    assert FeedSettings.load(home) == settings and settings.model.encoder == "minilm"
    home.settings.write_text("[site]\nport = 9999\n")
    with pytest.raises(FileExistsError, match="--force"):
        begin_feed(home)
    assert FeedSettings.load(home).site.port == 9999
    write_secrets(home, site_password="keep this")
    begin_feed(home, force=True, encoder="minilm")
    assert FeedSettings.load(home).site.port == FeedSettings().site.port
    assert FeedSecrets.load(home).site_password == "keep this"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_secrets_that_others_can_read_are_refused(tmp_path):
    home = FeedHome(tmp_path).create()
    write_secrets(home, youtube_api_key="k")
    os.chmod(home.secrets, 0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        FeedSecrets.load(home)


def test_the_environment_goes_before_the_file_and_nothing_shows_a_secret(tmp_path):
    home = FeedHome(tmp_path).create()
    write_secrets(home, youtube_api_key="from the file", site_password="s3cret")
    found = FeedSecrets.load(home, {"TRACEFORMERS_FEED_YOUTUBE_API_KEY": "from outside"})
    assert found.youtube_api_key == "from outside" and found.site_password == "s3cret"
    assert "s3cret" not in repr(found) and "outside" not in str(found)
    home.secrets.write_text("yutube = 'key-123'\n")
    with pytest.raises(ValueError) as error:
        FeedSecrets.load(home)
    assert "yutube" in str(error.value) and "key-123" not in str(error.value)


def test_a_home_without_settings_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="feed init"):
        open_feed(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_the_home_is_named_by_the_option_the_variable_or_the_system(tmp_path, monkeypatch):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "by variable"))
    assert FeedHome().path == tmp_path / "by variable"
    assert FeedHome(tmp_path / "by option").path == tmp_path / "by option"
    assert default_home("linux", {"XDG_DATA_HOME": "/data"}).as_posix() == "/data/traceformers/feed"
    assert default_home("win32", {"LOCALAPPDATA": "C:/Data"}).as_posix() == "C:/Data/traceformers/feed"
    assert "Application Support" in default_home("darwin", {}).as_posix()


def test_one_run_at_a_time_and_the_lock_is_free_after_it(tmp_path):
    home = FeedHome(tmp_path)
    with home.only_run():
        assert home.busy()
        with pytest.raises(FeedBusy, match=str(os.getpid())), home.only_run():
            pass
        with home.only_run("train"):
            pass
    assert not home.busy()
    with home.only_run():
        pass


def test_a_text_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "settings.toml"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old" and [each.name for each in tmp_path.iterdir()] == ["settings.toml"]


def test_the_encoder_suits_the_machine():
    assert encoder_for_this_machine(24 * 2**30, 16, True) == "bge-m3"
    assert encoder_for_this_machine(0, 8, True) == "e5-small"
    assert encoder_for_this_machine(0, 2, True) == "minilm"
    assert encoder_for_this_machine(0, 2, False) == "e5-small"


def test_a_machine_without_a_gpu_is_known_without_torch():
    code = (
        "import sys\nfrom traceformers.apps.feed.feed_beginning import gpu_memory\n"
        "print(gpu_memory(('no-such-program',), ('/no/such/device',)), 'torch' in sys.modules)\n"
        "print(gpu_memory((sys.executable,), ()) >= 0, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["0", "False", "True", "True"], done.stderr


def test_a_secret_is_kept_beside_the_others_and_their_comments(tmp_path):
    home = FeedHome(tmp_path).create()
    write_secrets(home, site_password="s3cret")
    keep_secrets(home, youtube_client_id="id", youtube_client_secret='a "quoted" one')
    found = FeedSecrets.load(home, {})
    assert (found.site_password, found.youtube_client_id) == ("s3cret", "id")
    assert found.youtube_client_secret == 'a "quoted" one'
    assert "# Keys and passwords" in home.secrets.read_text() and home.secrets.stat().st_mode & 0o077 == 0


def test_the_time_zone_of_this_machine_is_one_that_settings_take():
    assert FeedSettings().changed("general", time_zone=local_time_zone()).zone is not None
