"""The pooler of activity and FiLM by themselves, against what they are defined to be."""

import math

import pytest
import torch

from traceformers import ProductiveFeedConfig
from traceformers.modeling.productive_feed.activity_pooler import FIRST_SLOPE, ActivityPooler
from traceformers.modeling.productive_feed.film_conditioning import FilmConditioning

BERT = {"model_type": "bert", "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}


def pooler(seed=0, **settings):
    """Returns (a pooler with random weights, its config)."""
    sizes = {"event_size": 12, "activity_hidden_size": 8, "activity_heads": 2, "categories": ["a", "b"]}
    config = ProductiveFeedConfig(encoder_config=BERT, **{**sizes, **settings})
    made = ActivityPooler(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return made, config


def inputs(sets=1, events=6, seed=0):
    """Returns keyword arguments of the pooler."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "vectors": torch.nn.functional.normalize(torch.randn(sets, events, 16, generator=generator), dim=-1),
        "categories": torch.randint(0, 3, (sets, events), generator=generator),
        "features": torch.randn(sets, events, 4, generator=generator),
        "log_minutes": torch.rand(sets, events, generator=generator) * 5,
        "mask": torch.ones(sets, events, dtype=torch.bool),
    }


def test_one_layer_and_one_head_is_attention_as_it_is_written():
    """softmax(query key / sqrt(d) - slope log(1 + minutes)) over the events and "no activity"."""
    made, _ = pooler(activity_layers=1, activity_heads=1, activity_queries=1)
    given, texts = inputs(), torch.nn.functional.normalize(torch.randn(3, 16), dim=-1)
    layer = made.layers[0]
    with torch.no_grad():
        events = torch.cat(
            [
                made.events.norm(made.nothing)[None],
                made.events(given["vectors"], given["categories"], given["features"])[0],
            ]
        )
        query = layer.query(layer.query_norm(made.target(texts * 4)))  # the root of the width of a text
        slope = made.slopes[0, 0].exp().log1p()
        ages = torch.cat([torch.zeros(1), given["log_minutes"][0]])
        weights = (query @ layer.key(events).T / math.sqrt(8) - slope * ages).softmax(1)
        _, found = made(**given, texts=texts)
    torch.testing.assert_close(found, weights[:, 1:], atol=1e-6, rtol=1e-5)


def test_a_video_does_not_see_the_others():
    made, _ = pooler()
    given, texts = inputs(), torch.nn.functional.normalize(torch.randn(4, 16), dim=-1)
    together, weights = made(**given, texts=texts)
    for row in range(4):
        alone, weight = made(**given, texts=texts[row : row + 1])
        torch.testing.assert_close(alone, together[row : row + 1], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(weight, weights[row : row + 1], atol=1e-6, rtol=1e-5)


def test_each_part_of_an_event_is_heard():
    made, _ = pooler()
    given, texts = inputs(), torch.nn.functional.normalize(torch.randn(2, 16), dim=-1)
    expected, _ = made(**given, texts=texts)
    for name, other in inputs(seed=1).items():
        if name != "mask":
            changed, _ = made(**{**given, name: other}, texts=texts)
            assert (changed - expected).abs().max() > 1e-3, name


def test_what_is_in_a_masked_event_is_never_read():
    made, _ = pooler()
    given, texts = inputs(), torch.nn.functional.normalize(torch.randn(2, 16), dim=-1)
    given["mask"][0, 2] = False
    expected, weights = made(**given, texts=texts)
    assert weights[:, 2].abs().max() == 0
    given["vectors"][0, 2], given["features"][0, 2], given["log_minutes"][0, 2] = 1e3, -1e3, 40.0
    assert torch.equal(made(**given, texts=texts)[0], expected)


def test_slopes_are_never_negative_and_start_where_they_are_said_to():
    made, _ = pooler()
    made.reset()
    slopes = torch.nn.functional.softplus(made.slopes)
    torch.testing.assert_close(slopes, torch.full_like(slopes, FIRST_SLOPE))
    with torch.no_grad():
        made.slopes.fill_(-50)
    assert (torch.nn.functional.softplus(made.slopes) >= 0).all()


def test_learned_queries_alone_make_one_vector_a_set():
    made, config = pooler(activity_fusion="token")
    assert made.target is None
    found, weights = made(**inputs(sets=3))
    assert found.shape == (3, config.activity_hidden_size)
    assert weights.shape == (3, 6)


@pytest.mark.parametrize("condition", [torch.zeros(4, 3), torch.randn(4, 3) * 100])
def test_film_changes_nothing_at_first(condition):
    film = FilmConditioning(6, 3, 5)
    torch.nn.init.zeros_(film.expand.weight)
    torch.nn.init.zeros_(film.expand.bias)
    rows = torch.randn(4, 6)
    assert torch.equal(film(rows, condition), rows)


def test_film_scales_and_shifts_each_feature():
    film = FilmConditioning(2, 1, 1)
    with torch.no_grad():
        film.expand.weight.zero_()
        film.expand.bias.copy_(torch.tensor([1.0, -0.5, 10.0, 20.0]))  # gamma, then beta
        found = film(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 1))
    assert found.tolist() == [[3 * 2 + 10, 4 * 0.5 + 20]]
