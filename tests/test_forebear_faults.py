"""The faults found in the forebear of RRWebBERT (humanbehavior-gh/HB-rrweb-BERT, fa4253c), one test each.

Number 14, its speed of 2 sessions a second, is `benchmarks/tokenizer_throughput.py`.
"""

import json
import re
from configparser import ConfigParser

import numpy as np
import pytest
import torch
from session_corpus import TOKENS, masking, random_sessions, write_store
from tiny_rrweb import SOURCE, click, element, event_names, mutation, page, tiny_tokenizer, tokenizer_folder
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerBase

from traceformers.datasets_scripts.rrweb_sessions.prepare_rrweb_sessions import prepare
from traceformers.datasets_scripts.rrweb_sessions.session_shards import read_arrow
from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from traceformers.tokenization.rrweb.rrweb_vocabulary import SOURCES
from traceformers.training.masked_lm.mlm_arguments import parse_mlm
from traceformers.training.masked_lm.packing import PackingCollator
from traceformers.training.masked_lm.session_store import SessionStore
from traceformers.training.masked_lm.window_dataset import FixedWindows, RandomWindows

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return RRWebBertForMaskedLM(RRWebBertConfig(vocab_size=776, **TINY)).eval()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    write_store(folder, "train", random_sessions(1, 20))
    return SessionStore(folder, "train")


def recordings(folder, n):
    """Writes n different recordings of one page each."""
    folder.mkdir()
    for i in range(n):
        events = [*page(element(5, "button", f"Buy {i}"), href=f"https://shop{i % 7}.test/", time=i), click(5)]
        (folder / f"{i:03d}.json").write_text(json.dumps(events))
    return folder


def test_01_published_weights_are_the_trained_ones(model, tmp_path):
    model.save_pretrained(tmp_path)
    loaded, report = AutoModelForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    # tied to the embeddings, so not in the file: the only names that may be missing
    assert {key for key in report["missing_keys"] if not key.startswith("decoder.")} == set()
    assert not report["unexpected_keys"] and not report["mismatched_keys"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name


def test_02_no_session_is_in_two_splits(tmp_path):
    data = recordings(tmp_path / "data", 60)
    prepare(str(data), tokenizer_folder(), tmp_path / "out", num_proc=1, progress=False, test_share=0.2)
    seen = {}
    for split in ("train", "validation", "test"):
        table = read_arrow(tmp_path / "out" / f"{split}-00000-of-00001.arrow")
        for fingerprint in table["fingerprint"].to_pylist():
            assert seen.setdefault(fingerprint, split) == split
    assert len(seen) == 60 and len(set(seen.values())) == 3


def test_03_windows_are_new_every_epoch(store):
    windows = RandomWindows(store, TOKENS, 32, samples_per_epoch=50, seed=0)
    first = [windows[i]["ids"].tolist() for i in range(50)]
    windows.set_epoch(1)
    assert [windows[i]["ids"].tolist() for i in range(50)] != first


def test_04_windows_reach_the_end_of_a_session_and_nothing_is_cut_silently(store):
    tok = tiny_tokenizer()
    long = [*page(element(5, "button", "Buy")), *(click(5, time=100 + i) for i in range(3000))]
    assert len(tok(events=long)["input_ids"]) > 8192
    windows = FixedWindows(store, TOKENS, 32)
    rows = [windows[i]["ids"].tolist() for i in range(len(windows))]
    bodies = [token for row in rows for token in row[row.index(TOKENS.body) + 1 : -1]]
    assert bodies == [token for i in range(len(store)) for token in store[i].ids.tolist()]


def test_05_workers_draw_different_windows(store):
    windows = RandomWindows(store, TOKENS, 32, samples_per_epoch=64, seed=0)
    loader = torch.utils.data.DataLoader(windows, batch_size=16, num_workers=2, collate_fn=list)
    drawn = [item["mask_seed"] for batch in loader for item in batch]
    assert len(set(drawn)) == 64


def test_06_windows_are_framed_and_begin_on_events_and_nothing_untrained_is_pooled(model):
    tok = tiny_tokenizer()
    session = tok.tokenize_session(SOURCE)
    rows = tok.windows(session, max_length=400, return_header_lengths=True)
    at, borders = 0, set(session.node_offsets.tolist())
    for ids, header in zip(rows["input_ids"], rows["header_lengths"], strict=True):
        assert ids[0] == tok.cls_token_id and ids[-1] == tok.sep_token_id
        assert at in borders
        at += len(ids) - header - 1
    assert not any("pooler" in name for name, _ in model.named_parameters())


def test_07_every_parameter_is_trained(store, model):
    windows = RandomWindows(store, TOKENS, 32, samples_per_epoch=64, seed=0)
    batch = PackingCollator(masking(), structural_vocab_size=520)([windows[i] for i in range(64)])
    trained = RRWebBertForMaskedLM(RRWebBertConfig(vocab_size=776, **TINY))
    trained.set_attn_implementation("sdpa_varlen")
    trained(**batch).loss.backward()
    untouched = [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert untouched == []


def test_08_an_embedding_is_a_vector_without_labels(model):
    ids = torch.tensor([[2, 13, 600, 3]])
    outputs = model(input_ids=ids)
    assert outputs.loss is None and outputs.logits.shape == (1, 4, 776)
    assert model.base_model(input_ids=ids).last_hidden_state.shape == (1, 4, 32)


def test_09_auto_classes_load_it_and_the_tokenizer_is_a_tokenizer(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).model_type == "rrweb_bert"
    assert AutoModel.from_pretrained(tmp_path).config.model_type == "rrweb_bert"
    assert set(model.config.auto_map) >= {"AutoConfig", "AutoModel", "AutoModelForMaskedLM"}
    assert isinstance(tiny_tokenizer(), PreTrainedTokenizerBase)


def test_10_the_configuration_is_the_documented_one():
    config = RRWebBertConfig()
    assert (config.vocab_size, config.structural_vocab_size, config.max_position_embeddings) == (12_520, 520, 2048)


def test_11_sources_are_numbered_as_rrweb_numbers_them():
    assert SOURCES[:6] == "Mutation MouseMove MouseInteraction Scroll ViewportResize Input".split()
    assert len(SOURCES) == 17 and SOURCES[12:] == (
        "Drag StyleDeclaration Selection AdoptedStyleSheet CustomElement".split()
    )


def test_12_a_replaced_token_keeps_its_class(store):
    classes = masking().token_classes
    for i in range(len(store)):
        ids = np.concatenate([[TOKENS.cls, TOKENS.body], store[i].ids, [TOKENS.sep]]).astype(np.uint16)
        masked, _ = masking(probability=0.9)(ids, np.random.default_rng(i))
        changed = (masked != ids) & (masked != 4)
        assert (classes[masked[changed]] == classes[ids[changed]]).all()


def test_13_a_file_that_cannot_be_read_is_left_out_and_counted_and_an_empty_batch_is_no_nan(model, tmp_path):
    data = recordings(tmp_path / "data", 5)
    (data / "broken.json").write_text('[{"type": 4, "data": {')
    info = prepare(str(data), tokenizer_folder(), tmp_path / "out", num_proc=1, progress=False)
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert info["rejected"] == len(rejected) == 1
    assert rejected[0]["file"].endswith("broken.json") and rejected[0]["reason"]
    assert sum(split["sessions"] for split in info["splits"].values()) == 5
    loss = model(input_ids=torch.tensor([[2, 13, 600, 3]]), labels=torch.full((1, 4), -100)).loss
    assert torch.isfinite(loss)


def test_15_there_is_a_warm_up_and_evaluation_masks_do_not_change(repository_root, store, tmp_path):
    for name in ("tiny", "small", "base"):
        config = repository_root / f"run_scripts/configs/rrweb/{name}.yaml"
        given = ["--data_dir", "x", "--output_dir", str(tmp_path), "--use_cpu", "true"]
        _, _, arguments = parse_mlm([str(config), *given])
        assert arguments.warmup_steps > 0
    windows, collate = FixedWindows(store, TOKENS, 32), PackingCollator(masking(), structural_vocab_size=520)
    first, again = (collate([windows[i] for i in range(8)]) for _ in range(2))
    assert torch.equal(first["masked_positions"], again["masked_positions"])
    assert torch.equal(first["input_ids"], again["input_ids"])


def test_16_nothing_private_of_bert_is_used(repository_root):
    for path in (repository_root / "modeling" / "rrweb_bert").glob("*.py"):
        code = path.read_text()
        assert "models.bert" not in code and "head_mask" not in code and "-10000" not in code, path


def test_17_there_is_one_licence(repository_root):
    metadata = ConfigParser()
    metadata.read(repository_root / "setup.cfg")
    assert metadata["metadata"]["license_expression"] == "Apache-2.0"
    assert "Apache License" in (repository_root / "LICENSE").read_text()
    card = (repository_root / "model_cards" / "rrweb_bert.md.jinja").read_text()
    assert "apache-2.0" in (card + (repository_root / "model_cards" / "card.py").read_text()).lower()
    assert not re.search(r"\bMIT licen[cs]ed?\b", card)


def test_18_places_times_attributes_and_the_touched_element_are_read():
    shown = page(element(5, "button", "Buy", aria_label="Buy now", role="tab", disabled="true"))
    told = event_names([*shown, click(5, time=1034, pointerType=2)])
    assert told[0] == "[gap:11]" and "[do:Click]" in told and "[pointer:touch]" in told
    assert "[tag:button]" in told and "[role:tab]" in told and '"Buy"' in told
    assert any(t.startswith("[x:") for t in told) and any(t.startswith("[y:") for t in told)
    content = event_names(shown)
    assert "[attr:aria-label]" in content and "[attr:disabled]" in content
    changed = mutation(attributes=[{"id": 5, "attributes": {"aria-label": "Sold out", "disabled": None}}])
    assert {"[change:attributes]", "[attr:aria-label]", "[attr:disabled]"} <= set(event_names([*shown, changed]))
