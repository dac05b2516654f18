"""From texts to vectors: the tokenizer of the model's own repository, batches of like lengths, and pooling.

Axes: B texts, T tokens, H width of a vector.
"""

import hashlib

import torch
from transformers import PreTrainedTokenizerBase

from .feed_texts import video_text

#: Texts without padding that are encoded at once, in multiples of the batch size.
_FLAT_FACTOR = 32


def pooled_tokens(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Return (B, H) of states (B, T, H): the first or the mean of those where mask (B, T) is not 0."""
    mask = mask.to(states.dtype)
    if pooling == "cls":
        return states[torch.arange(len(states), device=states.device), mask.argmax(1)]
    return (mask[:, None] @ states)[:, 0] / mask.sum(1, keepdim=True).clamp(min=1)


def insert_token(embedded, mask, token, present):
    """Return (embedded (B, T + 1, H), mask (B, T + 1), mask without the new token), with a token right after the text.

    Padding comes last then, on whichever side it was: a position must not depend on it.

    Arguments:
        embedded (B, T, H), mask (B, T). token (B, H), present (B,): where it is False, nothing is added.
    """
    mask = mask.bool()
    order = (~mask).long().argsort(dim=1, stable=True)
    embedded = embedded.gather(1, order[:, :, None].expand_as(embedded))
    of_text = torch.nn.functional.pad(mask.gather(1, order), (0, 1))  # (B, T + 1)
    at = torch.arange(of_text.shape[1], device=mask.device) == of_text.sum(1, keepdim=True)
    embedded = torch.nn.functional.pad(embedded, (0, 0, 0, 1))
    embedded = torch.where(at[:, :, None], token[:, None].to(embedded.dtype), embedded)
    return embedded, (of_text | (at & present[:, None])).long(), of_text.long()


class TextEncoding:
    """Part of `ProductiveFeedModel`: texts of videos and events to the vectors that it reads."""

    @property
    def max_tokens(self) -> int | None:
        """Most tokens of a text that are read: what the config says, and the encoder and its tokenizer can."""
        limits = [self.config.max_length, self.text_tokenizer.model_max_length]
        encoder = self.config.encoder_config
        positions = getattr(encoder, "max_position_embeddings", None)
        if positions:
            # The RoBERTa family numbers positions from the id of the padding on.
            first = encoder.pad_token_id + 1 if "roberta" in encoder.model_type else 0
            limits.append(positions - first - (self.config.activity_fusion == "token"))
        return min(limits)

    def encode_text(
        self, titles, channels=None, descriptions=None, categories=None, batch_size: int = 32
    ) -> torch.Tensor:
        """Return the vectors (B, H) of videos, float32 on the CPU; see `video_text` for what is read.

        Arguments:
            titles, channels, descriptions, categories: lists of B `str`; all but the titles may be left out.
            batch_size: texts that are encoded at once.
        """
        nothing = [""] * len(titles)
        given = (channels, descriptions, categories)
        fields = (titles, *(nothing if field is None else field for field in given))
        return self.encode_texts([video_text(*row) for row in zip(*fields, strict=True)], batch_size)

    @torch.no_grad()
    def encode_texts(self, texts, batch_size: int = 32) -> torch.Tensor:
        """Return the vectors (B, H) of texts alone, in their order, float32 on the CPU."""
        texts = [self.config.text_prefix + text for text in texts]
        vectors = torch.empty(len(texts), self.config.text_size)
        flat = self.config.pooling == "encoder" and hasattr(self.text_tokenizer, "encode_flat")
        # Texts of like length are padded together.
        order = range(len(texts)) if flat else sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        step = batch_size * _FLAT_FACTOR if flat else batch_size
        was_training = self.training
        self.eval()
        try:
            for start in range(0, len(texts), step):
                rows = list(order[start : start + step])
                encode = self._encode_flat if flat else self._encode_padded
                vectors[rows] = encode([texts[i] for i in rows]).float().cpu()
        finally:
            self.train(was_training)
        return vectors

    def _encode_padded(self, texts):
        tokens = self.text_tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        ).to(self.device)
        return self._texts(tokens["input_ids"], tokens["attention_mask"], None)

    def _encode_flat(self, texts):
        ids, offsets = self.text_tokenizer.encode_flat(texts, max_length=self.max_tokens)
        ids, offsets = (torch.as_tensor(array).long().to(self.device) for array in (ids, offsets))
        vectors = self.encoder(ids, offsets=offsets).pooler_output
        return torch.nn.functional.normalize(vectors, dim=-1) if self.config.normalize else vectors

    def encoder_key(self) -> str:
        """Return what text vectors are known by: equal for models that give equal vectors, of any training.

        It is made of the encoder's weights, an adapter's included, the tokenizer and the settings that matter.
        """
        config = self.config
        settings = (config.pooling, config.normalize, config.text_prefix, self.max_tokens)
        digest = hashlib.sha256(repr(settings).encode())
        digest.update(weights_digest(self.encoder).encode())
        tokenizer: PreTrainedTokenizerBase = self.text_tokenizer
        vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
        digest.update(repr(vocabulary).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:32]


def weights_digest(module: torch.nn.Module, rename=None) -> str:
    """Return the SHA-256 of a module's tensors and their names, in hexadecimal.

    Arguments:
        rename: function of a name; None from it leaves the tensor out.
    """
    digest = hashlib.sha256()
    tensors = module.state_dict()
    named = [(name if rename is None else rename(name), tensor) for name, tensor in tensors.items()]
    for name, tensor in sorted((name, tensor) for name, tensor in named if name is not None):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8) if tensor.numel() else None
        if data is not None:
            digest.update(memoryview(data.numpy()))
    return digest.hexdigest()
