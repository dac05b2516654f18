"""Views, batches, retrieval and projection: disjoint, hard, the same each time, and right where the answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from session_corpus import TOKENS, random_sessions

from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import ACTION, CONTEXT, FRAME, PAGE, SessionEncoder
from traceformers.training.contrastive.contrastive_run import vector_lengths
from traceformers.training.contrastive.pair_batches import PairBatches, first_pages
from traceformers.training.contrastive.session_projection import discriminant
from traceformers.training.contrastive.session_views import MaskedText, SessionViews
from traceformers.training.contrastive.view_retrieval import ViewRetrieval, ranking_report


def encoder():
    """What the views ask of an encoder, without a model: Input and MouseInteraction events are actions."""
    from session_corpus import VOCABULARY

    ids = VOCABULARY.ids
    module = SimpleNamespace(
        _action_ids=np.array([ids["[source:Input]"], ids["[source:MouseInteraction]"]]),
        _meta_id=ids["[event:Meta]"],
        _switch_id=ids["[switch]"],
        _elapsed_id=ids["[elapsed]"],
    )
    module.parts = lambda session: SessionEncoder.parts(module, session)
    module.window_parts = lambda *arguments: SessionEncoder.window_parts(module, *arguments)
    return module


def views(**options):
    return SessionViews(TOKENS, 48, encoder(), **options)


def own_tokens(view):
    return [int(i) for ids, of in view for i in ids[(of != FRAME) & (of != CONTEXT)]]


def test_halves_hold_every_token_of_the_session_once_and_part_before_an_action():
    for session in random_sessions(0, 6):
        first, second = views().halves(session)
        assert own_tokens(first) + own_tokens(second) == session.ids.tolist()
        assert all(len(ids) <= 48 and len(ids) == len(of) for ids, of in first + second)
        parts = np.concatenate([of[np.isin(of, (ACTION, PAGE))] for _, of in second])
        assert parts[0] == ACTION


def test_two_views_have_no_token_in_common():
    for number, session in enumerate(random_sessions(1, 12)):
        numbered = SimpleNamespace(**vars(session))
        numbered.ids = np.arange(len(session.ids), dtype=np.uint16)  # each token its own place
        drawing = views(windows_per_view=3)
        own = encoder().parts(session)
        drawing.encoder.parts = lambda _, own=own: own
        first, second = drawing.draw(numbered, np.random.default_rng(number))
        assert first and second and max(own_tokens(first)) < min(own_tokens(second))


def test_headers_are_told_apart_from_frame_and_body():
    session = random_sessions(2, 1, largest_event=20)[0]
    _, second = views().halves(session)
    ids, of = second[0]
    assert of[:3].tolist() == [FRAME] * 3 and of[-1] == FRAME and (of == CONTEXT).any()
    assert ids[np.flatnonzero(of == CONTEXT)[-1] + 1] == TOKENS.body


def test_masked_text_becomes_two_ids_and_nothing_else_changes():
    ids = np.array([2, 10, 12, 600, 601, 602, 603, 20, 610, 3], dtype=np.uint16)
    of = np.array([FRAME, FRAME, ACTION, *[ACTION] * 6, FRAME])
    masked = MaskedText(387, 469, 520, share=1.0)
    always = SimpleNamespace(random=lambda: 0.5, permutation=None)
    (got, parts), *_ = masked([(ids, of)], SimpleNamespace(random=iter([0.0, 0.9, 0.1, 0.1]).__next__))
    assert got.tolist() == [2, 10, 12, 387, 473, 20, 610, 3] and len(parts) == len(got)
    assert MaskedText(387, 469, 520, share=0.2)([(ids, of)], always)[0][0] is ids


@pytest.fixture
def batches():
    store = random_sessions(3, 30)
    sites = [f"site {i % 3}" for i in range(30)]
    return PairBatches(store, views(), sites, first_pages(store), batch_size=5, passes_per_epoch=2, seed=7)


def test_a_pair_follows_from_seed_epoch_and_place(batches):
    batches.set_epoch(1)
    whole = batches.__getitems__([3, 4])
    again = PairBatches(batches.store, views(), batches.site, batches.page, 5, 2, seed=7)
    again.set_epoch(1)
    for pair, other in zip(whole, [again[3][0], again[4][0]], strict=True):
        for side, same in zip(pair, other, strict=True):
            assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(side, same, strict=True))
    batches.set_epoch(2)
    assert not np.array_equal(batches.order, again.order)


def test_an_epoch_has_every_session_as_often_as_passes(batches):
    assert len(batches) == 60 and (np.bincount(batches.order) == 2).all()


def test_negatives_are_of_the_same_site(batches):
    for epoch in range(3):
        batches.set_epoch(epoch)
        sites = batches.site[batches.order].reshape(-1, 5)
        assert (sites == sites[:, :1]).all()  # 10 sessions a site, 5 a batch


def test_too_few_sessions_are_refused():
    with pytest.raises(ValueError, match="at least two sessions"):
        PairBatches(random_sessions(0, 1), views(), ["a"], [b""], 4)


def test_ranks_are_those_among_sessions_of_the_site():
    first = np.eye(4)
    second = np.array([[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0], [0, 0, 1, 0], [1, 1, 1, 9.0]])
    report = ranking_report(first, second, ["a", "a", "a", "b"])
    # a -> b: rank 1, then (0.1, 0.2): 1, then 1; b -> a: 1, 2, 1; site b has no pool
    assert report["queries"] == 6 and report["mrr"] == pytest.approx((5 + 0.5) / 6)
    assert report["chance_mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_vectors_that_are_all_the_same_find_nothing():
    report = ranking_report(np.ones((5, 2)), np.ones((5, 2)), ["a"] * 5)
    assert report["mrr"] == pytest.approx(1 / 3) and report["recall_at_1"] == 0


def test_a_site_is_needed_to_rank_in():
    with pytest.raises(ValueError, match="at least 3 sessions"):
        ViewRetrieval(random_sessions(0, 4), views(), ["a", "a", "b", "b"])


def test_the_projection_finds_what_tells_sessions_apart():
    rng = np.random.default_rng(0)
    telling = rng.standard_normal((200, 1))
    sites = np.array(["a", "b"])[np.arange(200) % 2]
    of_site = 9.0 * (sites == "a")[:, None]

    def part():  # one channel of the session, one of noise, one of the site
        return np.concatenate([3 * rng.standard_normal((200, 1)), telling, of_site], axis=1)

    first, second = part(), part()
    weight, bias = discriminant(first, second, sites, 2, shrinkage=0.01)
    found = torch.from_numpy(first).float() @ weight.T + bias
    assert abs(np.corrcoef(found[:, 0], telling[:, 0])[0, 1]) > 0.95
    assert found.mean(0).abs().max() < 0.5 * found.std(0).max()
    wide, _ = discriminant(first, second, sites, 5)
    assert wide.shape == (5, 3) and torch.isfinite(wide).all()


def test_lengths_are_halves_unless_they_are_named():
    assert vector_lengths(SimpleNamespace(matryoshka_dims=[]), 192) == [192, 96, 48]
    assert vector_lengths(SimpleNamespace(matryoshka_dims=[8]), 16) == [16, 8]
    with pytest.raises(ValueError, match="between 1 and the 16"):
        vector_lengths(SimpleNamespace(matryoshka_dims=[32]), 16)
