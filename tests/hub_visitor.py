"""Someone who has transformers and not our package loads a repository: a script for one fresh process.

    python hub_visitor.py request.json

The request names sources (local folders, or a repository id with a revision), what to tokenize, what to feed
the models and the folder to answer in. The answer is one safetensors file a source,
{"AutoModel.last_hidden_state": tensor, ...}, and classes.json: the module and class that each Auto class
gave. The test calls `outputs_of` too, in its own process, so that both sides do the same.
"""

import json
import sys
from pathlib import Path

OURS_AND_OPTIONAL = ("traceformers", "orjson", "msgspec", "cramjam", "numba", "faiss", "flash_attn")


def outputs_of(source, tokenize, inputs, trust_remote_code, resave=None, **revision):
    """Returns ({"<AutoClass>.<field>": tensor}, {"<AutoClass>": "module.Class"}) of what `source` holds.

    Args:
        source: folder or repository id.
        tokenize: keyword arguments of the tokenizer's call, a batch.
        inputs: safetensors file with the inputs of the models.
        resave: folder to save the tokenizer and the model of the checkpoint's own class to.
        revision: `revision=...` for a repository id.
    """
    import torch
    import transformers
    from safetensors.torch import load_file

    options = {"trust_remote_code": trust_remote_code, **revision}
    config = transformers.AutoConfig.from_pretrained(source, **options)
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
    loaded = {"AutoConfig": config, "AutoTokenizer": tokenizer}
    tensors = {}
    for field, rows in tokenizer(**tokenize).items():
        for number, row in enumerate(rows):
            tensors[f"AutoTokenizer.{field}.{number}"] = torch.tensor(row)
    inputs = load_file(inputs)
    for auto, path in config.auto_map.items():
        if not auto.startswith("AutoModel"):
            continue
        torch.manual_seed(0)  # a head that the checkpoint lacks is drawn anew, equal on both sides
        loaded[auto] = model = getattr(transformers, auto).from_pretrained(source, **options).eval()
        with torch.no_grad():
            outputs = model(**inputs)
        for field, value in outputs.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{auto}.{field}"] = value.contiguous().clone()
        if resave and path.endswith(f".{config.architectures[0]}"):
            model.save_pretrained(resave)
            tokenizer.save_pretrained(resave)
    return tensors, {name: f"{type(it).__module__}.{type(it).__qualname__}" for name, it in loaded.items()}


def embeddings_of(source, sentences, resave=None, **revision):
    """Returns the (n, H) vectors of SentenceTransformer.encode, which always runs the repository's code."""
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(source, trust_remote_code=True, **revision)
    if resave:
        encoder.save(resave)
    return encoder.encode(sentences, convert_to_tensor=True, show_progress_bar=False).cpu().contiguous()


def main(request_path):
    """Answers a request file with our package and every optional one hidden."""
    for name in OURS_AND_OPTIONAL:
        sys.modules[name] = None  # `import name` raises ModuleNotFoundError and find_spec returns None
    import torch
    from safetensors.torch import save_file

    request = json.loads(Path(request_path).read_text())
    torch.set_num_threads(request["threads"])
    classes = {}
    for label, source, options in request["sources"]:
        tensors, classes[label] = outputs_of(
            source, request["tokenize"], request["inputs"], trust_remote_code=True, **options
        )
        save_file(tensors, f"{request['answer']}/{label}.safetensors")
    for label, source, options in request["sentence_sources"]:
        embeddings = embeddings_of(source, request["sentences"], **options)
        save_file({"embeddings": embeddings}, f"{request['answer']}/sentence-{label}.safetensors")
    Path(request["answer"], "classes.json").write_text(json.dumps(classes))


if __name__ == "__main__":
    main(sys.argv[1])
