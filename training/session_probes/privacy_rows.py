"""The privacy task of rrwebbench: a probe for typed words on the vectors of all layers, with the switch on and off.

Axes: n sessions, W words, L layers, D numbers of a vector.
"""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer

from traceformers.training.session_probes.session_benchmark import ENCODER, row
from traceformers.training.session_probes.typed_values import WORDS, with_typed_word, word_accuracy

KEPT = {"keep_typed_text": True, "keep_personal_text": True}


@torch.inference_mode()
def layer_means(model, tokenizer, session) -> np.ndarray:
    """Returns the mean of a session's token vectors at every layer, `float32 (L + 1, H)`; first the embeddings."""
    model.set_attn_implementation("sdpa_varlen")
    longest = min(model.config.max_position_embeddings, tokenizer.model_max_length)
    windows = tokenizer.windows(session, max_length=longest)["input_ids"]
    sums, count = 0.0, 0
    for window in windows:
        borders = torch.tensor([0, len(window)], dtype=torch.int32)
        states = model(
            input_ids=torch.tensor([window]), cu_seq_lens_q=borders, cu_seq_lens_k=borders, max_length_q=len(window),
            max_length_k=len(window), output_hidden_states=True,
        ).hidden_states  # fmt: skip
        sums = sums + torch.stack([layer[0].float().sum(0) for layer in states])
        count += len(window)
    return (sums / count).numpy()


def sessions_with_typing(files, most) -> list:
    """Returns [events with each of `WORDS`] of up to `most` recordings with something typed, small ones first."""
    found = []
    for path in sorted(files, key=lambda path: Path(path).stat().st_size):
        sessions = [with_typed_word(path, word) for word in WORDS]
        if sessions[0] is not None:
            found.append(sessions)
        if len(found) == most:
            break
    return found


def privacy_rows(bench, seeds, most_sessions=24):
    """Yields how often a probe names the typed word: of the encoder's vectors, and of an RRWebBERT's every layer.

    An RRWebBERT is asked a second time with `keep_typed_text` and `keep_personal_text`, to show that the probe can.

    Args:
        bench (`BenchmarkSessions`).
        seeds (sequence of `int`): which sessions are left out together.
        most_sessions (`int`): recordings, each with every word.
    """
    sessions = sessions_with_typing(bench.sessions.files, most_sessions)
    if len(sessions) < 2:
        return
    encoder = next(iter(bench.encoders.values()))
    known = encoder.rrweb_bert

    def figures(system, vectors, kept):
        values = [word_accuracy(vectors, seed) for seed in seeds]
        more = {"chance": 1 / len(WORDS), "typed_text_kept": kept}
        return row("privacy", system, "accuracy", values, len(sessions) * len(WORDS), **more)

    for kept in (False, True) if known else (False,):
        own = None
        if known:
            model, own = known
            if kept:
                encoder.encoder[0].tokenizer = AutoTokenizer.from_pretrained(
                    own.name_or_path, trust_remote_code=True, **KEPT
                )  # fmt: skip
        try:
            vectors = np.stack([encoder.vectors(group) for group in sessions])
            yield figures(ENCODER, vectors, kept)
            if known:
                tokenizer = encoder.encoder[0].tokenizer
                means = np.stack([[layer_means(model, tokenizer, s) for s in group] for group in sessions])
                for layer in range(means.shape[2]):  # (n, W, L + 1, H)
                    yield figures(f"layer {layer}", means[:, :, layer], kept)
                yield figures("all layers", means.reshape(*means.shape[:2], -1), kept)
        finally:
            if own is not None:
                encoder.encoder[0].tokenizer = own


__all__ = ["layer_means", "privacy_rows", "sessions_with_typing"]
