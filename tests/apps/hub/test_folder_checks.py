"""What a push refuses: secrets, people in vocabularies and texts, pickles, broken files, cards that say too little."""

import gzip
import json
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_folders import FAMILIES, model_folder
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tiny_ngram import tiny_tokenizer as tiny_ngram_tokenizer
from tiny_rrweb import tokenizer_folder

from traceformers.apps.hub.folder_checks import CHECKS, check_card, check_loads, check_pickle, check_sizes, run_checks
from traceformers.apps.hub.folder_kind import card_parts, look_at
from traceformers.apps.hub.private_text import SECRETS, personal_in, secrets_in

LETTERS = "aB3dEfGh1jKlMn0pQrStUvWxYz2456789aBcDeFg"
SAMPLES = {  # put together here, so that this file holds none
    "Hugging Face token": "hf_" + LETTERS[:34],
    "GitHub token": "ghp_" + LETTERS[:36],
    "GitLab token": "glpat-" + LETTERS[:20],
    "Slack token": "xoxb-" + LETTERS[:20],
    "AWS key": "AKIA" + "ABCDEFGH12345678",
    "Google key": "AIza" + LETTERS[:35],
    "Google refresh token": "1//0" + LETTERS[:36],
    "OpenAI or Stripe key": "sk-" + LETTERS[:32],
    "private key": "-----BEGIN RSA PRIVATE" + " KEY-----",
    "web token": "eyJ" + LETTERS[:12] + ".eyJ" + LETTERS[:12] + "." + LETTERS[:20],
    "password in an address": "postgresql://ada:" + "lovelace1843@db.internal/feed",
    "secret in a setting": "client_secret: '" + LETTERS[:20] + "'",
}


def found_by(name, folder):
    """Returns the lines of one check on a folder."""
    return CHECKS[name](look_at(folder), "user/made-up")[0]


def test_there_is_a_sample_of_every_secret():
    assert sorted(SAMPLES) == sorted(SECRETS)


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("place", ["README.md", "config.json", "notes/deep.txt", "log.jsonl.gz", "metrics.py"])
def test_a_secret_in_any_text_file_is_found_and_not_repeated(tmp_path, kind, place):
    folder = model_folder(tmp_path)
    text = "before\n" * 3000 + f"some words {SAMPLES[kind]} and more\n"
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_bytes(gzip.compress(text.encode()) if place.endswith("gz") else text.encode())
    assert found_by("secrets", folder) == [f"{place}: 1 x {kind}"]


def test_the_token_of_this_machine_is_found_even_in_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "an-unusual-token")
    folder = model_folder(tmp_path)
    data = np.frombuffer(b"\0" * 8_388_600 + b"an-unusual-token", np.uint8)  # across the border of two reads
    save_file({"table": data}, folder / "model.safetensors")
    assert found_by("secrets", folder) == ["model.safetensors: 1 x the token this machine is logged in with"]


def test_our_own_code_and_configs_hold_no_secret(repository_root):
    folders = ("modeling", "tokenization", "run_scripts/configs", "model_cards", "apps/hub")
    files = [path for folder in folders for path in (repository_root / folder).rglob("*")]
    texts = {path: path.read_text() for path in files if path.suffix in (".py", ".yaml", ".json", ".jinja", ".md")}
    assert {str(path): secrets_in(text) for path, text in texts.items() if secrets_in(text)} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada.lovelace@analytical.co.uk", {"e-mail address": 1}),
        ("a@example.org git@github.com:x noreply@github.com user@host.local", {}),
        ("+44 20 7946 0958, (212) 555-0123 or 030 123 456 78", {"phone number": 3}),
        ("1.2.3 2024-01-15 12:30 1,000,000 0.123456789 3.14159265 100 200 300", {}),
    ],
)
def test_people_are_told_from_numbers(text, found):
    assert personal_in(text) == found


def test_no_text_takes_the_patterns_long():
    for text in ("a" * 200_000, "1 " * 100_000, "a@" * 100_000, "eyJ." * 50_000, "password=" * 20_000, "a." * 100_000):
        assert isinstance(personal_in(text), dict) and isinstance(secrets_in(text), dict)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("vocab.json", json.dumps({"ada@lovelace.name": 0}), "1 x e-mail address"),
        ("tokenizer.json", json.dumps({"model": {"vocab": {"Ġ49301234567": 7}}}), "1 x long number"),
        ("text_bpe.json", json.dumps({"model": {"vocab": {"Ãħ@bÃ¼cher.de": 7}}}), "1 x e-mail address"),
        ("vocab.txt", "the\n+442079460958\n", "1 x long number, 1 x phone number"),
        ("item_vocabulary.json", json.dumps({"items": ["me@home.net"], "titles": ["x"]}), "1 x e-mail address"),
        ("item_vocabulary.json", json.dumps({"items": ["1"], "titles": ["call 030 123 45678"]}), "1 x phone number"),
        ("item_vocabulary.json", json.dumps({"items": ["9780306406157"], "titles": ["Heat (1995)"]}), None),
        ("vocab.json", json.dumps({"[BUCKET_123456789]": 0, "1984": 1, "river": 2}), None),
    ],
)
def test_people_in_a_vocabulary_are_found(tmp_path, name, content, line):
    folder = model_folder(tmp_path)
    (folder / name).write_text(content)
    assert found_by("personal", folder) == ([f"{name}: {line} among its entries"] if line else [])


def test_people_in_an_ngram_vocabulary_are_found(tmp_path):
    folder = model_folder(tmp_path)
    tiny_ngram_tokenizer().save_pretrained(folder)
    assert found_by("personal", folder) == []
    tokens = b"[PAD]\n[UNK]\nriver\nada@lovelace.name\n"
    save_file({"token_bytes": np.frombuffer(tokens, np.uint8)}, folder / "ngram_vocabulary.safetensors")
    assert found_by("personal", folder) == ["ngram_vocabulary.safetensors: 1 x e-mail address among its entries"]


def test_people_in_the_texts_of_an_index_and_in_tables_are_found(tmp_path):
    (tmp_path / "index.json").write_text('{"format": 1}')
    connection = sqlite3.connect(tmp_path / "documents.sqlite")
    connection.execute("CREATE TABLE documents (row INTEGER, title TEXT, text TEXT)")
    connection.execute("INSERT INTO documents VALUES (0, 'ada@lovelace.name', 'or +44 20 7946 0958')")
    connection.commit()
    connection.close()
    rows = pa.table({"id": [1, 2], "names": [["x"], ["ada@lovelace.name"]], "text": ["a", None]})
    pq.write_table(rows, tmp_path / "sessions.parquet")
    with pa.OSFile(str(tmp_path / "train.arrow"), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    assert sorted(found_by("personal", tmp_path)) == [
        "documents.sqlite: 1 x e-mail address, 1 x phone number in its texts",
        "sessions.parquet, column names: 1 x e-mail address",
        "train.arrow, column names: 1 x e-mail address",
    ]
    assert look_at(tmp_path).kind == "index"


def test_a_path_that_tells_a_user_name_and_kept_typed_text_are_found(tmp_path):
    folder = model_folder(tmp_path)
    (folder / "metrics.json").write_text(json.dumps({"command": f"python {Path.home()}/run.py"}))
    (folder / "dataset_info.json").write_text(json.dumps({"keep_typed_text": True, "keep_personal_text": False}))
    assert found_by("personal", folder) == [
        "dataset_info.json: keep_typed_text is set",
        "metrics.json: 1 x a path in your home folder",
    ]


def test_pickles_are_found_by_name_and_by_their_bytes(tmp_path):
    folder = model_folder(tmp_path)
    (folder / "scaler.pkl").write_bytes(b"x")
    (folder / "plain.bin").write_bytes(b"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x01.")
    np.save(folder / "objects.npy", np.array([{}], dtype=object))
    np.save(folder / "numbers.npy", np.zeros(3))
    with zipfile.ZipFile(folder / "weights.bin", "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    (folder / "vectors.bin").write_bytes(np.zeros(64, np.float32).tobytes())
    lines = check_pickle(look_at(folder), "user/x")[0]
    assert [line.partition(":")[0] for line in lines] == ["objects.npy", "plain.bin", "scaler.pkl", "weights.bin"]


@given(st.binary(max_size=64))
def test_weights_of_any_value_are_no_pickle_unless_they_begin_and_end_as_one(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "vectors.bin"
    path.write_bytes(b"\0" + data)
    from traceformers.apps.hub.folder_checks import pickled

    assert pickled(path) is None


def test_files_that_are_not_whole_are_found(tmp_path):
    folder = model_folder(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1])
    (folder / "empty.txt").touch()
    (folder / "cut.parquet").write_bytes(b"PAR1 and no more")
    (folder / "cut.json").write_text('{"a": ')
    lines = check_sizes(look_at(folder), "user/x")[0]
    assert [line.partition(":")[0] for line in lines] == ["cut.json", "cut.parquet", "empty.txt", "model.safetensors"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("license: apache-2.0\n", "", "names no license"),
        ("value: 0.5", "value: none", "no model-index with results"),
        ("tags: [custom_code]\n", "", "lacks the tag custom_code"),
        ("Made up.", "[More Information Needed]", "placeholder: More Information Needed"),
        ("Made up.", "{{ people }}", "placeholder: {{"),
        ("## Data and privacy", "## Else", "no section on data and privacy"),
        ("## Limits", "## Else", "no section on limits"),
        ("## Licence", "## Else", "no section on licence"),
        ("user/made-up", "runs/made-up/model", "loads runs/made-up/model, not user/made-up"),
        ("---\nlicense", "license", "has no YAML header"),
        ("license: apache-2.0", "license: [", "cannot be read"),
    ],
)
def test_a_card_that_says_too_little_is_found(tmp_path, old, new, line):
    folder = model_folder(tmp_path)
    (folder / "code.py").write_text("pass\n")
    assert check_card(look_at(folder), "user/made-up")[0] == []
    card = (folder / "README.md").read_text()
    assert old in card
    (folder / "README.md").write_text(card.replace(old, new, 1))
    assert line in " ".join(check_card(look_at(folder), "user/made-up")[0])


@given(st.text(alphabet=st.sampled_from("-\n:#[]{}ab \t'\""), max_size=60))
def test_any_card_is_read_without_an_error(text):
    header, body = card_parts(text)
    assert header is None or isinstance(header, dict)
    assert isinstance(body, str)


def test_a_check_that_is_skipped_is_not_run_and_is_told(tmp_path):
    folder = look_at(model_folder(tmp_path))
    done = {one.name: one for one in run_checks(folder, "user/made-up", skip=("loads", "card"))}
    assert list(done) == ["sizes", "pickle", "card", "secrets", "personal", "loads"]
    assert [name for name, one in done.items() if one.skipped] == ["card", "loads"]


def test_kinds_of_folders_are_told_apart(tmp_path):
    assert look_at(model_folder(tmp_path / "model")).kind == "model"
    assert look_at(tokenizer_folder()).kind == "tokenizer"
    for kind, repo_type, names in (
        ("adapter", "model", ("adapter_config.json", "adapter_model.safetensors")),
        ("index", "dataset", ("about.json", "vectors.faiss", "sessions.parquet")),
        ("data set", "dataset", ("data/train-00000-of-00001.parquet",)),
        ("data set", "dataset", ("corpus.jsonl.gz", "queries.jsonl")),
    ):
        folder = tmp_path / f"{kind} {len(names)}"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("{}")
        found = look_at(folder)
        assert (found.kind, found.repo_type) == (kind, repo_type)


def test_links_out_of_the_folder_stay_here(tmp_path):
    folder = model_folder(tmp_path / "model")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "in.txt").symlink_to(folder / "vocab.json")
    (folder / "nothing.txt").symlink_to(folder / "absent")
    held = look_at(folder)
    assert "in.txt" in held.files
    assert held.left_out == {"out.txt": "a link out of the folder", "nothing.txt": "a link to nothing"}


def test_a_model_that_needs_our_package_does_not_pass_the_hub_test_and_never_sees_the_token(tmp_path):
    FAMILIES["popularity"](tmp_path)
    code = tmp_path / "modeling_popularity.py"
    looks = "import os\nif 'HF_TOKEN' in os.environ:\n    raise ValueError('a token')\n"
    code.write_text(f"{code.read_text()}\n{looks}import traceformers\n")
    lines, _ = check_loads(look_at(tmp_path), "user/x")
    assert len(lines) == 1 and "traceformers" in lines[0] and str(tmp_path) not in lines[0]
