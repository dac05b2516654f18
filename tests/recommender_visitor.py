"""hub_visitor.py for recommenders: the visitor also recommends, with nothing but the model.

    python recommender_visitor.py request.json

`outputs_of` adds what `recommend` returns, with and without an index, for the histories that are tokenized too.
"""

import sys

import hub_visitor

plain_outputs_of = hub_visitor.outputs_of


def outputs_of(source, tokenize, inputs, trust_remote_code, resave=None, **revision):
    """Returns what `hub_visitor.outputs_of` returns, and "recommend.*" tensors of a model loaded anew."""
    import torch
    from transformers import AutoModel

    tensors, classes = plain_outputs_of(source, tokenize, inputs, trust_remote_code, resave, **revision)
    model = AutoModel.from_pretrained(source, trust_remote_code=trust_remote_code, **revision)
    calls = {
        "plain": {},
        "candidates": {"candidates": model.item_tokenizer.items[:6]},
        "years": {"released_until": 1996},
    }
    if model.item_vectors() is not None:
        calls["diverse"] = {"diversity": 0.5}
    if model.config.model_type in ("bert4rec", "sasrec"):
        calls["index"] = {}
    for name, arguments in calls.items():
        if name == "index":
            model.build_index()
        found = model.recommend(tokenize["histories"], k=4, **arguments)
        ids = [[model.item_tokenizer.id_of(item) for item in row] for row in found.items]
        for number, row in enumerate(ids):
            tensors[f"recommend.{name}.{number}"] = torch.tensor(row, dtype=torch.long)
            tensors[f"recommend.{name}.scores.{number}"] = torch.tensor(found.scores[number])
    kind = type(model.item_tokenizer)
    classes["item_tokenizer"] = f"{kind.__module__}.{kind.__qualname__}"
    return tensors, classes


if __name__ == "__main__":
    sys.modules["faiss"] = None  # `import faiss` raises ModuleNotFoundError
    hub_visitor.outputs_of = outputs_of
    hub_visitor.main(sys.argv[1])
