"""Texts, screenshots and windows of rrweb recordings as vectors of one space, learned from what belongs together.

After "Learning Transferable Visual Models From Natural Language Supervision" (Radford, Kim, Hallacy, Ramesh, Goh,
Agarwal, Sastry, Askell, Mishkin, Clark, Krueger, Sutskever, ICML 2021, arXiv 2103.00020) and, for more than two kinds
of input, "ImageBind: One Embedding Space To Bind Them All" (Girdhar, El-Nouby, Liu, Singh, Alwala, Joulin, Misra, CVPR
2023, arXiv 2305.05665).
Differences from the papers:
- three encoders, and all three pairs are learned from, not only those with one kind in common;
- any modality of any row may be missing: a pair is learned from the rows that have both;
- each pair has a temperature of its own, for they are not equally hard;
- a vector that an encoder gave can be handed in instead of its input, so that a frozen encoder runs once.

Axes: B rows, T tokens of a window, L tokens of a text, C x h x w pixels, H width of an encoder, P projection_dim.
"""

import math
import os
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple, maybe_autocast

from .configuration_rrweb_trimodal import (
    MODALITIES,
    PAIRS,
    TEXT_ENCODER,
    VISION_ENCODER,
    RRWebTrimodalConfig,
)
from .modeling_rrweb_bert import RRWebBertModel

# --- the loss -----------------------------------------------------------------------------------------------


def info_nce(first: torch.Tensor, second: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return the symmetric InfoNCE loss () of rows (n, P) that belong together one by one, all of length 1.

    The mean of both directions of -log softmax(scale * first @ second.T) on the diagonal (van den Oord, Li, Vinyals,
    2018, arXiv 1807.03748, Eq. 4; symmetric as in CLIP, Figure 3).

    Example:
        >>> info_nce(torch.eye(2), torch.eye(2), torch.tensor(1.0))  # -log(e / (e + 1))
        tensor(0.3133)
    """
    with maybe_autocast(first.device.type, enabled=False):  # differences of similarities drown in bfloat16
        logits = scale.float() * first.float() @ second.float().T  # (n, n)
    targets = torch.arange(len(logits), device=logits.device)
    return (nn.functional.cross_entropy(logits, targets) + nn.functional.cross_entropy(logits.T, targets)) / 2


# --- model --------------------------------------------------------------------------------------------------


@dataclass
class RRWebTrimodalOutput(ModelOutput):
    """What `RRWebTrimodalModel` returns. Vectors have length 1; the rows of what is missing are zeros.

    Arguments:
        loss (): mean of the InfoNCE losses of the pairs that two rows or more have; 0 where there is no such pair.
        text_embeds, image_embeds, session_embeds (B, P): None for a modality that was not given at all.
    """

    loss: torch.FloatTensor | None = None
    text_embeds: torch.FloatTensor | None = None
    image_embeds: torch.FloatTensor | None = None
    session_embeds: torch.FloatTensor | None = None


class RRWebTrimodalPreTrainedModel(PreTrainedModel):
    """Loading, saving and initial weights."""

    config: RRWebTrimodalConfig
    config_class = RRWebTrimodalConfig
    base_model_prefix = "rrweb_trimodal"
    main_input_name = "input_ids"
    input_modalities = ("text", "image")
    # Negatives are the other rows of the batch: a sum over several batches is not what Trainer would divide.
    accepts_loss_kwargs = False
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _auto_map = {  # noqa: RUF012
        "AutoConfig": "configuration_rrweb_trimodal.RRWebTrimodalConfig",
        "AutoModel": "modeling_rrweb_trimodal.RRWebTrimodalModel",
    }

    def __init__(self, config: RRWebTrimodalConfig, *args, **kwargs):
        super().__init__(config, *args, **kwargs)
        # As in RRWebBertPreTrainedModel: a copy must not point at the repository that it came from.
        config.auto_map = {**(getattr(config, "auto_map", None) or {}), **self._auto_map}

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, RRWebTrimodalModel):
            init.constant_(module.logit_scales, float(self.config.logit_scale_init_value))
            for modality in MODALITIES:
                projection = getattr(module, f"{modality}_projection")
                init.normal_(projection.weight, std=projection.in_features**-0.5)


class RRWebTrimodalModel(RRWebTrimodalPreTrainedModel):
    """Texts, images and session windows to vectors (B, P) of length 1, and the loss that brings together what belongs.

    Example:
        >>> model = RRWebTrimodalModel.from_encoders(rrweb="user/rrweb-bert")  # doctest: +SKIP
        >>> batch = processor(events=sessions, text=["pays"], images=[None])  # doctest: +SKIP
        >>> model(**batch).session_embeds.shape  # doctest: +SKIP
        torch.Size([1, 512])
    """

    def __init__(self, config: RRWebTrimodalConfig, text_encoder=None, vision_encoder=None, rrweb_encoder=None):
        super().__init__(config)
        self.text_encoder = text_encoder or AutoModel.from_config(config.text_config)
        self.vision_encoder = vision_encoder or AutoModel.from_config(config.vision_config)
        self.rrweb_encoder = rrweb_encoder or RRWebBertModel._from_config(config.rrweb_config)
        for encoder in filter(None, (text_encoder, vision_encoder, rrweb_encoder)):
            for part in encoder.modules():
                part._is_hf_initialized = True  # its weights are no first ones: they stay
        if isinstance(getattr(self.text_encoder, "pooler", None), nn.Module):
            self.text_encoder.pooler = None  # tokens are averaged: its weights would never learn
        for modality, size in config.sizes.items():
            setattr(self, f"{modality}_projection", nn.Linear(size, config.projection_dim, bias=False))
        self.logit_scales = nn.Parameter(torch.full((len(PAIRS),), float(config.logit_scale_init_value)))
        self.post_init()

    @classmethod
    def from_encoders(cls, text=None, vision=None, rrweb=None, projection_dim=512, **settings):
        """Return a model of three encoders with their weights; projections and temperatures are new.

        Arguments:
            text, vision, rrweb: each a model; a name or folder for `from_pretrained`; or a pair of name and revision.
                None takes MiniLM for text and CLIP for images, by name and revision; `rrweb` has to be given, and a
                checkpoint of any RRWebBERT head will do.
            projection_dim (int): length of the vectors that are compared.
            settings: further fields of `RRWebTrimodalConfig`.

        Raises:
            ValueError: rrweb is missing, or an encoder is of the wrong kind.
        """
        if rrweb is None:
            raise ValueError(
                "Expected rrweb, the encoder of recordings, got None; pass an RRWebBertModel, or the name or folder of "
                "one."
            )
        text, text_origin = _loaded(text if text is not None else TEXT_ENCODER, AutoModel)
        vision, vision_origin = _loaded(vision if vision is not None else VISION_ENCODER, _vision_class)
        rrweb, rrweb_origin = _loaded(rrweb, RRWebBertModel)
        vision = getattr(vision, "vision_model", vision) if vision.config.model_type == "clip" else vision
        rrweb = rrweb.base_model
        encoders = (text, vision, rrweb)
        attention = [encoder.config._attn_implementation for encoder in encoders]
        origins = {"text": text_origin, "vision": vision_origin, "rrweb": rrweb_origin}
        for name, (origin, revision) in origins.items():
            settings.setdefault(f"{name}_name", origin)
            settings.setdefault(f"{name}_revision", revision)
        config = RRWebTrimodalConfig(
            text_config=text.config,
            vision_config=vision.config,
            rrweb_config=rrweb.config,
            projection_dim=projection_dim,
            **settings,
        )
        model = cls(config, *encoders)
        for encoder, implementation in zip(encoders, attention, strict=True):
            encoder.config._attn_implementation = implementation  # cleared where the configs were nested
        return model

    def get_input_embeddings(self):
        """Return the token embeddings of the rrweb encoder."""
        return self.rrweb_encoder.get_input_embeddings()

    def set_input_embeddings(self, value):
        """Replace the token embeddings of the rrweb encoder."""
        self.rrweb_encoder.set_input_embeddings(value)

    # --- one modality ---------------------------------------------------------------------------------------

    def text_states(self, text_input_ids, text_attention_mask=None, **kwargs) -> torch.Tensor:
        """Return the mean (B, H) of each text's tokens; what `text_vectors` expects."""
        return self._read_texts(text_input_ids, text_attention_mask, **kwargs)[1]

    def image_states(self, pixel_values, **kwargs) -> torch.Tensor:
        """Return the vector (B, H) of each image before projection; what `image_vectors` expects."""
        return self._read_images(pixel_values, **kwargs)[1]

    def session_states(self, input_ids, attention_mask=None, token_type_ids=None, **kwargs) -> torch.Tensor:
        """Return the mean (B, H) of each window's tokens; what `session_vectors` expects."""
        return self._read_windows(input_ids, attention_mask, token_type_ids, **kwargs)[1]

    @can_return_tuple
    def get_text_features(self, input_ids, attention_mask=None, **kwargs) -> BaseModelOutputWithPooling:
        """Return what the text encoder gives, and as `pooler_output` (B, P) the vectors of texts, length 1.

        Arguments:
            input_ids, attention_mask (B, L): of the text tokenizer.
        """
        return self._features("text", *self._read_texts(input_ids, attention_mask, **kwargs))

    @can_return_tuple
    def get_image_features(self, pixel_values, **kwargs) -> BaseModelOutputWithPooling:
        """Return what the vision encoder gives, and as `pooler_output` (B, P) the vectors of images, length 1."""
        return self._features("image", *self._read_images(pixel_values, **kwargs))

    @can_return_tuple
    def get_session_features(
        self, input_ids, attention_mask=None, token_type_ids=None, **kwargs
    ) -> BaseModelOutputWithPooling:
        """Return what the rrweb encoder gives, and as `pooler_output` (B, P) the vectors of windows, length 1.

        Arguments:
            input_ids, attention_mask, token_type_ids (B, T): of the rrweb tokenizer.
        """
        return self._features("session", *self._read_windows(input_ids, attention_mask, token_type_ids, **kwargs))

    def _read_texts(self, ids, attention_mask, **kwargs):
        outputs = self.text_encoder(ids, attention_mask=attention_mask, return_dict=True, **kwargs)
        return outputs, mean_of_tokens(outputs.last_hidden_state, attention_mask)

    def _read_images(self, pixel_values, **kwargs):
        channels = getattr(self.config.vision_config, "num_channels", 3)
        if pixel_values.dim() != 4 or pixel_values.shape[1] != channels:
            raise ValueError(
                f"Expected pixel_values of shape (B, {channels}, height, width), got {tuple(pixel_values.shape)}; make "
                "them with the processor from RGB images."
            )
        outputs = self.vision_encoder(pixel_values=pixel_values, return_dict=True, **kwargs)
        pooled = getattr(outputs, "pooler_output", None)
        return outputs, outputs.last_hidden_state.mean(1) if pooled is None else pooled

    def _read_windows(self, ids, attention_mask, token_type_ids, **kwargs):
        inputs = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        outputs = self.rrweb_encoder(ids, **inputs, return_dict=True, **kwargs)
        return outputs, mean_of_tokens(outputs.last_hidden_state, attention_mask)

    def _features(self, modality, outputs, states):
        return BaseModelOutputWithPooling(
            last_hidden_state=outputs.last_hidden_state,
            pooler_output=self.project(modality, states),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def project(self, modality: str, states: torch.Tensor) -> torch.Tensor:
        """Return the vectors (n, P) of length 1 of what an encoder gave (n, H).

        Raises:
            ValueError: the width is not that of the modality's encoder.
        """
        projection = getattr(self, f"{modality}_projection")
        if states.dim() != 2 or states.shape[1] != projection.in_features:
            raise ValueError(
                f"Expected {modality}_vectors of shape (B, {projection.in_features}), got {tuple(states.shape)}; make "
                f"them with {modality}_states of this model."
            )
        return nn.functional.normalize(projection(states.to(projection.weight.dtype)), dim=-1)

    # --- all of them ----------------------------------------------------------------------------------------

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        text_input_ids: torch.LongTensor | None = None,
        text_attention_mask: torch.Tensor | None = None,
        pixel_values: torch.FloatTensor | None = None,
        text_vectors: torch.FloatTensor | None = None,
        image_vectors: torch.FloatTensor | None = None,
        session_vectors: torch.FloatTensor | None = None,
        text_mask: torch.Tensor | None = None,
        image_mask: torch.Tensor | None = None,
        session_mask: torch.Tensor | None = None,
        return_loss: bool = True,
        **kwargs,
    ) -> RRWebTrimodalOutput:
        """Return the vectors of what is given, and the loss.

        Arguments:
            input_ids (B, T) with attention_mask and token_type_ids (B, T): windows of recordings; or
            session_vectors (B, H): what `session_states` gave for them.
            text_input_ids (B, L) with text_attention_mask (B, L); or text_vectors (B, H).
            pixel_values (B, C, h, w); or image_vectors (B, H).
            text_mask, image_mask, session_mask (B,): False where a row has no such thing; everything is there if left
                out. What stands in the other inputs of such a row is not read.
            return_loss (bool): False leaves the loss out.

        Raises:
            ValueError: nothing is given, or rows do not match; the message says which.
        """
        given = {
            "text": (self.text_states, {"text_input_ids": text_input_ids, "text_attention_mask": text_attention_mask}),
            "image": (self.image_states, {"pixel_values": pixel_values}),
            "session": (
                self.session_states,
                {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids},
            ),
        }
        vectors = dict(zip(MODALITIES, (text_vectors, image_vectors, session_vectors), strict=True))
        masks = dict(zip(MODALITIES, (text_mask, image_mask, session_mask), strict=True))
        B, device = _rows_of(given, vectors)
        embeds, rows = {}, {}
        for modality, (states_of, inputs) in given.items():
            first = vectors[modality] if vectors[modality] is not None else next(iter(inputs.values()))
            if first is None:
                if masks[modality] is not None and bool(masks[modality].any()):
                    raise ValueError(
                        f"Expected the {modality} input that {modality}_mask says is there, got none; pass it, or "
                        "leave the mask out."
                    )
                continue
            mask = masks[modality]
            if mask is not None and mask.shape != (B,):
                raise ValueError(
                    f"Expected {modality}_mask of shape ({B},), one value a row, got {tuple(mask.shape)}; pass True "
                    "where the row has it."
                )
            rows[modality] = torch.ones(B, dtype=torch.bool, device=device) if mask is None else mask.bool().to(device)
            # Only rows that are there go through an encoder: the others can hold anything, and cost nothing.
            present = None if mask is None else rows[modality].nonzero()[:, 0]
            if present is not None and not len(present):
                embeds[modality] = torch.zeros(B, self.config.projection_dim, device=device, dtype=self.dtype)
                continue
            if vectors[modality] is not None:
                states = _pick(vectors[modality], present)
            else:
                states = states_of(**{name: _pick(value, present) for name, value in inputs.items()}, **kwargs)
            projected = self.project(modality, states)
            if present is not None:
                projected = projected.new_zeros(B, projected.shape[1]).index_copy(0, present, projected)
            embeds[modality] = projected  # (B, P)
        loss = self.contrastive_loss(embeds, rows) if return_loss else None
        return RRWebTrimodalOutput(loss=loss, **{f"{name}_embeds": value for name, value in embeds.items()})

    def contrastive_loss(self, embeds: dict, rows: dict) -> torch.Tensor:
        """Return the mean () of the losses of the pairs that two rows or more have.

        Arguments:
            embeds: modality -> (B, P), length 1. rows: modality -> bool (B,), where it is there.
        """
        scales = self.scales()
        losses = []
        for number, (first, second) in enumerate(PAIRS):
            if first not in embeds or second not in embeds:
                continue
            both = (rows[first] & rows[second]).nonzero()[:, 0]
            if len(both) >= 2:  # one row has nothing to be told from
                losses.append(info_nce(embeds[first][both], embeds[second][both], scales[number]))
        if losses:
            return torch.stack(losses).mean()
        return 0.0 * sum(value.sum() for value in embeds.values())  # with a gradient, for whoever calls backward

    def scales(self) -> torch.Tensor:
        """Return the inverse temperatures (3,), in the order of `PAIRS`; at most `config.max_logit_scale`."""
        highest = math.log(self.config.max_logit_scale)
        if self.training and not self.logit_scales.is_meta:
            # In place: behind a clamp of the value alone the parameter would run off and find no way back.
            with torch.no_grad():
                self.logit_scales.clamp_(max=highest)
        return self.logit_scales.clamp(max=highest).exp()


# --- parts --------------------------------------------------------------------------------------------------


def mean_of_tokens(hidden: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """Return the mean (B, H) of each row's attended tokens (B, T, H)."""
    if attention_mask is None:
        return hidden.mean(1)
    weights = attention_mask.to(hidden.dtype)[..., None]  # (B, T, 1)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def _rows_of(given, vectors):
    """Return the number of rows B of all inputs, and the device they are on."""
    counts = {}
    for modality, (_, inputs) in given.items():
        values = {**inputs, f"{modality}_vectors": vectors[modality]}
        counts |= {name: value for name, value in values.items() if value is not None}
    first = [name for name in counts if name.endswith(("input_ids", "values", "vectors"))]
    if not first:
        raise ValueError(
            "Expected a text, an image or a session, got none of the three; pass text_input_ids, pixel_values or "
            "input_ids, or the vectors of one."
        )
    if len({len(value) for value in counts.values()}) > 1:
        found = ", ".join(f"{name} {len(value)}" for name, value in counts.items())
        raise ValueError(
            f"Expected as many rows of every input, got {found}; give what a row lacks any content and False in its "
            "text_mask, image_mask or session_mask."
        )
    return len(counts[first[0]]), counts[first[0]].device


def _pick(value, rows):
    return value if value is None or rows is None else value.index_select(0, rows.to(value.device))


def _vision_class(name, **options):
    """Return the vision half of a model of text and images, or the vision model itself."""
    config = AutoConfig.from_pretrained(name, **options)
    half = getattr(config, "vision_config", None)
    if half is None:
        return AutoModel.from_pretrained(name, **options)
    return AutoModel.from_pretrained(name, config=half, **options)


def _loaded(encoder, cls):
    """Return (model, (name, revision)) of a model, a name, or a pair of name and revision."""
    if isinstance(encoder, nn.Module):
        return encoder, (None, None)
    name, revision = (encoder, None) if isinstance(encoder, (str, os.PathLike)) else encoder
    load = getattr(cls, "from_pretrained", cls)
    options = {} if revision is None else {"revision": revision}
    return load(name, **options), (None if os.path.isdir(name) else str(name), revision)


RRWebTrimodalModel.register_for_auto_class("AutoModel")
# transformers itself registers the classes of a copy of this file that it loads from a model repository.
if not __name__.startswith("transformers_modules."):
    AutoModel.register(RRWebTrimodalConfig, RRWebTrimodalModel, exist_ok=True)

__all__ = ["RRWebTrimodalModel", "RRWebTrimodalOutput", "RRWebTrimodalPreTrainedModel", "info_nce"]
