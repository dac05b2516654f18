"""hub_visitor.py for the trimodal model: the visitor also makes a batch with AutoProcessor and feeds it the model.

    python trimodal_visitor.py request.json

`outputs_of` adds the inputs that the repository's processor makes of the sessions that are tokenized, of texts and of
pictures, with holes, and what the model makes of them.
"""

import sys

import hub_visitor

plain_outputs_of = hub_visitor.outputs_of
WORDS = ["red house by the river", None]


def outputs_of(source, tokenize, inputs, trust_remote_code, resave=None, **revision):
    """Returns what `hub_visitor.outputs_of` returns, and "AutoProcessor.*" and "processed.*" tensors."""
    import numpy as np
    import torch
    from transformers import AutoModel, AutoProcessor

    tensors, classes = plain_outputs_of(source, tokenize, inputs, trust_remote_code, resave, **revision)
    processor = AutoProcessor.from_pretrained(source, trust_remote_code=trust_remote_code, **revision)
    picture = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    batch = processor(events=tokenize["events"], text=WORDS, images=[None, picture])
    model = AutoModel.from_pretrained(source, trust_remote_code=trust_remote_code, **revision).eval()
    with torch.no_grad():
        outputs = model(**batch)
    tensors |= {f"AutoProcessor.{name}": value.contiguous() for name, value in batch.items()}
    tensors |= {f"processed.{name}": value.contiguous() for name, value in outputs.items()}
    for name, part in (("AutoProcessor", processor), ("processor.tokenizer", processor.tokenizer)):
        classes[name] = f"{type(part).__module__}.{type(part).__qualname__}"
    if resave:
        processor.save_pretrained(resave)
    return tensors, classes


if __name__ == "__main__":
    hub_visitor.outputs_of = outputs_of
    hub_visitor.main(sys.argv[1])
