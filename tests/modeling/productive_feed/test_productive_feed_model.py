"""Laws of the feed model: what may change a score, what must, and what must not."""

import inspect
import itertools

import pytest
import torch
from assertions import assert_save_load_keeps_outputs
from tiny_feed_model import (
    CHANNELS,
    DESCRIPTIONS,
    ENCODERS,
    TITLES,
    logits,
    new_feed_model,
    tiny_events,
    tiny_feed_model,
    tiny_inputs,
    tiny_numbers,
)

from traceformers import ProductiveFeedModel
from traceformers.modeling.productive_feed import modeling_productive_feed, text_encoding

KINDS = [
    ("bert", {}),
    ("bert", {"pooling": "cls"}),
    ("bert", {"head": "linear"}),
    ("bert", {"head": "residual"}),
    ("bert", {"activity_fusion": "token"}),
    ("bert", {"use_activity": False}),
    ("ngram", {}),
    ("ngram", {"head": "linear"}),
    ("ngram", {"head": "residual"}),
]
WITH_ACTIVITY = [(kind, settings) for kind, settings in KINDS if settings.get("use_activity", True)]
of_all_kinds = pytest.mark.parametrize(("kind", "settings"), KINDS, ids=str)
of_all_with_activity = pytest.mark.parametrize(("kind", "settings"), WITH_ACTIVITY, ids=str)


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


# --- what is saved ------------------------------------------------------------------------------------------


@of_all_kinds
def test_a_saved_model_scores_the_same_to_the_bit_heads_and_pooler_included(kind, settings):
    model = tiny_feed_model(kind, **settings)
    assert_save_load_keeps_outputs(model, tiny_inputs(model))


def test_a_loaded_models_text_vectors_are_equal_to_the_bit(tmp_path):
    model = tiny_feed_model()
    model.save_pretrained(tmp_path)
    loaded = ProductiveFeedModel.from_pretrained(tmp_path)
    fields = (TITLES, CHANNELS, DESCRIPTIONS)
    assert torch.equal(loaded.encode_text(*fields), model.encode_text(*fields))


# --- text ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("field", [0, 1, 2])
def test_title_channel_and_description_all_reach_the_score(kind, field):
    model = tiny_feed_model(kind)
    fields = [["red cat"], ["search street"], ["the river in new york"]]
    before = logits(model, text_vectors=model.encode_text(*fields))
    fields[field] = ["walking dog"]
    assert (logits(model, text_vectors=model.encode_text(*fields)) - before).abs().max() > 1e-4


@of_all_kinds
def test_padding_of_the_text_changes_nothing(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    expected = logits(model, **inputs)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    pad = model.text_tokenizer.pad_token_id
    wider = {
        "input_ids": torch.nn.functional.pad(ids, (0, 5), value=pad),
        "attention_mask": torch.nn.functional.pad(mask, (0, 5)),
    }
    close(logits(model, **{**inputs, **wider}), expected)


def test_the_side_of_the_padding_changes_nothing_where_activity_is_a_token():
    model = tiny_feed_model(activity_fusion="token")
    inputs = tiny_inputs(model, 1)
    row = {name: inputs[name][:1] for name in ("input_ids", "attention_mask")}
    assert row["attention_mask"][0, -1] == 0
    flipped = {name: value.roll(3, 1) for name, value in row.items()}
    assert flipped["attention_mask"][0, 0] == 0
    rest = {**inputs, "numbers": inputs["numbers"][:1]}
    close(logits(model, **{**rest, **flipped}), logits(model, **{**rest, **row}))


@of_all_kinds
def test_the_batch_changes_nothing(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    expected = logits(model, **inputs)
    for row in range(3):
        close(logits(model, **{name: value[row : row + 1] for name, value in inputs.items()}), expected[row : row + 1])


@of_all_kinds
def test_cached_text_vectors_score_as_the_text_does(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    rest = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
    vectors = model.encode_text(TITLES, CHANNELS, DESCRIPTIONS)
    if settings.get("activity_fusion") == "token":
        with pytest.raises(ValueError, match="leave text_vectors out"):
            model(text_vectors=vectors, **rest)
    else:
        close(logits(model, text_vectors=vectors, **rest), logits(model, **inputs))
        close(model(**inputs).text_vectors, vectors)


# --- activity -----------------------------------------------------------------------------------------------


@of_all_with_activity
def test_events_in_another_order_change_nothing(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    inputs["event_numbers"][..., 1] = 7.0  # at one time; what tells them apart is what they are
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = {name: value[:, order] if name.startswith("event_") else value for name, value in inputs.items()}
    close(logits(model, **shuffled), logits(model, **inputs))


@of_all_with_activity
def test_padding_of_the_events_changes_nothing_whatever_is_in_it(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    expected = model(**inputs)
    padded = dict(inputs)
    for name, filling in (("vectors", 9.0), ("numbers", 99.0), ("categories", 1), ("mask", False)):
        value = inputs[f"event_{name}"]
        more = torch.full((value.shape[0], 4, *value.shape[2:]), filling, dtype=value.dtype)
        padded[f"event_{name}"] = torch.cat([more[:, :2], value, more[:, 2:]], 1)
    found = model(**padded)
    close(found.logits, expected.logits)
    assert found.activity_weights[:, [0, 1, 7, 8]].abs().max() == 0
    close(found.activity_weights[:, 2:7], expected.activity_weights)


@of_all_with_activity
def test_events_shared_by_all_videos_are_events_repeated_for_each(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = {**tiny_inputs(model), **tiny_events(model, 1)}
    repeated = {
        name: value.expand(3, *value.shape[1:]) if name.startswith("event_") else value
        for name, value in inputs.items()
    }
    shared, each = model(**inputs), model(**repeated)
    close(shared.logits, each.logits)
    close(shared.activity_weights, each.activity_weights)
    assert shared.activity_weights.shape == (3, 5)


@of_all_with_activity
def test_no_activity_is_the_same_however_it_is_said(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    rest = {name: value for name, value in inputs.items() if not name.startswith("event_")}
    none = logits(model, **rest)
    masked = {**inputs, "event_mask": torch.zeros(3, 5, dtype=torch.bool)}
    close(logits(model, **masked), none)
    empty = {name: value[:, :0] for name, value in inputs.items() if name.startswith("event_")}
    close(logits(model, **rest, **empty), none)
    assert none.isfinite().all()


@of_all_with_activity
def test_no_activity_is_not_an_event_of_zeros(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    rest = {name: value for name, value in inputs.items() if not name.startswith("event_")}
    zeros = {name: torch.zeros_like(value) for name, value in tiny_events(model, 3).items()}
    zeros["event_mask"][:, 0] = True
    zeros["event_numbers"][..., 0] = 60  # for a minute
    assert (logits(model, **rest, **zeros) - logits(model, **rest)).abs().max() > 1e-4


def test_no_activity_is_learned():
    model = tiny_feed_model()
    rest = {name: value for name, value in tiny_inputs(model).items() if not name.startswith("event_")}
    model(**rest).logits.sum().backward()
    assert model.activity_pooler.nothing.grad.abs().sum() > 0


@of_all_with_activity
def test_what_was_long_ago_counts_less(kind, settings):
    """Both events say the same with each other's weight; when one moves away, the score moves to the other's."""
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    inputs |= {name: value[:, :2] for name, value in inputs.items() if name.startswith("event_")}
    if model.activity_pooler is not None:
        with torch.no_grad():  # the time as such says nothing here: what is left of it is the bias by recency
            model.activity_pooler.events.numbers.weight[:, 1] = 0
    weights = []
    for minutes in (0.0, 10.0, 100.0, 1000.0):
        inputs["event_numbers"][:, :, 1] = torch.tensor([minutes, 5.0])
        with torch.no_grad():
            found = model(**inputs).activity_weights
        weights.append(found[:, 0] / found.sum(1))
    for earlier, later in itertools.pairwise(weights):
        assert (later < earlier).all()


@of_all_with_activity
def test_every_event_can_matter(kind, settings):
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    expected = logits(model, **inputs)
    for event in range(5):
        without = {**inputs, "event_mask": inputs["event_mask"].clone()}
        without["event_mask"][:, event] = False
        assert (logits(model, **without) - expected).abs().max() > 1e-6, event


def test_the_weight_of_events_is_at_most_one_and_different_for_different_videos():
    model = tiny_feed_model()
    inputs = {**tiny_inputs(model), **tiny_events(model, 1)}
    weights = model(**inputs).activity_weights
    assert (weights >= 0).all()
    assert (weights.sum(1) < 1).all()
    assert not torch.allclose(weights[0], weights[1])


def test_a_model_without_activity_does_not_look_at_events():
    model = tiny_feed_model(use_activity=False)
    inputs = tiny_inputs(model)
    assert torch.equal(logits(model, **inputs, **tiny_events(model, 3)), logits(model, **inputs))
    assert not any("activity" in name for name in model.state_dict())


# --- numbers ------------------------------------------------------------------------------------------------


@of_all_kinds
def test_the_scalers_of_the_config_are_what_standardises(kind, settings):
    """Means and deviations live in one place: a number and its scaler changed alike give the same score."""
    model = tiny_feed_model(kind, **settings)
    inputs = tiny_inputs(model)
    column = model.config.number_names.index("weekday_sin")
    expected = logits(model, **inputs)
    inputs["numbers"][:, column] = inputs["numbers"][:, column] * 3 + 7
    assert (logits(model, **inputs) - expected).abs().max() > 1e-4
    model.config.number_means[column], model.config.number_stds[column] = 7.0, 3.0
    close(logits(model, **inputs), expected)


def test_durations_are_told_in_logarithms_and_hours_are_not():
    model = tiny_feed_model(number_names=["duration", "hour_sin"])
    features = model.number_features(torch.tensor([[99.0, 0.5]]), 1)
    assert features[0, 0].item() == pytest.approx(torch.tensor(100.0).log().item())
    assert features[0].tolist()[1:] == [0.5, 0.0, 0.0]


def test_an_unknown_number_is_neither_zero_nor_the_mean():
    model = tiny_feed_model(number_names=["duration"], number_means=[5.0], number_stds=[2.0])
    unknown, zero = (model.number_features(torch.tensor([[value]]), 1) for value in (torch.nan, 0.0))
    mean = model.number_features(torch.tensor([[5.0]]).exp() - 1, 1)
    assert unknown.tolist() == [[0.0, 1.0]]
    assert zero.tolist() == [[-2.5, 0.0]]
    torch.testing.assert_close(mean, torch.tensor([[0.0, 0.0]]), atol=1e-5, rtol=0)


def test_one_wild_duration_stays_within_bounds():
    model = tiny_feed_model(number_names=["duration"], number_stds=[0.001])
    assert model.number_features(torch.tensor([[1e30]]), 1)[0, 0] == modeling_productive_feed.FARTHEST


def test_numbers_left_out_are_unknown():
    model = tiny_feed_model()
    inputs = tiny_inputs(model)
    del inputs["numbers"]
    expected = logits(model, **inputs)
    unknown = torch.full((3, len(model.config.number_names)), torch.nan)
    assert torch.equal(logits(model, **inputs, numbers=unknown), expected)


def test_a_model_of_the_text_alone_has_no_film():
    model = tiny_feed_model(use_activity=False, number_names=[])
    assert model.film is None
    assert logits(model, text_vectors=model.encode_text(TITLES)).shape == (3, 2)


@pytest.mark.parametrize("head", ["linear", "residual"])
def test_linear_heads_of_the_text_alone_read_the_text_alone(head):
    model = tiny_feed_model(use_activity=False, number_names=[], head=head)
    assert model.interest_head.in_features == model.config.text_size
    assert logits(model, text_vectors=model.encode_text(TITLES)).shape == (3, 2)


@pytest.mark.parametrize(("hour", "other"), [(0.0, 24.0)])
def test_midnight_is_one_time(hour, other):
    model = tiny_feed_model()
    inputs = tiny_inputs(model)
    of_hour = []
    for value in (hour, other, 12.0):
        hours = torch.full((3, 5, 1), value)
        of_hour.append(logits(model, **{**inputs, "event_numbers": torch.cat([inputs["event_numbers"], hours], -1)}))
    close(of_hour[0], of_hour[1])
    assert (of_hour[0] - of_hour[2]).abs().max() > 1e-4


# --- before training ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ENCODERS)
def test_at_first_the_model_is_that_of_the_text_alone(kind):
    model = new_feed_model(kind)
    inputs = tiny_inputs(model)
    vectors = model.encode_text(TITLES, CHANNELS, DESCRIPTIONS)
    rows = model.text_norm(vectors)
    with torch.no_grad():
        of_text = torch.cat([model.interest_head(rows), model.productive_head(rows)], 1)
    close(logits(model, **inputs), of_text)
    others = {**inputs, **tiny_events(model, 3, seed=1), "numbers": tiny_numbers(model, seed=1)}
    assert torch.equal(logits(model, **others), logits(model, **inputs))


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("use_activity", [True, False])
def test_a_residual_that_is_zero_adds_nothing_to_the_linear_heads(kind, use_activity):
    linear = tiny_feed_model(kind, head="linear", use_activity=use_activity)
    model = new_feed_model(kind, head="residual", use_activity=use_activity)
    model.load_state_dict(linear.state_dict(), strict=False)
    inputs = tiny_inputs(model)
    assert torch.equal(logits(model, **inputs), logits(linear, **inputs))
    model.train()  # what starts at zero is zero under any dropout
    assert kind == "bert" or torch.equal(logits(model, **inputs), logits(linear, **inputs))
    with torch.no_grad():
        model.productive_residual.out.bias.fill_(0.5)
    moved = logits(model.eval(), **inputs) - logits(linear, **inputs)
    close(moved, torch.tensor([[0.0, 0.5]]).expand(3, 2))


def test_dropped_vectors_reach_all_but_the_linear_heads():
    rates = {"interest_dropout": 0.0, "productive_dropout": 0.0, "activity_dropout": 0.0, "vector_dropout": 0.5}
    for head, moves in (("linear", False), ("residual", True), ("mlp", True)):
        model = tiny_feed_model("ngram", head=head, **rates)
        inputs = tiny_inputs(model)
        expected = logits(model, **inputs)
        model.train()
        model.encoder.eval()
        assert (not torch.equal(logits(model, **inputs), expected)) == moves, head


@of_all_kinds
def test_the_gradient_reaches_every_part(kind, settings):
    # Dropout of a whole narrow layer would hide one.
    rates = {"interest_dropout": 0.0, "productive_dropout": 0.0, "activity_dropout": 0.0}
    model = tiny_feed_model(kind, **settings, **rates)
    if kind == "bert":
        model.train()
    inputs = tiny_inputs(model)
    model(**inputs, labels=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])).loss.backward()
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    # A bias of keys moves all weights of a softmax alike: its gradient is zero by nature.
    without = [
        name
        for name, parameter in named
        if not (name.endswith("key.bias") or (parameter.grad is not None and parameter.grad.abs().sum() > 0))
    ]
    assert without == []


def test_a_step_of_training_moves_activity_into_the_score():
    model = new_feed_model()
    inputs = {name: value for name, value in tiny_inputs(model).items() if name != "input_ids"}
    inputs |= {"text_vectors": model.encode_text(TITLES)}
    del inputs["attention_mask"]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):
        model(**inputs, labels=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    others = {**inputs, **tiny_events(model, 3, seed=1)}
    assert (logits(model, **others) - logits(model, **inputs)).abs().max() > 1e-4


# --- probabilities ------------------------------------------------------------------------------------------


def test_probabilities_are_those_of_the_temperature_and_the_bias():
    model = tiny_feed_model(temperatures=[2.0, 0.5], calibration_biases=[0.0, -1.0])
    found = model.probabilities(torch.tensor([[2.0, 1.0], [0.0, 0.5]]))
    torch.testing.assert_close(found, torch.sigmoid(torch.tensor([[1.0, 1.0], [0.0, 0.0]])))


def test_probabilities_keep_the_order_of_logits():
    model = tiny_feed_model(temperatures=[1.7, 0.3], calibration_biases=[0.4, -2.0])
    values = torch.linspace(-3, 3, 50)[:, None].expand(-1, 2)
    found = model.probabilities(values)
    assert (found.diff(dim=0) > 0).all()
    assert ((found > 0) & (found < 1)).all()


# --- wrong inputs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_ids": None, "attention_mask": None}, "Expected input_ids or text_vectors"),
        ({"text_vectors": torch.zeros(3, 7)}, "Expected text_vectors of shape"),
        ({"event_vectors": torch.zeros(3, 5, 7)}, "Expected event_vectors of width"),
        ({"event_vectors": torch.zeros(3, 4, 16)}, "Expected event inputs of the same"),
        ({"event_numbers": torch.zeros(3, 5, 1)}, "Expected event_numbers of shape"),
        ({"event_categories": torch.full((3, 5), 4)}, "Expected event_categories from 0 to 3"),
        ({"numbers": torch.zeros(3, 2)}, "Expected numbers of shape"),
        ({"numbers": torch.zeros(2, 6)}, "Expected numbers of shape"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(changes, message):
    model = tiny_feed_model()
    with pytest.raises(ValueError, match=message):
        model(**{**tiny_inputs(model), **changes})


def test_as_many_sets_of_events_as_videos_or_one():
    model = tiny_feed_model()
    with pytest.raises(ValueError, match="one set of events for all videos"):
        model(**{**tiny_inputs(model), **tiny_events(model, 2)})


# --- transformers -------------------------------------------------------------------------------------------


def test_no_inner_part_of_the_encoder_is_called():
    """What transformers calls its own can go in any release, as get_extended_attention_mask did."""
    for module in (modeling_productive_feed, text_encoding):
        source = inspect.getsource(module)
        for inner in ("get_extended_attention_mask", "encoder.embeddings", "encoder.encoder", "encoder.layer"):
            assert inner not in source


@of_all_kinds
def test_the_model_runs_where_there_is_no_accelerator(kind, settings):
    model = tiny_feed_model(kind, **settings)
    assert model.device.type == "cpu"
    assert logits(model, **tiny_inputs(model)).device.type == "cpu"


def test_half_precision_scores_nearly_the_same():
    model = tiny_feed_model()
    inputs = tiny_inputs(model)
    expected = logits(model, **inputs)
    found = logits(model.bfloat16(), **inputs)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.1, rtol=0.1)


def test_trainer_leaves_the_loss_as_it_is():
    assert ProductiveFeedModel.accepts_loss_kwargs is False
