"""What is fitted comes from the examples that are trained on, and from no others."""

import numpy as np
import pytest
from invented_feed import invented_tables
from tiny_encoder_folder import encoder_folder

from traceformers.training.productive_feed.feed_arguments import FeedModelArguments
from traceformers.training.productive_feed.feed_examples import build_examples
from traceformers.training.productive_feed.feed_model import build_model
from traceformers.training.productive_feed.feed_scalers import base_rates, class_weights, number_scalers

FITTED = "number_means number_stds event_number_means event_number_stds categories base_rates class_weights".split()


@pytest.fixture(scope="module")
def examples():
    tables = invented_tables(videos=60)
    return build_examples(tables["videos"], tables["events"], tables["feedback"], "UTC")


def fitted(examples, train):
    arguments = FeedModelArguments(model="hybrid", encoder=str(encoder_folder()), use_lora=False)
    config = build_model(arguments, arguments.kind(), examples, train).config
    return {name: getattr(config, name) for name in FITTED}


def test_rows_that_are_not_trained_on_change_nothing_that_is_fitted(examples):
    train = np.arange(40)
    expected = fitted(examples, train)
    labels = examples.labels.copy()
    labels[40:] = 1 - labels[40:]
    seconds = examples.window.seconds.copy()
    seconds[40:] *= 100
    from dataclasses import replace

    other = replace(examples, labels=labels, window=replace(examples.window, seconds=seconds))
    assert fitted(other, train) == expected
    assert fitted(other, np.arange(60)) != fitted(examples, np.arange(60))


def test_numbers_are_standardised_by_known_values_in_the_logarithm():
    numbers = np.array([[np.e - 1, 5.0], [np.e**3 - 1, 5.0], [np.nan, 5.0]])
    found = number_scalers(numbers, ["duration", "hour_sin"])
    np.testing.assert_allclose(found["number_means"], [2, 5])
    np.testing.assert_allclose(found["number_stds"], [1, 1])  # what is always the same is left as it is
    nothing = number_scalers(np.full((2, 1), np.nan), ["age_days"])
    assert nothing == {"number_means": [0.0], "number_stds": [1.0]}


def test_class_weights_make_yes_and_no_weigh_the_same():
    labels = np.array([[1.0, np.nan]] * 3 + [[0.0, 1.0]] * 9)
    (of_no, of_yes), second = class_weights(labels)
    assert of_no * 9 == pytest.approx(of_yes * 3) == pytest.approx(6)
    assert second == [1.0, 1.0]  # one answer only: nothing to balance
    assert base_rates(labels) == [pytest.approx(4 / 14), pytest.approx(10 / 11)]
