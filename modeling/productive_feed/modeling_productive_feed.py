"""The productive feed: two probabilities for a video, that it is of interest and that it is productive right now.

A text encoder reads title, channel and description; `activity_pooler.py` sums up what the person was doing; FiLM
(`film_conditioning.py`) lets that and a few numbers change what the text says; two heads answer (`feed_heads.py`). A
text's vector depends on nothing but the text, so it is made once and kept: scoring again costs no encoder.

With `head="residual"` the two heads are linear, fitted by logistic regression on features without a parameter, and what
comes of FiLM is added to their logits. It starts at zero, so that training begins with the linear model.

With `use_activity=False` this is the model of text and numbers alone. With `activity_fusion="token"` the activity is a
token that the encoder reads with the text, and no vector can be kept.

Axes: B videos, T tokens, E events, G sets of events (1, shared by all videos, or B), H width of a text vector, N
numbers; pairs are in the order of `HEADS`.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .activity_pooler import ActivityPooler
from .configuration_productive_feed import HEADS, LOGARITHMIC, ProductiveFeedConfig
from .encoder_classes import encoder_class, encoder_options
from .feed_heads import FeedHead, feed_loss, linear_feature_sizes, linear_features
from .feed_repository import FeedRepository
from .film_conditioning import FilmConditioning, ZeroStartLinear
from .text_encoding import TextEncoding, insert_token, pooled_tokens

#: Standardised numbers are cut there: one wrong duration must not drown everything else.
FARTHEST = 8.0


@dataclass
class ProductiveFeedOutput(ModelOutput):
    """What `ProductiveFeedModel` returns.

    Arguments:
        loss (): with labels.
        logits (B, 2): before calibration; see `ProductiveFeedModel.probabilities`.
        text_vectors (B, H): give them back as `text_vectors` to score without the encoder.
        activity_weights (B, E): how much each event mattered to each video; what is missing to one went to "no
            activity". None where no activity is read.
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    text_vectors: torch.FloatTensor | None = None
    activity_weights: torch.FloatTensor | None = None


class ProductiveFeedModel(FeedRepository, TextEncoding, PreTrainedModel):
    """Texts, activity and numbers to two logits a video.

    Example:
        >>> model = ProductiveFeedModel.from_encoder("intfloat/multilingual-e5-small")  # doctest: +SKIP
        >>> vectors = model.encode_text(["Sorting networks"], ["Some Channel"], ["How they work"])  # doctest: +SKIP
        >>> model.probabilities(model(text_vectors=vectors).logits).shape  # doctest: +SKIP
        torch.Size([1, 2])
    """

    config_class = ProductiveFeedConfig
    base_model_prefix = "productive_feed"
    main_input_name = "input_ids"
    # A head's loss is the mean over its own labels: a sum over several batches is not what Trainer would divide.
    accepts_loss_kwargs = False
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: ProductiveFeedConfig, encoder: PreTrainedModel | None = None):
        super().__init__(config)
        H = config.text_size
        if encoder is None:
            options = encoder_options(config.encoder_config, config.pooling)
            encoder = encoder_class(config.encoder_config)._from_config(config.encoder_config, **options)
        else:
            for part in encoder.modules():
                part._is_hf_initialized = True  # its weights are no first ones: they stay
        self.encoder = encoder
        if config.pooling != "encoder" and isinstance(getattr(encoder, "pooler", None), nn.Module):
            encoder.pooler = None  # its result is not read, so its weights would never learn
        condition = config.num_features
        self.activity_pooler = self.activity_token = self.film = self.text_norm = None
        self.interest_residual = self.productive_residual = None
        if config.head != "mlp":
            F = sum(linear_feature_sizes(config).values())
            self.interest_head, self.productive_head = nn.Linear(F, 1), nn.Linear(F, 1)
        if config.head != "linear":
            if config.use_activity:
                self.activity_pooler = ActivityPooler(config)
                if config.activity_fusion == "token":
                    self.activity_token = nn.Linear(config.activity_hidden_size, H)
                else:
                    condition += config.activity_hidden_size
            if condition:
                self.film = FilmConditioning(H, condition, config.film_hidden_size)
            self.text_norm = nn.LayerNorm(H)
            is_residual = config.head == "residual"
            interest = FeedHead(H, config.head_hidden_size, config.interest_dropout, is_residual)
            productive = FeedHead(H, config.head_hidden_size, config.productive_dropout, is_residual)
            if is_residual:
                self.interest_residual, self.productive_residual = interest, productive
            else:
                self.interest_head, self.productive_head = interest, productive
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, ZeroStartLinear):
            init.zeros_(module.weight)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)  # layers are narrow, labels few: 0.02 would take epochs to grow
        elif isinstance(module, ActivityPooler):
            module.reset()

    def get_input_embeddings(self):
        """Return the token embeddings of the encoder."""
        return self.encoder.get_input_embeddings()

    def set_input_embeddings(self, value):
        """Replace the token embeddings of the encoder."""
        self.encoder.set_input_embeddings(value)

    # --- scores ---------------------------------------------------------------------------------------------

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        text_vectors: torch.FloatTensor | None = None,
        event_vectors: torch.FloatTensor | None = None,
        event_numbers: torch.FloatTensor | None = None,
        event_categories: torch.LongTensor | None = None,
        event_mask: torch.Tensor | None = None,
        numbers: torch.FloatTensor | None = None,
        labels: torch.FloatTensor | None = None,
        **kwargs,
    ) -> ProductiveFeedOutput:
        """Return logits (B, 2), and the loss with labels.

        Arguments:
            input_ids (B, T) with attention_mask (B, T): tokens of the videos' texts, or
            text_vectors (B, H): what the model returned for them, or `encode_text`.
            event_vectors (G, E, H): vectors of `event_text`s from `encode_texts`.
            event_numbers (G, E, 2 or 3): seconds, minutes since the event, and its hour of the day; raw, NaN unknown.
            event_categories (G, E): of `config.category_index`.
            event_mask (G, E): True where there is an event; everywhere, if left out.
            numbers (B, N): raw, as `config.number_names` says; NaN unknown, all of them if left out.
            labels (B, 2): 1 yes, 0 no, NaN not said.
            kwargs: for the encoder, if it runs.

        Raises:
            ValueError: inputs do not fit together; the message says which.
        """
        config = self.config
        events = None
        if config.use_activity:
            events = self._events(event_vectors, event_numbers, event_categories, event_mask)
        if text_vectors is not None:
            if self.activity_token is not None:
                raise ValueError(
                    "Expected input_ids where activity_fusion is 'token', got text_vectors; the encoder has to read "
                    "text and activity together, so leave text_vectors out."
                )
            texts = text_vectors.to(self.dtype)
        else:
            token = self._token(events, input_ids) if self.activity_token is not None else None
            texts = self._texts(input_ids, attention_mask, token, **kwargs)
        if texts.dim() != 2 or texts.shape[1] != config.text_size:
            raise ValueError(
                f"Expected text_vectors of shape (B, {config.text_size}), got {tuple(texts.shape)}; make them with "
                "encode_text of this model."
            )
        features = self.number_features(numbers, len(texts))  # (B, 2N)
        if events is not None and len(events["mask"]) not in (1, len(texts)):
            raise ValueError(
                f"Expected one set of events for all videos, or one for each of {len(texts)}, got "
                f"{len(events['mask'])}; event_* have 1 or {len(texts)} rows."
            )
        if config.head == "mlp":
            rows, weights = self._conditioned_rows(texts, features, events)
        else:
            rows, weights = self._linear_rows(texts, features, events)
        logits = torch.cat([self.interest_head(rows), self.productive_head(rows)], 1)  # (B, 2)
        if config.head == "residual":
            rows, weights = self._conditioned_rows(texts, features, events)
            logits = logits + torch.cat([self.interest_residual(rows), self.productive_residual(rows)], 1)
        return ProductiveFeedOutput(
            loss=None if labels is None else feed_loss(config, logits, labels),
            logits=logits,
            text_vectors=texts,
            activity_weights=weights,
        )

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return calibrated probabilities (B, 2) of logits (B, 2): sigmoid(logit / temperature + bias)."""
        logits = logits.float()
        temperatures = logits.new_tensor(self.config.temperatures)
        return torch.sigmoid(logits / temperatures + logits.new_tensor(self.config.calibration_biases))

    def linear_rows(self, text_vectors, numbers=None, **events) -> torch.Tensor:
        """Return what linear heads see (B, F): features to fit a linear model on.

        `linear_feature_sizes(config)` in feed_heads.py names the columns.

        Arguments:
            text_vectors (B, H), numbers (B, N), events: event_vectors, event_numbers and so on, as for the model.
        """
        names = ("event_vectors", "event_numbers", "event_categories", "event_mask")
        given = self._events(*map(events.get, names)) if self.config.use_activity else None
        features = self.number_features(numbers, len(text_vectors))
        return self._linear_rows(text_vectors.to(self.dtype), features, given)[0]

    # --- parts ----------------------------------------------------------------------------------------------

    def number_features(self, numbers: torch.Tensor | None, batch_size: int) -> torch.Tensor:
        """Return (B, 2N): each number standardised as the config says, 0 where it is not known, then flags for that."""
        config = self.config
        N = len(config.number_names)
        if numbers is None:
            numbers = torch.full((batch_size, N), torch.nan, device=self.device)
        if numbers.shape != (batch_size, N):
            raise ValueError(
                f"Expected numbers of shape {(batch_size, N)} ({', '.join(config.number_names)}), got "
                f"{tuple(numbers.shape)}; give one row a video."
            )
        numbers = numbers.float()
        logarithmic = numbers.new_tensor([name in LOGARITHMIC for name in config.number_names]).bool()
        numbers = torch.where(logarithmic, numbers.clamp(min=0).log1p(), numbers)
        means, stds = numbers.new_tensor(config.number_means), numbers.new_tensor(config.number_stds)
        unknown = numbers.isnan()
        values = torch.where(unknown, 0, ((numbers - means) / stds).clamp(-FARTHEST, FARTHEST))
        return torch.cat([values, unknown.float()], 1).to(self.dtype)

    def _texts(self, input_ids, attention_mask, token, **kwargs):
        """Return the vectors (B, H) of tokens, read together with the activity `token` (values, present) if given."""
        if input_ids is None:
            raise ValueError("Expected input_ids or text_vectors, got neither; encode the texts with text_tokenizer.")
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        if self.config.pooling == "encoder":
            vectors = self.encoder(input_ids, attention_mask=attention_mask, **kwargs).pooler_output
            if vectors is None:
                raise ValueError(
                    "Expected an encoder that returns pooler_output for pooling 'encoder', got none; set pooling to "
                    "'mean' or 'cls'."
                )
        elif token is None:
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **kwargs).last_hidden_state
            vectors = pooled_tokens(states, attention_mask, self.config.pooling)
        else:
            embedded = self.encoder.get_input_embeddings()(input_ids)  # (B, T, H)
            embedded, mask, of_text = insert_token(embedded, attention_mask, *token)
            states = self.encoder(inputs_embeds=embedded, attention_mask=mask, **kwargs).last_hidden_state
            vectors = pooled_tokens(states, of_text, self.config.pooling)
        return nn.functional.normalize(vectors, dim=-1) if self.config.normalize else vectors

    def _events(self, vectors, numbers, categories, mask):
        """Return {"vectors", "categories", "features", "log_minutes", "seconds", "mask"} of the inputs event_*."""
        config = self.config
        given = {
            "event_vectors": vectors,
            "event_numbers": numbers,
            "event_categories": categories,
            "event_mask": mask,
        }
        shapes = {name: tuple(value.shape[:2]) for name, value in given.items() if value is not None}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"Expected event inputs of the same (G, E), got {shapes}; pad all of them alike.")
        G, E = next(iter(shapes.values()), (1, 0))
        mask = torch.ones(G, E, device=self.device) if mask is None else mask
        if vectors is not None and vectors.shape[-1] != config.text_size:
            raise ValueError(
                f"Expected event_vectors of width {config.text_size}, got {vectors.shape[-1]}; make them with "
                "encode_texts of this model."
            )
        if numbers is None:
            numbers = torch.full((G, E, 2), torch.nan, device=self.device)
        if numbers.dim() != 3 or numbers.shape[-1] not in (2, 3):
            raise ValueError(
                f"Expected event_numbers of shape (G, E, 2 or 3): seconds, minutes ago, hour, got "
                f"{tuple(numbers.shape)}; leave the hour out where it is not known."
            )
        looks = categories is not None and categories.device.type == "cpu" and not torch.compiler.is_compiling()
        if looks and categories.numel():
            most = len(config.categories)
            if not 0 <= int(categories.min()) <= int(categories.max()) <= most:
                raise ValueError(
                    f"Expected event_categories from 0 to {most}, got {int(categories.min())} to "
                    f"{int(categories.max())}; use config.category_index."
                )
        numbers = numbers.float()
        logs = numbers[..., :2].clamp(min=0).log1p()
        means, stds = logs.new_tensor(config.event_number_means), logs.new_tensor(config.event_number_stds)
        standardised = ((logs - means) / stds).clamp(-FARTHEST, FARTHEST).nan_to_num(0)
        hours = numbers[..., 2:] if numbers.shape[-1] == 3 else numbers.new_full((G, E, 1), torch.nan)
        angles = hours * (math.pi / 12)
        features = torch.cat([standardised, angles.sin().nan_to_num(0), angles.cos().nan_to_num(0)], -1)
        # An event whose time is not known is as old as any that is read.
        oldest = math.log1p(60 * config.event_window_hours)
        return {
            "vectors": None if vectors is None else vectors.to(self.dtype),
            "categories": categories,
            "features": features.to(self.dtype),
            "log_minutes": logs[..., 1].nan_to_num(oldest).to(self.dtype),
            "seconds": numbers[..., 0].clamp(min=0),
            "mask": mask.bool(),
        }

    def _activity(self, events, texts=None):
        names = ("categories", "features", "log_minutes", "mask")
        vectors = self._dropped(events["vectors"])
        return self.activity_pooler(vectors, *(events[name] for name in names), texts=texts)

    def _dropped(self, vectors):
        """Return vectors of texts with `vector_dropout` in training, None for None."""
        rate = self.config.vector_dropout
        return vectors if vectors is None else nn.functional.dropout(vectors, rate, self.training)

    def _token(self, events, input_ids):
        """Return (values (B, H), present (B,)) of the activity's token: none where there was no activity."""
        activity, _ = self._activity(events)  # (G, D)
        B = len(activity) if input_ids is None else len(input_ids)
        present = events["mask"].any(1)
        return self.activity_token(activity).expand(B, -1), present.expand(B)

    def _conditioned_rows(self, texts, features, events):
        """Return (text vectors under their conditions (B, H), activity weights (B, E) or None)."""
        condition, weights, texts = features, None, self._dropped(texts)
        if events is not None and self.activity_token is None:
            activity, weights = self._activity(events, texts)  # (B, D), (B, E)
            condition = torch.cat([features, activity], 1)
        elif events is not None:
            _, weights = self._activity(events)
            weights = weights.expand(len(texts), -1)
        rows = self.text_norm(texts)
        return rows if self.film is None else self.film(rows, condition), weights

    def _linear_rows(self, texts, features, events):
        """Return (`linear_features` (B, F), shares of the events (B, E) or None)."""
        if events is None:
            return linear_features(self.config, texts, features), None
        minutes = events["log_minutes"].float().expm1()
        recency = torch.exp2(-minutes / self.config.activity_half_life_minutes)
        weights = recency * events["seconds"].nan_to_num(0).log1p() * events["mask"]  # (G, E)
        rows = linear_features(self.config, texts, features, {**events, "weights": weights})
        shares = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
        return rows, shares.to(self.dtype).expand(len(texts), -1)


ProductiveFeedModel.register_for_auto_class("AutoModel")
# transformers itself registers the classes of a copy of this file that it loads from a model repository.
if not __name__.startswith("transformers_modules."):
    AutoModel.register(ProductiveFeedConfig, ProductiveFeedModel, exist_ok=True)

__all__ = ["HEADS", "ProductiveFeedModel", "ProductiveFeedOutput"]
