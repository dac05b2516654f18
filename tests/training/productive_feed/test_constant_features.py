"""Features that are the same in all rows are no reason to fail."""

import numpy as np

from traceformers.training.productive_feed.linear_feed import block_scaling, fit_scaled


def test_rows_that_do_not_differ_get_the_share_of_yes():
    features, is_yes = np.ones((10, 3)), np.arange(10) < 2
    weights, bias = fit_scaled(features, is_yes, block_scaling(features, {"text": 3}, ("text",)), 1.0)
    assert not weights.any()
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), 3 / 12)
