"""The commands `traceformers feed ...` as people type them: help with an example, one clear line, nothing half done."""

import json
import os
import socket
import subprocess
import sys

import pytest
import requests
from aw_server import free_port
from feed_homes import NOW, feed_home, promote
from invented_feed import HOUR
from loopback_youtube import LoopbackYouTube
from started_runs import start
from tiny_feed_model import tiny_encoder_folder, tiny_feed_model
from typer.testing import CliRunner

from traceformers.apps.feed.feed_collecting import sign_in_to_youtube
from traceformers.apps.feed.feed_commands import app
from traceformers.apps.feed.feed_deletion import reset_feed
from traceformers.apps.feed.feed_home import FeedHome
from traceformers.apps.feed.feed_labelling import TerminalLabelling
from traceformers.apps.feed.feed_secrets import FeedSecrets
from traceformers.apps.feed.feed_settings import FeedSettings
from traceformers.apps.feed.label_queue import LabelQueue
from traceformers.apps.feed.open_feed import open_feed
from traceformers.apps.feed.sources.youtube_access import TOKEN_FILE
from traceformers.apps.feed.sources.youtube_client import CredentialRejected
from traceformers.apps.feed.sources.youtube_oauth import OAuthProject, Token, TokenFile
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, Video

COMMANDS = (
    "demo init collect label train score serve schedule run-once status export import reset rollback forget".split()
)
AT = "2023-12-04T22:13:20Z"


def invoke(home, *arguments, **options):
    return CliRunner().invoke(app, [*arguments, "--home", str(home)], **options)


def said(home, *arguments, **options):
    """Returns what a command that succeeds prints."""
    result = invoke(home, *arguments, **options)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0 and f"Example: traceformers feed {command}" in " ".join(result.output.split())
    assert "--home" in result.output


def test_the_commands_are_these_and_no_others():
    names = {command.name for command in app.registered_commands}
    assert names == set(COMMANDS)


def test_importing_the_feed_opens_nothing_and_loads_nothing_heavy(repository_root):
    # In the forebear, an import opened the database, asked YouTube and started a model.
    code = """
import importlib, socket, sqlite3, sys
def refuse(*args, **kwargs):
    raise AssertionError("an import opened something")
socket.socket.connect = sqlite3.connect = sqlite3.dbapi2.connect = refuse
import traceformers.apps.feed.feed_commands
print(sorted({"torch", "sqlalchemy", "nicegui", "numpy"} & set(sys.modules)))
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
    folder = repository_root / "apps" / "feed"
    names = [
        ".".join(("traceformers.apps", *path.relative_to(folder.parent).with_suffix("").parts))
        for path in sorted(folder.rglob("*.py"))
        if path.stem != "__init__" and "migrations" not in path.parts
    ]
    done = start("-c", code, *names)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[0] == "[]"


def test_init_makes_a_feed_that_every_other_command_opens(tmp_path):
    home = tmp_path / "feed"
    told = said(home, "init", "--encoder", "minilm", "--time-zone", "Asia/Hong_Kong", "--takeout", "some.zip")
    assert "settings.toml" in told and "Asia/Hong_Kong" in told
    settings = FeedSettings.load(FeedHome(home))
    assert settings.takeout.paths == (
        str((FeedHome(".").path.parent / "some.zip").absolute()),
    ) or settings.takeout.paths[0].endswith("some.zip")
    assert (home / "feed.sqlite").is_file()
    again = invoke(home, "init")
    assert again.exit_code == 1 and isinstance(again.exception, FileExistsError)
    assert "cold start" in said(home, "status")


def test_a_home_without_a_feed_is_told_what_to_do(tmp_path):
    for command in (["status"], ["score"], ["train"], ["run-once"], ["export", str(tmp_path / "x")]):
        result = invoke(tmp_path / "none", *command)
        assert result.exit_code == 1 and "feed init" in str(result.exception)
    assert not (tmp_path / "none").exists()


def test_scores_are_printed_for_any_moment_and_written_unless_dry(tmp_path):
    home = feed_home(tmp_path)
    with open_feed(home) as feed:
        promote(feed, tiny_feed_model("ngram"))
    dry = said(home, "score", "--at", AT, "--dry-run", "--top", "2")
    assert "no feed was written" in dry and "60 videos scored" in dry
    rows = said(home, "score", "--at", AT, "--json", "--top", "3", "--no-activity").splitlines()
    about, first = json.loads(rows[0]), json.loads(rows[1])
    assert len(rows) == 4 and about["activity"] == [] and first["rank"] == 1
    assert about["feed_id"] and sum(first["terms"].values()) == pytest.approx(first["score"])
    assert invoke(home, "score", "--at", "tomorrow").exit_code == 1


@pytest.mark.parametrize(
    "arguments,told",
    [
        (["--at", "1900-01-01"], "between 1970 and 9999, got '1900-01-01'"),
        (["--at", "0001-01-01"], "between 1970 and 9999, got '0001-01-01'"),
        (["--days", "inf"], "--days"),
        (["--days", "1e300"], "--days"),
    ],
)
def test_moments_and_look_backs_beyond_the_calendar_are_refused(tmp_path, arguments, told):
    result = invoke(feed_home(tmp_path, tables={}), "score", "--dry-run", *arguments)
    assert result.exit_code in (1, 2) and told in result.output + str(result.exception)


@pytest.mark.parametrize("command", [["serve", "--no-schedule"], ["label", "--site"]])
def test_a_site_whose_port_is_taken_is_told_before_it_starts(tmp_path, command):
    with socket.create_server(("127.0.0.1", 0)) as other:
        home = feed_home(tmp_path, tables={}, site={"port": other.getsockname()[1]})
        result = invoke(home, *command)
    assert result.exit_code == 1 and "or name another with --port" in str(result.exception)
    assert "http://" not in result.output  # an address at which the site is not


def test_a_second_run_is_refused_while_one_goes_on_and_changes_nothing(tmp_path):
    home = feed_home(tmp_path)
    with home.only_run():
        result = invoke(home, "score", "--at", AT)
    assert result.exit_code == 1 and "no other run" in str(result.exception)
    with open_feed(home) as feed:
        assert feed.database.runs() == [] and feed.database.feed_version() is None


def test_an_export_is_imported_to_the_same_state(tmp_path):
    home, other = feed_home(tmp_path / "one"), feed_home(tmp_path / "two", tables={})
    said(home, "score", "--at", AT)
    told = said(home, "export", str(tmp_path / "export"), "--format", "json")
    assert "60 videos" in told
    said(other, "import", str(tmp_path / "export"))
    assert said(other, "import", str(tmp_path / "export")).startswith("nothing is new")
    with open_feed(home) as one, open_feed(other) as two:
        assert one.database.feedback_table().equals(two.database.feedback_table())
        assert one.database.video_table().equals(two.database.video_table())
        assert one.database.feed_version() == two.database.feed_version()
    assert not [path for path in (tmp_path / "export").rglob("*") if "secret" in path.name]


@pytest.mark.parametrize("what", ["feedback", "events", "feed", "models", "everything"])
def test_a_reset_deletes_what_it_names_and_nothing_else(tmp_path, what):
    home = feed_home(tmp_path, videos=10)
    with open_feed(home) as feed:
        promote(feed, tiny_feed_model("ngram"))
    said(home, "score", "--at", AT)
    assert invoke(home, "reset", what, input="n\n").exit_code == 1
    said(home, "reset", what, "--yes")
    with open_feed(home) as feed:
        there = {
            "feedback": len(feed.database.feedback_table()) > 0,
            "events": len(feed.database.event_table()) > 0,
            "feed": feed.database.feed_version() is not None,
            "models": bool(feed.registry.names()),
            "everything": len(feed.database.video_table()) > 0,
        }
    assert there == {name: what not in (name, "everything") for name in there}
    assert home.settings.is_file()


def test_forgetting_a_word_deletes_the_activity_that_names_it(tmp_path):
    home = feed_home(tmp_path, tables={})
    with open_feed(home) as feed:
        titles = ["My BANK account", "editor", "bankrupt"]
        feed.database.add_events(ActivityEvent("w", NOW + i, 60.0, "app", title) for i, title in enumerate(titles))
    assert "2 events here" in said(home, "forget", "bank", "--yes")
    with open_feed(home) as feed:
        assert feed.database.event_table()["title"].to_pylist() == ["editor"]
    assert "0 events" in said(home, "forget", "bank", "--yes")


def test_a_rollback_brings_the_model_before_back(tmp_path):
    home = feed_home(tmp_path, tables={})
    assert "Expected a model in use, found none" in str(invoke(home, "rollback").exception)
    with open_feed(home) as feed:
        first = promote(feed, tiny_feed_model("ngram"))
        promote(feed, tiny_feed_model("ngram"), now=NOW + 1000)
    assert first in said(home, "rollback")
    result = invoke(home, "rollback")
    assert result.exit_code == 1 and "Nothing was changed" in str(result.exception)


def test_collecting_tells_of_each_source_and_fails_only_if_all_do(tmp_path):
    home = feed_home(tmp_path, tables={})
    (tmp_path / "broken.zip").write_bytes(b"PK no zip")
    result = invoke(home, "collect", str(tmp_path / "broken.zip"), "--only", "takeout")
    assert result.exit_code == 1 and "takeout broken.zip" in result.output
    assert invoke(home, "collect", "--only", "netflix").exit_code == 1
    assert "no source" in str(invoke(home, "collect").exception) or "got none" in str(invoke(home, "collect").exception)


def test_labels_are_given_key_by_key_resumed_undone_and_counted(tmp_path):
    home = feed_home(tmp_path, tables={})
    with open_feed(home) as feed:
        feed.database.add_videos(Video(f"video{i:06}", title=f"title {i}", published_at=NOW - i) for i in range(5))
    told = said(home, "label", "--order", "newest", input="y\nn\nu\nx\nq\n")
    assert "title 0" in told and "taken back" in told and "1 labelled; interest: 1 yes 0 no" in told
    told = said(home, "label", "--order", "newest", input="s\nn\np\np\nq\n")
    assert "title 0" not in told  # goes on where it stopped
    with open_feed(home) as feed:
        values = {row["video_id"]: row["interest"] for row in feed.database.labels().to_pylist()}
        assert values == {"video000000": 1.0, "video000002": 0.0}
        assert len(feed.database.feedback_table()) == 4  # the history is kept: what was taken back, too
    assert "nothing more to label" in said(home, "label", "--restart", "--order", "newest", input="y\n" * 5)
    assert invoke(home, "label", "--head", "fun").exit_code == 1


def test_the_terminal_and_the_labelling_page_go_on_from_one_place(tmp_path):
    with open_feed(feed_home(tmp_path, tables={})) as feed:
        feed.database.add_videos(Video(f"video{i:06}", title="x", published_at=NOW - i) for i in range(5))
        page = LabelQueue(feed.database)
        page.restart(order="newest")
        page.forward()
        page.forward()
        labelling = TerminalLabelling(feed.database, "interest", "newest")
        assert labelling.video.video_id == "video000002" and labelling.index == 2
        labelling.answer("s")
        page.resume()
        assert page.video.video_id == "video000003" and page.index == 3
        assert TerminalLabelling(feed.database, "productive", "newest").index == 0  # another question, from its first


def test_training_with_too_few_labels_says_how_many_are_missing(tmp_path):
    home = feed_home(tmp_path, tables={})
    with open_feed(home) as feed:
        feed.database.add_feedback([Feedback("1", "v", "interest", 1.0, NOW, "labelling")])
    result = invoke(home, "train")
    assert result.exit_code == 1 and "Label" in str(result.exception)
    assert "expected one of auto, linear" in str(invoke(home, "train", "--model", "big").exception)
    with open_feed(home) as feed:
        assert feed.database.runs() == [] and feed.registry.names() == []


def test_the_status_names_labels_what_is_short_runs_and_drift(tmp_path):
    home = feed_home(tmp_path)
    with open_feed(home) as feed:
        promote(feed, tiny_feed_model("ngram", seed=1), metrics={"test": {}})
    for hour in range(2):
        said(home, "score", "--at", f"2023-12-04T{20 + hour}:13:20Z")
    told = said(home, "status")
    assert "simulated" in told or "feed" in told
    assert "short: Expected 500 labels" in told and "drift of interest scores" in told and "share of yes" in told
    status = json.loads(said(home, "status", "--json"))
    assert [run["kind"] for run in status["runs"]] == ["score", "score"]
    assert status["drift"]["scores"]["productive"]["psi"] is not None
    assert status["counts"]["videos"] == 60 and status["model"]["metrics"] == {"test": {}}


def test_the_status_shows_the_whole_error_of_a_run_once(tmp_path):
    home = feed_home(tmp_path, tables={})
    error = "youtube: " + "a long story of what went wrong, " * 20 + "and in the end what to do."
    with open_feed(home) as feed:
        for _ in range(3):
            feed.database.finish_run(feed.database.start_run("collect"), "failed", error=error)
    told = said(home, "status")
    assert " ".join(told.split()).count(" ".join(error.split())) == 1
    assert told.count("as above") == 2
    assert max(len(line) for line in told.splitlines() if "long story" in line) <= 120


def test_resetting_everything_signs_out_of_youtube(tmp_path):
    home, token = feed_home(tmp_path, tables={}), Token("access", "refresh-1", 1)
    kept = TokenFile(home.path / TOKEN_FILE)
    with LoopbackYouTube() as youtube, open_feed(home) as feed:
        youtube.refresh_tokens.add("refresh-1")
        project = OAuthProject("client-id", "client-secret", youtube.auth_url, youtube.token_url, youtube.revoke_url)
        kept.save(token)
        for part in ("feedback", "feed"):
            assert "signed out" not in reset_feed(feed, part, project)
        assert kept.load() == token and youtube.refresh_tokens == {"refresh-1"}
        assert reset_feed(feed, "everything", project).endswith("; signed out of YouTube")
        assert kept.load() is None and youtube.refresh_tokens == set()
        assert "YouTube" not in reset_feed(feed, "everything", project)  # nobody is signed in
        kept.save(token)  # of a permission that was taken back elsewhere
        assert reset_feed(feed, "everything", project).endswith("; signed out of YouTube")
    with open_feed(home) as feed:
        kept.save(token)
        nowhere = OAuthProject("client-id", revoke_url=f"http://127.0.0.1:{free_port()}/revoke")
        told = reset_feed(feed, "everything", nowhere)
    assert "Google did not take the permission back" in told and kept.load() is None


def test_a_sign_in_by_the_client_file_of_the_console_is_kept(tmp_path):
    home, file = feed_home(tmp_path / "home", tables={}), tmp_path / "client.json"
    with LoopbackYouTube() as youtube, open_feed(home) as feed:
        known = {"client_id": "client-id", "client_secret": "client-secret"}
        file.write_text(
            json.dumps({"installed": known | {"auth_uri": youtube.auth_url, "token_uri": youtube.token_url}})
        )
        with pytest.raises(ValueError, match="--client-file"):
            sign_in_to_youtube(feed, None)
        with pytest.raises(ValueError, match="Expected the client file"):
            sign_in_to_youtube(feed, None, lambda address: "", tmp_path / "missing.json")
        with pytest.raises(CredentialRejected):
            sign_in_to_youtube(feed, None, lambda address: "", file)
        assert FeedSecrets.load(home).youtube_client_id == ""  # it is kept where it was good
        signed_in = sign_in_to_youtube(
            feed, None, lambda address: requests.get(address, allow_redirects=False).headers["Location"], file
        )
    assert signed_in.secrets.youtube_client_id == FeedSecrets.load(home).youtube_client_id == "client-id"
    assert FeedSecrets.load(home).youtube_client_secret == "client-secret"
    assert TokenFile(home.path / TOKEN_FILE).load().refresh_token in youtube.refresh_tokens


def test_a_run_that_was_killed_is_marked_when_the_next_one_starts(tmp_path):
    home = feed_home(tmp_path, tables={})
    code = (
        "import os, sys; from traceformers.apps.feed.open_feed import open_feed\n"
        "feed = open_feed(sys.argv[1]); feed.database.start_run('collect'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(home)], env=os.environ, check=False, timeout=120)
    with open_feed(home) as feed:
        assert feed.database.runs()[0].status == "running"
    said(home, "score", "--at", AT)
    with open_feed(home) as feed:
        assert [run.status for run in feed.database.runs()] == ["ok", "killed"]


@pytest.mark.slow
def test_a_model_is_trained_promoted_used_and_replaced_only_by_a_better_one(tmp_path):
    encoder = tiny_encoder_folder(tmp_path / "encoder")
    home = feed_home(tmp_path / "home", videos=120, model={"encoder": encoder})
    told = said(home, "train", "--no-progress")
    assert "There is no model in use yet" in told and "average precision" in told
    with open_feed(home) as feed:
        first = feed.registry.current()
    assert first and first in said(home, "score", "--at", AT)
    told = said(home, "train", "--no-progress")
    with open_feed(home) as feed:
        assert feed.registry.current() == first or "better" in told
        assert len(feed.registry.names()) == 2
        (again, _) = (run.counts for run in feed.database.runs("train"))
        assert again["promoted"] is (feed.registry.current() != first)
    assert HOUR  # the invented person is the same in both
