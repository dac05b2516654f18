"""One builder for training and scoring: what a batch of training holds, scoring makes anew, to the bit."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from invented_feed import HOUR, START, invented_tables
from tiny_encoder_folder import encoder_folder

from traceformers.datasets_scripts.feed.feed_folder import records_of
from traceformers.datasets_scripts.feed.feed_records import Video
from traceformers.training.productive_feed.activity_window import ActivityEvents
from traceformers.training.productive_feed.feed_arguments import FeedModelArguments
from traceformers.training.productive_feed.feed_batches import BalancedBatches, padded
from traceformers.training.productive_feed.feed_examples import build_examples
from traceformers.training.productive_feed.feed_features import EventEncoder, FeedFeatures, number_rows, video_texts
from traceformers.training.productive_feed.feed_model import build_model, inputs_of, score_examples

NAMES = ("duration", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "age_days")


@pytest.fixture(scope="module")
def tables():
    return invented_tables(videos=40)


@pytest.fixture(scope="module")
def examples(tables):
    return build_examples(tables["videos"], tables["events"], tables["feedback"], "Europe/Berlin")


@pytest.fixture(scope="module")
def model(examples):
    torch.manual_seed(0)
    arguments = FeedModelArguments(model="hybrid", encoder=str(encoder_folder()), use_lora=False)
    model = build_model(arguments, arguments.kind(), examples, np.arange(30)).eval()
    for parameter in (*model.film.parameters(), *model.interest_head.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_scoring_at_a_moment_gives_what_training_saw_there(tables, examples, model):
    expected = score_examples(model, examples)
    for row in (3, 17):
        moment, video = int(examples.moments[row]), examples.video_ids[row]
        one = next(each for each in records_of("videos", tables["videos"]) if each.video_id == video)
        features = FeedFeatures(model.config, EventEncoder(model.encode_texts))
        events = ActivityEvents.from_table(tables["events"])
        inputs = features.activity(events, [moment], video_ids=[video], titles=[one.title])
        inputs["numbers"] = features.numbers([one], moment, examples.past)
        vectors = model.encode_text([one.title], [one.channel], [one.description], [one.category or ""])
        with torch.no_grad():
            found = model.probabilities(model(text_vectors=vectors, **inputs).logits)[0]
        np.testing.assert_allclose(found.numpy(), expected[row], atol=1e-6)


def test_the_description_reaches_the_model(examples, model):
    base = score_examples(model, examples)
    column = examples.videos.column_names.index("description")
    other = pa.array(["bank river street"] * len(examples.videos))
    changed = replace(examples, videos=examples.videos.set_column(column, "description", other))
    assert np.abs(score_examples(model, changed) - base).max() > 1e-4
    assert video_texts([Video("a", "T", "C", description="D")]) == ["T\nC\nD"]


def test_numbers_are_raw_and_not_known_is_nan():
    videos = [Video("a", duration=60.0, published_at=START), Video("b")]
    found = number_rows(videos, START + 24 * HOUR, "UTC", NAMES)
    assert found[0, 0] == 60 and found[0, 5] == 1 and np.isnan(found[1, [0, 5]]).all()
    np.testing.assert_array_equal(found[0, 1:5], found[1, 1:5])
    more = number_rows([*videos, Video("c", duration=9999.0)], START + 24 * HOUR, "UTC", NAMES)
    np.testing.assert_array_equal(more[:2], found)  # other videos in the same call change nothing
    with pytest.raises(ValueError, match="Expected numbers of duration"):
        number_rows(videos, START, "UTC", ["views"])


def test_a_video_that_is_not_out_yet_has_age_zero():
    assert number_rows([Video("a", published_at=START + HOUR)], START, "UTC", ["age_days"])[0, 0] == 0


def test_missing_labels_are_nan_in_a_batch_and_balanced_in_an_epoch(examples, model):
    inputs = inputs_of(model, examples)
    batches = BalancedBatches(inputs, np.arange(40), interest_ratio=0.25)
    batch = batches.__getitems__(list(range(40)))
    is_productive = ~torch.isnan(batch["labels"][:, 1])
    assert is_productive.sum() == 30 and batch["event_vectors"].shape[:2] == batch["event_mask"].shape
    first = batches.order.copy()
    batches.set_epoch(1)
    assert (batches.order != first).any()


def test_loss_weights_multiply_the_loss_of_their_head(examples, model):
    inputs = inputs_of(model, examples)
    batch = inputs.batch(np.arange(20))
    config, found = model.config, {}
    try:
        for weights in ((1, 0), (0, 1), (0.33, 2)):
            config.interest_loss_weight, config.productive_loss_weight = weights
            with torch.no_grad():
                found[weights] = float(model(**batch).loss)
    finally:
        config.interest_loss_weight = config.productive_loss_weight = 1
    assert found[0.33, 2] == pytest.approx(0.33 * found[1, 0] + 2 * found[0, 1], rel=1e-5)


def test_tokens_are_padded_to_the_longest():
    found = padded([[5, 6, 7], [8], []], padding_id=1)
    assert found["input_ids"].tolist() == [[5, 6, 7], [8, 1, 1], [1, 1, 1]]
    assert found["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
