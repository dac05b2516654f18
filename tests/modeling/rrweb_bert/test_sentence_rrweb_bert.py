"""SessionEncoder: one vector a session through sentence-transformers, however many windows it takes."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, RRWebBertModel
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import (
    ACTION,
    ADDRESS,
    PAGE,
    SessionEncoder,
    is_recording,
    save_sentence_transformer,
)
from traceformers.tokenization.rrweb import tokenization_rrweb
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer, empty_bpe

WINDOW = 64


def session(clicks, seed=0):
    """A page with a few buttons and `clicks` clicks on them."""
    buttons = [
        {
            "type": 2,
            "tagName": "button",
            "attributes": {"type": "button"},
            "id": 10 + 2 * n,
            "childNodes": [{"type": 3, "textContent": f"choice {chr(97 + seed % 26) * 9} {n}", "id": 11 + 2 * n}],
        }
        for n in range(4)
    ]
    body = {"type": 2, "tagName": "body", "attributes": {}, "childNodes": buttons, "id": 3}
    html = {"type": 2, "tagName": "html", "attributes": {}, "childNodes": [body], "id": 2}
    document = {"type": 0, "childNodes": [html], "id": 1}
    events = [
        {"type": 4, "timestamp": 1000, "data": {"href": "http://shop.test/", "width": 1280, "height": 800}},
        {"type": 2, "timestamp": 1010, "data": {"node": document, "initialOffset": {"top": 0, "left": 0}}},
    ]
    numbers = np.random.default_rng(seed).integers(0, 4, clicks)
    for step, number in enumerate(numbers):
        data = {"source": 2, "type": 2, "id": int(10 + 2 * number), "x": 40, "y": 20}
        events.append({"type": 3, "timestamp": 2000 + 700 * step, "data": data})
    return events


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabulary")
    empty_bpe().save(str(folder / "text_bpe.json"))
    structural = Path(tokenization_rrweb.__file__).with_name("structural_vocab.json")
    return RRWebTokenizer(structural, folder / "text_bpe.json", model_max_length=WINDOW)


def tiny(tokenizer, model_class=RRWebBertModel):
    torch.manual_seed(0)
    config = RRWebBertConfig(
        vocab_size=len(tokenizer),
        structural_vocab_size=tokenizer.structural_vocab_size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=WINDOW,
    )
    return model_class(config).eval()


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A repository of a masked language model with the sentence-transformers files added."""
    folder = tmp_path_factory.mktemp("repository")
    tiny(tokenizer, RRWebBertForMaskedLM).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return save_sentence_transformer(folder)


@pytest.fixture(scope="module")
def encoder(folder):
    return SentenceTransformer(str(folder), trust_remote_code=True, device="cpu")


def later(events, milliseconds):
    return [{**event, "timestamp": event["timestamp"] + milliseconds} for event in events]


def page_only():
    """A page that takes several windows, on which nothing is done."""
    texts = [{"type": 3, "textContent": f"paragraph number {n} of a long page", "id": 100 + n} for n in range(40)]
    nodes = [
        {"type": 2, "tagName": "p", "attributes": {}, "childNodes": [text], "id": 200 + n}
        for n, text in enumerate(texts)
    ]
    body = {"type": 2, "tagName": "body", "attributes": {}, "childNodes": nodes, "id": 3}
    document = {"type": 0, "childNodes": [{**body, "tagName": "html", "id": 2, "childNodes": [body]}], "id": 1}
    return [
        {"type": 4, "timestamp": 0, "data": {"href": "http://shop.test/long", "width": 1280, "height": 800}},
        {"type": 2, "timestamp": 10, "data": {"node": document, "initialOffset": {"top": 0, "left": 0}}},
    ]


def vectors_of(module, inputs):
    with torch.no_grad():
        return module(module.preprocess(inputs))["sentence_embedding"]


# --- one vector a session -----------------------------------------------------------------------------------


def test_a_session_is_the_mean_of_the_body_tokens_of_all_its_windows(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer, normalize=False, pooling="all")
    events = session(clicks=40)
    windows = tokenizer.windows(events, max_length=WINDOW, return_header_lengths=True)
    assert len(windows["input_ids"]) > 3
    total, count = 0, 0
    for ids, start in zip(windows["input_ids"], windows["header_lengths"], strict=True):
        with torch.no_grad():
            hidden = module.model(torch.tensor([ids])).last_hidden_state[0]
        total, count = total + hidden[start:-1].sum(0), count + len(ids) - 1 - start
    assert count == len(tokenizer.tokenize_session(events).ids)
    torch.testing.assert_close(vectors_of(module, [events])[0], total / count, rtol=0, atol=1e-5)


def test_actions_are_averaged_as_if_every_window_were_read(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer, normalize=False)
    events = [*session(clicks=3), *later(page_only(), 9000), *later(session(clicks=4, seed=1)[2:], 9000)]
    tokenized = tokenizer.tokenize_session(events)
    parts = module.parts(tokenized)
    windows = tokenizer.windows(tokenized, max_length=WINDOW, return_header_lengths=True)
    total, count, position = 0, 0, 0
    for ids, start in zip(windows["input_ids"], windows["header_lengths"], strict=True):
        with torch.no_grad():
            hidden = module.model(torch.tensor([ids])).last_hidden_state[0]
        own = parts[position : position + len(ids) - 1 - start]
        position += len(own)
        chosen = torch.from_numpy((own == ACTION) | (own == ADDRESS))
        total, count = total + hidden[start:-1][chosen].sum(0), count + int(chosen.sum())
    features = module.preprocess([events])
    assert len(features["window_lengths"]) < len(windows["input_ids"]) - 1
    torch.testing.assert_close(vectors_of(module, [events])[0], total / count, rtol=0, atol=1e-5)


def test_what_each_token_belongs_to_follows_from_its_event(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer)
    tokenized = tokenizer.tokenize_session(session(clicks=2))
    parts = module.parts(tokenized)
    borders = tokenized.event_offsets.tolist()
    of_event = [set(parts[start:stop].tolist()) for start, stop in pairwise(borders)]
    assert of_event == [{ADDRESS}, {PAGE}, {ACTION}, {ACTION}]


def test_an_action_after_a_change_of_the_browser_window_is_one(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer)
    events = [{**event, "windowId": "ab"[number % 2]} for number, event in enumerate(session(clicks=4))]
    tokenized = tokenizer.tokenize_session(events)
    assert set(module.parts(tokenized)[int(tokenized.event_offsets[2]) :].tolist()) == {ACTION}


def test_kinds_of_tokens_are_averaged_apart_and_centred(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer, pooling="kinds")
    features = module.preprocess([session(clicks=12)])
    means = module.means(features)
    assert means.shape == (1, 6, 64) and module.get_embedding_dimension() == 384
    assert (features["pooled"] > 0).sum(0).max() == 1  # no token twice
    found = vectors_of(module, [session(clicks=12)])
    assert found.shape == (1, 384) and abs(found.norm() - 1) < 1e-5
    module.centres.values.copy_(means[0].detach())
    assert vectors_of(module, [session(clicks=12)]).abs().max() < 1e-5


def test_what_happens_often_weighs_as_the_root_of_how_often(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer, pooling="kinds")
    features = module.preprocess([session(clicks=9)])
    click = tokenizer.convert_tokens_to_ids("[do:Click]")
    weights = features["pooled"].sum(0)[features["input_ids"][0] == click]
    assert len(weights) == 9 and torch.allclose(weights, torch.full((9,), 1 / 3))


def test_the_centres_are_saved_with_the_encoder(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    save_sentence_transformer(copy, pooling="kinds")
    model = SentenceTransformer(str(copy), trust_remote_code=True, device="cpu")
    assert not model[0].centres.values.any()
    model[0].centres.values.fill_(0.25)
    model.save(str(tmp_path / "again"), create_model_card=False)
    again = SentenceTransformer(str(tmp_path / "again"), trust_remote_code=True, device="cpu")
    assert (again[0].centres.values == 0.25).all()
    assert np.array_equal(again.encode(["sign in"]), model.encode(["sign in"]))


def test_a_tokenized_session_is_a_session(encoder, tokenizer):
    events = session(20)
    assert np.array_equal(encoder.encode([tokenizer.tokenize_session(events)]), encoder.encode([events]))


def test_the_end_of_a_long_session_counts(tokenizer):
    module, events = SessionEncoder(tiny(tokenizer), tokenizer), session(clicks=40)
    changed = [*events[:-1], {**events[-1], "data": {**events[-1]["data"], "type": 4}}]
    found = vectors_of(module, [events, changed])
    assert (found[0] - found[1]).abs().max() > 1e-5


@pytest.mark.parametrize("rows_per_forward", [1, 2, 100])
def test_neither_company_nor_chunks_change_a_vector(tokenizer, rows_per_forward):
    inputs = [session(40), session(2, seed=1), "sign in", session(11, seed=2), ""]
    alone = SessionEncoder(tiny(tokenizer), tokenizer)
    expected = torch.cat([vectors_of(alone, [item]) for item in inputs])
    together = SessionEncoder(tiny(tokenizer), tokenizer, rows_per_forward=rows_per_forward)
    torch.testing.assert_close(vectors_of(together, inputs), expected, rtol=0, atol=1e-5)
    turned = vectors_of(together, inputs[::-1]).flip(0)
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-5)


def test_every_form_of_a_session_gives_the_same_vector(encoder):
    events = session(12)
    text = json.dumps(events)
    expected = encoder.encode([text])
    for form in (events, {"events": events}, text.encode(), "\n " + text, json.dumps({"events": events})):
        assert np.array_equal(encoder.encode([form]), expected)


def test_what_a_str_starts_with_says_what_it_is():
    assert is_recording("[1") and is_recording('{"a"') and is_recording(" \n[") and is_recording(b"x")
    assert is_recording([]) and is_recording({}) and is_recording(Path("x"))
    assert not is_recording("click [here]") and not is_recording("")
    with pytest.raises(ValueError, match=r"single event .* encode\(\[events\]\)"):
        is_recording(session(1)[0])
    with pytest.raises(ValueError, match="got int"):
        is_recording(3)


def test_events_given_in_place_of_sessions_are_refused(encoder):
    with pytest.raises(ValueError, match="single event"):
        encoder.encode(session(3))


def test_a_text_is_encoded_as_the_tokenizer_would(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer, normalize=False)
    ids = torch.tensor([tokenizer("sign in").input_ids])
    with torch.no_grad():
        expected = module.model(ids).last_hidden_state[0, 1:-1].mean(0)
    torch.testing.assert_close(vectors_of(module, ["sign in"])[0], expected, rtol=0, atol=1e-6)


def test_a_long_text_is_cut_into_windows_and_not_truncated(tokenizer):
    module = SessionEncoder(tiny(tokenizer), tokenizer)
    text = "many words of which the last is " * 20
    features = module.preprocess([text])
    assert len(features["window_lengths"]) > 1 and features["window_lengths"].max() <= WINDOW
    kept = features["input_ids"][features["pooled"].bool()].tolist()
    assert kept == tokenizer(text, add_special_tokens=False).input_ids


def test_a_session_and_a_text_without_tokens_have_a_finite_vector(encoder):
    found = encoder.encode(["", [{"type": 0, "timestamp": 0, "data": {}}]])
    assert np.isfinite(found).all() and np.allclose((found**2).sum(1), 1, atol=1e-5)


def test_length_one_or_the_plain_mean_by_configuration(tokenizer):
    model = tiny(tokenizer)
    unit = vectors_of(SessionEncoder(model, tokenizer), [session(5)])
    plain = vectors_of(SessionEncoder(model, tokenizer, normalize=False), [session(5)])
    assert abs(unit.norm() - 1) < 1e-6 and abs(plain.norm() - 1) > 1e-3
    torch.testing.assert_close(unit, plain / plain.norm())


def test_wrong_settings_are_refused(tokenizer):
    with pytest.raises(ValueError, match="max_seq_length between 1 and 64"):
        SessionEncoder(tiny(tokenizer), tokenizer, max_seq_length=65)
    with pytest.raises(ValueError, match="pooling to be one of actions, all, kinds, got 'max'"):
        SessionEncoder(tiny(tokenizer), tokenizer, pooling="max")
    with pytest.raises(ValueError, match="rows_per_forward of at least 1, got 0"):
        SessionEncoder(tiny(tokenizer), tokenizer, rows_per_forward=0)


# --- the folder ---------------------------------------------------------------------------------------------


def test_the_folder_loads_as_repository_code(encoder, folder):
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["type"] for module in modules] == ["sentence_rrweb_bert.SessionEncoder"]
    assert type(encoder[0]).__module__.startswith("transformers_modules.")
    assert encoder.get_embedding_dimension() == 32 and encoder.max_seq_length == WINDOW
    assert encoder.encode(["sign in"]).shape == (1, 32)


def test_the_vectors_are_those_of_the_trained_encoder(encoder, folder, tokenizer):
    own = SessionEncoder(RRWebBertModel.from_pretrained(folder).eval(), tokenizer)
    assert np.array_equal(encoder.encode([json.dumps(session(9))]), vectors_of(own, [session(9)]).numpy())


def test_saving_and_loading_again_changes_nothing(encoder, tmp_path):
    inputs = [json.dumps(session(30)), "sign in"]
    expected = encoder.encode(inputs)
    source = encoder
    for generation in ("first", "second"):
        source.save(str(tmp_path / generation), create_model_card=False)
        source = SentenceTransformer(str(tmp_path / generation), trust_remote_code=True, device="cpu")
        assert np.array_equal(source.encode(inputs), expected)
        modules = json.loads((tmp_path / generation / "modules.json").read_text())
        assert modules[0]["type"] == "sentence_rrweb_bert.SessionEncoder"


def test_settings_are_kept_in_the_folder(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    save_sentence_transformer(copy, max_seq_length=32, normalize=False, rows_per_forward=3)
    module = SentenceTransformer(str(copy), trust_remote_code=True, device="cpu")[0]
    assert (module.max_seq_length, module.normalize, module.rows_per_forward) == (32, False, 3)
    assert module.preprocess([session(30)])["window_lengths"].max() <= 32


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no config\.json; call save_pretrained"):
        save_sentence_transformer(tmp_path)


def test_it_trains_with_negatives_from_the_batch(folder, tmp_path):
    from datasets import Dataset

    model = SentenceTransformer(str(folder), trust_remote_code=True, device="cpu")
    before = model[0].model.get_input_embeddings().weight.detach().clone()
    pairs = [{"anchor": json.dumps(session(20, n)), "positive": json.dumps(session(6, n))} for n in range(4)]
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path),
        max_steps=12,
        per_device_train_batch_size=4,
        learning_rate=3e-3,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        seed=0,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(pairs),
        loss=MultipleNegativesRankingLoss(model),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 12 and sum(losses[-3:]) < 0.8 * sum(losses[:3])
    assert not torch.equal(model[0].model.get_input_embeddings().weight, before)
