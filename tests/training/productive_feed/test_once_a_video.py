"""A video that was judged at many moments counts once in the linear feed, and never foretells itself."""

import numpy as np

from traceformers.training.productive_feed.linear_feed import block_scaling, fit_scaled, foretold, once_a_video


def rows(count=60, seed=0):
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 4))
    return features, features[:, 0] + random.normal(size=count) > 0


def test_a_row_that_stands_there_three_times_weighs_as_one():
    features, is_yes = rows()
    videos = np.arange(len(features))
    often = np.concatenate([videos, videos[:20], videos[:20]])
    scaling = block_scaling(features, {"text": 4}, ("text",))
    weights, bias = fit_scaled(features, is_yes, scaling, 1.0, once_a_video(videos))
    same, same_bias = fit_scaled(features[often], is_yes[often], scaling, 1.0, once_a_video(often))
    assert np.allclose(weights, same, atol=1e-3) and abs(bias - same_bias) < 1e-3
    other, _ = fit_scaled(features[often], is_yes[often], scaling, 1.0)
    assert not np.allclose(weights, other, atol=1e-3)


def test_no_answer_about_a_video_foretells_another_answer_about_it():
    random = np.random.default_rng(1)
    ids = np.eye(20)  # the text names the video, and says nothing else
    videos = random.integers(0, 20, 400)
    is_yes = (videos % 2 == 0) ^ (random.random(400) < 0.1)
    known = foretold(ids[videos], is_yes, {"text": 20}, ("text",), 1.0, np.arange(400))
    unknown = foretold(ids[videos], is_yes, {"text": 20}, ("text",), 1.0, videos)
    truth = is_yes[-len(known) :]
    assert known[truth].mean() > known[~truth].mean() + 1
    assert abs(unknown[truth].mean() - unknown[~truth].mean()) < 0.3
