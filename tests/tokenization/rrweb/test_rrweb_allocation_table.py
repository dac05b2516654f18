"""The documented table of structural ids is the vocabulary's."""

import re

from traceformers.tokenization.rrweb.rrweb_vocabulary import build_structural_vocabulary


def test_the_table_in_the_readme_is_the_allocation(repository_root):
    text = (repository_root / "tokenization" / "rrweb" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)–(\d+) \| ([^|]+) \| (\w+) \| (\d+) \| (.*) \|$", text, re.MULTILINE)
    groups = build_structural_vocabulary()["groups"]
    assert len(rows) == len(groups)
    for (first, last, name, token_class, number, examples), group in zip(rows, groups, strict=True):
        tokens = group["tokens"]
        assert (name, token_class, int(number)) == (group["group"], group["class"], len(tokens))
        assert (int(first), int(last)) == (group["first_id"], group["first_id"] + len(tokens) - 1)
        assert set(re.findall(r"`([^`]+)`", examples)) <= set(tokens)
