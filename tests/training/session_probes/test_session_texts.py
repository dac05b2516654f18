"""The log as bags of words, and TF-IDF that knows only the training part."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer

from traceformers.training.session_probes.session_texts import BAGS, count_bag, session_texts, tfidf

LOG = """+   0 ms  page "shop.test/cart" width 1280+ height 800+
+  16 ms  page content
    button type=submit "Buy now"
    p "Milk and Bread" times x2
+ 512 ms  click mouse button type=submit "Buy now" at 10%,20%
+  64 ms  scrolled #document down"""


def test_a_log_becomes_tags_actions_gaps_and_words():
    texts = session_texts(LOG)
    assert texts.tags == ["button", "p"]
    assert texts.actions == ["page", "page content", "click mouse button type=submit", "scrolled #document down"]
    assert texts.gaps == ["0 ms", "16 ms", "512 ms", "64 ms"]
    assert {"buy", "now", "milk", "shop", "cart"} <= set(texts.words)


def test_actions_hold_no_word_of_the_page():
    words = set(" ".join(session_texts(LOG).actions).split())
    assert not words & {"Buy", "now", '"Buy', "shop.test/cart"}


@pytest.mark.parametrize("name", BAGS)
def test_every_bag_counts_each_session_by_itself(name):
    texts = [session_texts(LOG), session_texts(LOG.splitlines()[-1]), session_texts("")]
    both = count_bag(texts, name)
    assert all(part.shape[0] == 3 for part in both)
    assert sum(part[2].sum() for part in both) == 0
    alone = count_bag(texts[1:2], name)
    assert [part[1].sum() for part in both] == [part.sum() for part in alone]


def test_runs_of_actions_are_words_too():
    (counts,) = count_bag([session_texts(LOG)], "actions 1-3-gram")
    assert counts.sum() == 4 + 3 + 2


def test_an_unknown_bag_is_refused():
    with pytest.raises(ValueError, match="actions 1-gram"):
        count_bag([], "pictures")


def test_tfidf_is_that_of_scikit_learn_fitted_on_the_training_rows():
    rng = np.random.default_rng(0)
    logs = ["\n".join(f"+  {2 ** rng.integers(6)} ms  act {rng.integers(9)}" for _ in range(12)) for _ in range(9)]
    (counts,) = count_bag([session_texts(log) for log in logs], "actions 1-gram")
    train = np.arange(6)
    ours = tfidf(counts, train, min_sessions=1)
    known = np.asarray(counts[train].sum(0)).ravel() > 0
    theirs = TfidfTransformer(sublinear_tf=True).fit(counts[train][:, known]).transform(counts[:, known])
    assert np.allclose(ours.toarray(), theirs.toarray())


def test_words_that_only_test_sessions_have_are_not_known():
    (counts,) = count_bag([session_texts("+ 1 ms  a"), session_texts("+ 1 ms  a"), session_texts("+ 1 ms  b")], "tags")
    assert tfidf(counts, np.arange(2)).shape[1] <= 1
