"""The faults found in the forebear of the feed (leuas/Vrdndi, d441537): where each is tested, and the tests of some."""

import ast
import inspect
import os
import re
import socket
import threading

import pytest
from feed_homes import NOW, feed_home, promote
from safetensors.torch import load_file, save_file
from tiny_feed_model import tiny_feed_model

from traceformers.apps.feed import scoring_model
from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.feed_runs import run_once
from traceformers.apps.feed.feed_scoring import UNUSED_MS, FeedScorer, score_feed
from traceformers.apps.feed.feed_settings import FeedSettings, write_settings
from traceformers.apps.feed.open_feed import open_feed
from traceformers.apps.feed.scoring_model import ScoringModel
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, FeedRow, Video

pytest_plugins = ("feed_databases",)

HERE = "apps/feed/test_feed_forebear_faults"
BROWSER, DATABASE = "apps/feed/site/test_feed_in_browser", "apps/feed/database/test_database_forebear_faults"
MODEL, RUN = "modeling/productive_feed/test_productive_feed_model", "run_scripts/test_run_productive_feed"
EXAMPLES, SOURCES = "training/productive_feed/test_feed_examples", "apps/feed/sources"
SCORING, SCHEDULER = "apps/feed/test_feed_scoring", "apps/feed/test_feed_scheduler"

#: Fault → tests that fail with it: file in tests/, and the name after "test_".
FAULTS = {
    "heads, pooler and numbers are not saved": [
        ("modeling/productive_feed/test_feed_adapter", "every_trained_weight_is_in_the_adapter_file"),
        ("modeling/productive_feed/test_feed_adapter", "an_adapted_model_scores_the_same_to_the_bit_after_saving"),
        (SCORING, "saved_heads_are_the_ones_that_score"),
    ],
    "missing weights are never told": [(HERE, "a_model_whose_heads_were_not_saved_scores_nothing")],
    "scheduled scores are those of an untrained model": [
        ("apps/feed/test_feed_runs", "a_scheduled_run_scores_by_the_promoted_model")
    ],
    "the description does not reach the model": [
        (MODEL, "title_channel_and_description_all_reach_the_score"),
        ("training/productive_feed/test_feed_features", "the_description_reaches_the_model"),
    ],
    "the weight is added to the loss": [
        ("modeling/productive_feed/test_feed_heads", "twice_the_weight_is_twice_the_loss"),
        ("training/productive_feed/test_feed_features", "loss_weights_multiply_the_loss_of_their_head"),
    ],
    "the average smooths nothing": [
        ("training/productive_feed/test_feed_calibration", "the_moving_average_smooths"),
        ("training/productive_feed/test_feed_calibration", "a_lucky_evaluation_is_not_the_best_for_the_average"),
    ],
    "the last epoch is kept and not the best": [(RUN, "a_run_from_the_start_learns_and_keeps_the_best_of_the_average")],
    "labels are joined by position": [
        (EXAMPLES, "labels_are_joined_by_id_whatever_the_order_and_the_gaps"),
        (DATABASE, "an_opinion_stays_with_its_video_whatever_is_missing_or_comes_in_another_order"),
        (f"{SOURCES}/test_youtube_source", "videos_known_by_id_get_their_details_by_key_joined_by_id"),
    ],
    "interest clicks of the site are not trained on": [
        (EXAMPLES, "interest_clicked_with_productive_is_kept_beside_it"),
        (DATABASE, "an_interest_click_of_the_site_is_a_label_beside_an_older_like"),
    ],
    "what was trained on is not known": [
        (DATABASE, "which_opinions_a_training_has_seen_is_known_from_their_times_and_no_flag"),
        ("apps/feed/test_feed_runs", "training_is_due_when_enough_is_new_and_not_again_for_the_same_labels"),
    ],
    "scalers are fitted anew wherever data is read": [
        ("training/productive_feed/test_feed_scalers", "rows_that_are_not_trained_on_change_nothing_that_is_fitted"),
        ("training/productive_feed/test_feed_features", "scoring_at_a_moment_gives_what_training_saw_there"),
        (MODEL, "the_scalers_of_the_config_are_what_standardises"),
    ],
    "the split is random in time, and 2 % judge": [
        ("training/productive_feed/test_feed_split", "parts_follow_each_other_with_a_gap_and_share_no_video"),
        ("training/productive_feed/test_feed_split", "the_test_part_is_the_newest_fifth_and_is_whole"),
    ],
    "the mask of events is ignored": [
        (MODEL, "padding_of_the_events_changes_nothing_whatever_is_in_it"),
        ("modeling/productive_feed/test_activity_pooler", "what_is_in_a_masked_event_is_never_read"),
    ],
    "no activity is a vector of zeros": [
        (MODEL, "no_activity_is_learned"),
        (MODEL, "no_activity_is_not_an_event_of_zeros"),
    ],
    "the token of activity has no place": [
        (MODEL, "the_side_of_the_padding_changes_nothing_where_activity_is_a_token"),
        (
            "modeling/productive_feed/test_text_encoding",
            "a_token_goes_right_after_the_text_on_whichever_side_the_padding_is",
        ),
    ],
    "what was long ago counts as what is now": [(MODEL, "what_was_long_ago_counts_less")],
    "logits are stored as rates": [(SCORING, "the_feed_holds_the_calibrated_probabilities_of_the_promoted_model")],
    "inner parts of the encoder are called": [(MODEL, "no_inner_part_of_the_encoder_is_called")],
    "there has to be an accelerator": [(MODEL, "the_model_runs_where_there_is_no_accelerator")],
    "an import opens the database": [
        (DATABASE, "importing_it_opens_nothing"),
        ("apps/feed/test_feed_commands", "importing_the_feed_opens_nothing_and_loads_nothing_heavy"),
    ],
    "the database is closed after the first write": [
        (DATABASE, "it_is_open_after_the_first_write_and_until_it_is_closed")
    ],
    "a second run fails, or drops tables": [(DATABASE, "a_second_run_of_everything_works_and_drops_nothing")],
    "times are compared as texts": [(DATABASE, "times_compare_as_numbers_whatever_the_zone_of_the_machine")],
    "the time zone is written in the code": [
        (SCORING, "a_moment_is_read_on_the_clock_of_the_person"),
        (SCHEDULER, "the_hours_are_those_of_the_zone_and_not_of_this_machine"),
    ],
    "the port is a text": [
        (f"{SOURCES}/test_activitywatch_source", "making_sources_asks_nothing_and_a_port_may_be_a_text")
    ],
    "classes are those of another server, or fail": [
        (f"{SOURCES}/test_activitywatch_source", "classes_that_a_server_keeps_are_used"),
        (f"{SOURCES}/test_activitywatch_source", "classes_that_a_server_does_not_keep_are_the_defaults"),
    ],
    "titles are stored cleaned": [(DATABASE, "titles_are_stored_as_they_were_given")],
    "visitors share paging and scrolling": [
        (BROWSER, "two_browsers_do_not_disturb_each_other"),
        (BROWSER, "back_from_a_video_finds_the_same_cards_at_the_same_place"),
    ],
    "a newer feed is never told": [(BROWSER, "a_newer_feed_is_offered_and_moves_nothing_before_it_is_asked_for")],
    "the site is open to all": [
        ("apps/feed/site/test_site_options", "an_address_that_others_reach_needs_a_password"),
        ("apps/feed/site/test_site_login", "nothing_is_answered_without_the_password"),
    ],
    "the cookie secret is the same everywhere": [
        ("apps/feed/site/test_site_options", "the_cookie_secret_is_random_kept_and_private")
    ],
    "pictures and player come from elsewhere at once": [
        (BROWSER, "the_player_is_loaded_after_a_click_only_and_sends_the_right_referrer"),
        ("apps/feed/site/test_site_rest", "a_picture_is_fetched_once_and_kept"),
    ],
    "what was watched and rated comes again": [
        ("apps/feed/database/test_database_pages", "what_was_watched_or_rated_is_hidden_and_marked")
    ],
    "there is no reason, search, filter or order": [
        (BROWSER, "why_says_reasons_scores_from_0_to_100_and_terms"),
        (BROWSER, "order_search_and_every_filter_change_the_list"),
    ],
    "the best score alone makes the order": [
        ("apps/feed/test_feed_ranking", "the_exploration_share_of_the_first_places_is_explored"),
        ("apps/feed/test_feed_ranking", "a_strict_cap_gives_each_channel_its_share_before_any_gets_more"),
    ],
    "45 minutes are 15 and 45": [(SCHEDULER, "every_so_many_minutes_means_so_many_minutes")],
    "the model is loaded at every run": [(HERE, "a_model_is_loaded_once_for_many_feeds")],
    "a site that is down ends the scheduler": [
        ("apps/feed/test_feed_runs", "a_site_that_is_down_fails_no_run"),
        (HERE, "something_else_at_the_port_of_the_site_fails_no_run"),
    ],
    "one page of subscriptions is asked for": [
        (f"{SOURCES}/test_youtube_source", "subscriptions_are_read_by_pages_of_fifty")
    ],
    "lists of words are downloaded, tracking is needed": [
        (HERE, "nothing_is_imported_that_downloads_words_or_needs_an_account"),
        (RUN, "nothing_is_reported_anywhere_unless_asked"),
    ],
    "tensors are never cleaned": [(HERE, "vectors_of_encoders_that_are_no_longer_used_are_deleted")],
    "tests of inference are expected to fail": [(HERE, "no_test_of_the_feed_is_expected_to_fail")],
}
#: Fault → what measures it, in benchmarks/.
MEASURED = {"a feed takes ten minutes": "feed_scoring_speed.py"}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_a_test(fault, repository_root):
    for file, name in FAULTS[fault]:
        tree = ast.parse((repository_root / "tests" / f"{file}.py").read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert f"test_{name}" in names, f"{fault}: {file} has no test_{name}"


def test_what_is_about_speed_is_measured(repository_root):
    for file in MEASURED.values():
        assert (repository_root / "benchmarks" / file).is_file()


@pytest.mark.parametrize("lora", [False, True])
def test_a_model_whose_heads_were_not_saved_scores_nothing(tmp_path, lora):
    model = tiny_feed_model()
    (model.add_lora(r=2) if lora else model).save_pretrained(tmp_path)
    file = tmp_path / ("adapter/adapter_model.safetensors" if lora else "model.safetensors")
    left = "lora_" if lora else "encoder."
    tensors = {name: tensor for name, tensor in load_file(file).items() if left in name}
    assert tensors
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(ValueError, match=r"are missing, .* for one. Run `traceformers feed rollback`"):
        ScoringModel(tmp_path, "without heads")


def test_a_model_is_loaded_once_for_many_feeds(tmp_path, monkeypatch):
    loaded, load = [], ScoringModel.__init__
    monkeypatch.setattr(
        scoring_model.ScoringModel, "__init__", lambda self, *given: loaded.append(given) or load(self, *given)
    )
    with open_feed(feed_home(tmp_path)) as feed:
        promote(feed, tiny_feed_model("ngram"))
        scorer = FeedScorer()
        for later in range(3):
            scorer.score(feed, at=NOW + later)
        assert len(loaded) == 1
        promote(feed, tiny_feed_model("ngram", seed=1), now=NOW + 5000)
        scorer.score(feed, at=NOW)
        assert len(loaded) == 2


def test_something_else_at_the_port_of_the_site_fails_no_run(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"SSH-2.0-other\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        home = feed_home(tmp_path, site={"port": server.getsockname()[1]})
        outcome = run_once(home, now=NOW, steps=("score",))
        thread.join(10)
    assert outcome.errors == [] and outcome.feed_id is not None


def test_nothing_is_imported_that_downloads_words_or_needs_an_account(repository_root):
    found = []
    folders = ("modeling/productive_feed", "training/productive_feed", "apps/feed", "datasets_scripts", "spaces")
    for path in (path for folder in folders for path in (repository_root / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path}: {name}" for name in names if name.split(".")[0] in ("nltk", "jieba", "wandb")]
    assert found == []


def test_vectors_of_encoders_that_are_no_longer_used_are_deleted(tmp_path):
    day = 86_400_000
    with open_feed(feed_home(tmp_path)) as feed:
        database = feed.database
        for key in ("old", "new"):
            database.save_text_vectors(key, ["a", "b"], ["1", "2"], [[1.0, 2.0], [3.0, 4.0]])
        assert database.prune_text_vectors({"new"}, NOW, UNUSED_MS) == 0  # "old" was found now
        assert database.prune_text_vectors({"new"}, NOW + UNUSED_MS, UNUSED_MS) == 0
        assert database.prune_text_vectors({"new"}, NOW + UNUSED_MS + 2 * day, UNUSED_MS) == 2
        found = {key: database.text_vectors(key, ["a", "b"], ["1", "2"])[0].tolist() for key in ("old", "new")}
        assert found == {"old": [False, False], "new": [True, True]}


def test_a_scoring_notes_which_encoder_it_used(tmp_path):
    with open_feed(feed_home(tmp_path)) as feed:
        promote(feed, tiny_feed_model("ngram"))
        scorer = FeedScorer()
        scorer.score(feed, at=NOW)
        assert set(feed.database.state("text vectors", "used")) == {scorer.model(feed).key}


def test_no_test_of_the_feed_is_expected_to_fail(repository_root):
    mark = "x" + "fail"
    files = [path for path in (repository_root / "tests").rglob("test_*.py") if mark in path.read_text("utf-8")]
    assert files == []


# --- not of the forebear, but of its kind: what is private, what is deleted, what is asked ---------------------


@pytest.mark.skipif(os.name != "posix", reason="rights of files")
def test_the_database_is_for_its_owner_alone_in_whatever_folder(tmp_path):
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
            database.add_videos([Video("v")])
            rights = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(rights.values()) == {0o600} and "feed.sqlite" in rights


def test_what_was_forgotten_is_not_left_in_the_file(tmp_path):
    secret = "a title that nobody may find"
    with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
        database.add_events([ActivityEvent("a", at, 1.0, title=f"{secret} {at}") for at in range(50)])
        assert database.delete_events(title_contains="NOBODY may") == 50
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.encode() not in written


def test_least_certain_is_what_is_least_certain_of_the_head_that_is_asked(database):
    database.add_videos([Video("a", "A"), Video("b", "B")])
    database.save_feed([FeedRow("a", 1, 1.0, 0.5, 0.9), FeedRow("b", 2, 1.0, 0.9, 0.5)], None, "m", {})
    for head, first in (("interest", "a"), ("productive", "b")):
        assert database.to_label(1, order="uncertain", head=head)[0].video_id == first


def test_private_patterns_of_the_settings_reach_every_source(tmp_path):
    from traceformers.apps.feed.feed_collecting import sources_of

    home = feed_home(tmp_path, activitywatch={"enabled": True}, rss={"enabled": True}, youtube={"enabled": True})
    settings = FeedSettings.load(home).changed("privacy", drop=["(?i)bank"], redact=["(?i)diary"])
    write_settings(home, settings)
    with open_feed(home) as feed:
        sources = sources_of(feed, paths=[tmp_path / "takeout.zip"])
    assert {source.name.split()[0] for source in sources} >= {"takeout", "activitywatch", "rss", "video"}
    for source in sources:
        assert source.privacy.matches("drop", title="My Bank") == {"title"}, source.name
        assert source.privacy.matches("redact", title="my diary") == {"title"}, source.name


def test_an_empty_feed_is_scored_without_anything_to_prune(tmp_path):
    with open_feed(feed_home(tmp_path, tables={})) as feed:
        assert score_feed(feed, at=NOW).rows == []


PARAMETERS = """
    model_name seed compile_model batch_size total_epoch g lr weight_decay ignore_index wandb_config
    productive_out_feature interest_out_feature productive_output_layer_dropout interest_output_layer_dropout
    use_lora lora_rank lora_alpha lora_target_modules productive_loss_weight interest_loss_weight ema_alpha
    ema_productive_weight num_in_feature num_out_feature cond_dim max_length accumulation_steps
    sampler_interest_ratio sampler_productive_ratio interest_label_smooth productive_label_smooth
    train_num_workers eval_test_num_workers HOST PORT HOSTNAME CLIENT_SECRET_FILE
""".split()


def test_every_parameter_of_the_forebear_has_its_place_in_the_documents(repository_root):
    from dataclasses import fields

    from traceformers import ProductiveFeedConfig, ProductiveFeedModel
    from traceformers.apps.feed.feed_secrets import FeedSecrets
    from traceformers.apps.feed.feed_settings import ActivityWatchSettings
    from traceformers.training.productive_feed import feed_arguments

    text = (repository_root / "docs" / "productive_feed.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*) \| (.*) \|$", text.partition("## Settings of the forebear")[2], re.MULTILINE)
    assert sorted(set(PARAMETERS) - set(re.findall(r"`(\w+)", " ".join(row[0] for row in rows)))) == []
    groups = [value for name, value in vars(feed_arguments).items() if name.endswith("Arguments")]
    known = {field.name for group in [*groups, FeedSecrets, ActivityWatchSettings] for field in fields(group)}
    known |= {*ProductiveFeedConfig().to_dict(), *inspect.signature(ProductiveFeedModel.forward).parameters}
    named = {name for row in rows for name in re.findall(r"`(?:--)?([a-z]+_\w+)`", row[1])}
    assert len(named) > 20 and sorted(named - known) == []
