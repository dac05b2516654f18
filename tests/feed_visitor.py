"""hub_visitor.py for feed models: the visitor also encodes titles and scores them, with nothing but the model.

    python feed_visitor.py request.json

`outputs_of` adds what `encode_text`, `probabilities` and the tokenizer of a model loaded anew give. A model without an
adapter has to load without peft, so that is hidden too, unless the request tokenizes for one that has: the request's
`tokenize` holds {"text": [...]} and the visitor looks into the model's config.
"""

import sys

import hub_visitor

plain_outputs_of = hub_visitor.outputs_of


def outputs_of(source, tokenize, inputs, trust_remote_code, resave=None, **revision):
    """Returns what `hub_visitor.outputs_of` returns, and "feed.*" tensors of a model loaded anew."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModel

    options = {"trust_remote_code": trust_remote_code, **revision}
    config = AutoConfig.from_pretrained(source, **options)
    peft = sys.modules.get("peft")
    if config.lora is None:
        sys.modules["peft"] = None  # `import peft` raises ModuleNotFoundError
    try:
        tensors, classes = plain_outputs_of(source, tokenize, inputs, trust_remote_code, resave, **revision)
        model = AutoModel.from_pretrained(source, **options)
        titles = tokenize["text"]
        vectors = model.encode_text(titles, titles[::-1], titles)
        events = {name: value[:1] for name, value in load_file(inputs).items() if name.startswith("event_")}
        tensors["feed.text_vectors"] = vectors.contiguous()
        if model.config.activity_fusion == "film":
            with torch.no_grad():
                logits = model(text_vectors=vectors, **events).logits
            tensors["feed.probabilities"] = model.probabilities(logits).contiguous()
        for name, thing in (("text_tokenizer", model.text_tokenizer), ("encoder", model.encoder)):
            kind = type(thing)
            if not kind.__module__.startswith("transformers."):
                classes[name] = f"{kind.__module__}.{kind.__qualname__}"
            # A tokenizer or an encoder of transformers itself needs no code: the classes named are the repository's.
        tokenizer = classes.get("AutoTokenizer", "")
        if tokenizer.startswith("transformers."):
            del classes["AutoTokenizer"]
    finally:
        if config.lora is None:
            del sys.modules["peft"]
            if peft is not None:
                sys.modules["peft"] = peft
    return tensors, classes


if __name__ == "__main__":
    hub_visitor.outputs_of = outputs_of
    hub_visitor.main(sys.argv[1])
