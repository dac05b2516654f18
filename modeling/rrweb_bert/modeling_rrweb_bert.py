"""RRWebBERT: a pre-norm BERT encoder of rrweb token ids, with heads for masked tokens, sequences and the next action.

After "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding" (Devlin, Chang, Lee,
Toutanova, NAACL 2019, arXiv 1810.04805).
Differences from the paper:
- two embedding tables, structural and text, chosen by the range an id lies in; the decoder is tied to both;
- positions are rotary (RoFormer: Su, Lu, Pan, Murtadha, Wen, Liu, 2021, arXiv 2104.09864) and layers are normalised
  before, not after (Xiong et al., ICML 2020, arXiv 2002.04745): what stands next to what is learned in a
  fraction of the steps, see LOG.md;
- the token type says structural (0) or text (1), not first or second sentence, and follows from the id;
- no pooler and no next-sentence objective: a sequence is the mean of its attended tokens;
- windows of different sessions can be packed into one row and do not see each other (`sdpa_varlen`);
- logits can be computed at chosen positions only.

Axes: B rows, T tokens of a row, N tokens of a packed row, H hidden size, A heads, D = H / A, V vocabulary.
"""

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForNextSentencePrediction,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput, MaskedLMOutput, SequenceClassifierOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple, merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_rrweb_bert import MAX_VOCAB_SIZE, RRWebBertConfig
from .modeling_rrweb_next_action import (
    ACTION_KINDS,
    ACTION_TARGETS,
    NextAction,
    NextActionHead,
    NextActionOutput,
    last_tokens,
    likeliest,
    next_action_loss,
    window_before,
)
from .rrweb_bert_attention import eager_attention_forward, rotary_angles, rotate
from .rrweb_bert_pooling import mean_of_tokens, tokens_of_events

# --- embeddings and layers ----------------------------------------------------------------------------------


class HybridEmbedding(nn.Module):
    """Two embedding tables in one id space: `structural` for ids below its size, `text` for the rest.

    Example:
        >>> table = HybridEmbedding(structural=520, text=100, width=8, padding_idx=0)
        >>> table(torch.tensor([[2, 519, 520]])).shape, table.weight.shape
        (torch.Size([1, 3, 8]), torch.Size([620, 8]))
    """

    def __init__(self, structural: int, text: int, width: int, padding_idx: int | None = None):
        super().__init__()
        in_text = padding_idx is not None and padding_idx >= structural
        self.structural = nn.Embedding(structural, width, padding_idx=None if in_text else padding_idx)
        self.text = nn.Embedding(text, width, padding_idx=padding_idx - structural if in_text else None)

    @property
    def num_embeddings(self) -> int:
        return self.structural.num_embeddings + self.text.num_embeddings

    @property
    def embedding_dim(self) -> int:
        return self.structural.embedding_dim

    @property
    def weight(self) -> torch.Tensor:
        """Both tables under one another (V, H): gradients flow through it, writing to it changes nothing."""
        return torch.cat([self.structural.weight, self.text.weight])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., H) of ids (...)."""
        border = self.structural.num_embeddings
        if self.text.num_embeddings == 0:
            return self.structural(ids)
        # A lookup in each table and a choice between them: no copy of the tables, no wait for the GPU.
        structural = self.structural(ids.clamp(max=border - 1))
        text = self.text((ids - border).clamp(min=0))
        return torch.where((ids < border).unsqueeze(-1), structural, text)


class HybridDecoder(nn.Module):
    """Scores of all V ids from hidden states: one linear map for each table of `HybridEmbedding`."""

    def __init__(self, structural: int, text: int, width: int):
        super().__init__()
        self.structural = nn.Linear(width, structural)
        self.text = nn.Linear(width, text)

    @property
    def out_features(self) -> int:
        return self.structural.out_features + self.text.out_features

    @property
    def weight(self) -> torch.Tensor:
        return torch.cat([self.structural.weight, self.text.weight])

    @property
    def bias(self) -> torch.Tensor:
        return torch.cat([self.structural.bias, self.text.bias])

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return logits (..., V) of hidden states (..., H)."""
        return torch.cat([self.structural(hidden), self.text(hidden)], dim=-1)


class RRWebBertEmbeddings(nn.Module):
    """Token + token type, then layer norm and dropout; positions enter in the attention."""

    def __init__(self, config: RRWebBertConfig):
        super().__init__()
        self.structural_vocab_size = config.structural_vocab_size
        self.word_embeddings = HybridEmbedding(
            config.structural_vocab_size, config.text_vocab_size, config.hidden_size, config.pad_token_id
        )
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids, token_type_ids, inputs_embeds) -> torch.Tensor:
        """Return (B, T, H) from ids (B, T) or vectors (B, T, H)."""
        if token_type_ids is None:
            if input_ids is None:
                raise ValueError(
                    "Expected token_type_ids together with inputs_embeds, got None: types follow from ids, "
                    "and there are none here; pass 0 for structural and 1 for text tokens."
                )
            token_type_ids = (input_ids >= self.structural_vocab_size).long()
        if inputs_embeds is None:
            inputs_embeds = self.word_embeddings(input_ids)
        hidden = inputs_embeds + self.token_type_embeddings(token_type_ids)
        return self.dropout(self.norm(hidden))  # (B, T, H)


class RRWebBertAttention(nn.Module):
    """Multi-head self-attention; which code runs it is `config._attn_implementation`."""

    is_causal = False

    def __init__(self, config: RRWebBertConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden, attention_mask, rotary, **kwargs: Unpack[TransformersKwargs]):
        """Return (mixed (B, T, H), weights (B, A, T, T) or None) of hidden states (B, T, H)."""
        shape = (*hidden.shape[:-1], -1, self.head_dim)
        query, key, value = (
            project(hidden).view(shape).transpose(1, 2)  # (B, A, T, D)
            for project in (self.query, self.key, self.value)
        )
        query, key = rotate(query, *rotary), rotate(key, *rotary)
        implementation = self.config._attn_implementation
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
        mixed, weights = attend(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=self.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return self.output(mixed.reshape(hidden.shape)), weights  # (B, T, H)


class RRWebBertLayer(GradientCheckpointingLayer):
    """One encoder layer: attention, then feed-forward, each on the normalised input and added to it."""

    def __init__(self, config: RRWebBertConfig):
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = RRWebBertAttention(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden, attention_mask, rotary, **kwargs: Unpack[TransformersKwargs]) -> torch.Tensor:
        """Return (B, T, H) of hidden states (B, T, H); rotary is what `rotary_angles` gives."""
        mixed, _ = self.attention(self.attention_norm(hidden), attention_mask, rotary, **kwargs)
        hidden = hidden + self.dropout(mixed)
        fed = self.down(self.activation(self.up(self.feed_forward_norm(hidden))))
        return hidden + self.dropout(fed)


# --- models -------------------------------------------------------------------------------------------------


class RRWebBertPreTrainedModel(PreTrainedModel):
    """What all RRWebBERT models share: flags, the Hub's map of classes, resizing of the vocabulary."""

    config: RRWebBertConfig
    config_class = RRWebBertConfig
    base_model_prefix = "rrweb_bert"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _no_split_modules = ["RRWebBertEmbeddings", "RRWebBertLayer"]  # noqa: RUF012 - transformers reads plain lists
    _can_record_outputs = {"hidden_states": RRWebBertLayer, "attentions": RRWebBertAttention}  # noqa: RUF012
    # Written into every saved config: a repository saved from any head loads through all of these.
    _auto_map = {  # noqa: RUF012
        "AutoConfig": "configuration_rrweb_bert.RRWebBertConfig",
        "AutoModel": "modeling_rrweb_bert.RRWebBertModel",
        "AutoModelForMaskedLM": "modeling_rrweb_bert.RRWebBertForMaskedLM",
        "AutoModelForSequenceClassification": "modeling_rrweb_bert.RRWebBertForSequenceClassification",
        # of transformers' classes the one whose question is the nearest: what comes after this?
        "AutoModelForNextSentencePrediction": "modeling_rrweb_bert.RRWebBertForNextAction",
    }

    def __init__(self, config: RRWebBertConfig, *args, **kwargs):
        super().__init__(config, *args, **kwargs)
        # Loading from the Hub leaves "user/repo--" before each entry. The code is saved next to the weights
        # again, so a copy must point at its own files and not at the repository it once came from.
        config.auto_map = {**(getattr(config, "auto_map", None) or {}), **self._auto_map}

    # No own _init_weights: every parameter sits in a Linear, an Embedding or a LayerNorm, which transformers
    # initialises, and there is no buffer that a model built on the meta device would get back as garbage.

    def get_input_embeddings(self) -> nn.Module:
        """Return the `HybridEmbedding`; calling it on ids (B, T) gives what `inputs_embeds` expects."""
        return self.base_model.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Module):
        self.base_model.embeddings.word_embeddings = value

    def resize_token_embeddings(self, new_num_tokens=None, pad_to_multiple_of=None, mean_resizing=True):
        """Return the input embeddings after growing or cutting the text ids; structural ids never change.

        Arguments:
            new_num_tokens (int or None): ids wanted in all; None keeps the number (and only pads it).
            pad_to_multiple_of (int or None): round the number of ids up to a multiple of this.
            mean_resizing (bool): start new vectors near the mean of the text vectors instead of at random.

        Raises:
            ValueError: fewer ids than structural ones, or more than uint16 can hold.
        """
        embeddings = self.get_input_embeddings()
        if new_num_tokens is None and pad_to_multiple_of is None:
            return embeddings
        total = embeddings.num_embeddings if new_num_tokens is None else new_num_tokens
        if pad_to_multiple_of is not None:
            # refused there, in the words that users of transformers know
            if not isinstance(pad_to_multiple_of, int):
                return super().resize_token_embeddings(total, pad_to_multiple_of, mean_resizing)
            total = -(-total // pad_to_multiple_of) * pad_to_multiple_of
        structural = self.config.structural_vocab_size
        if not structural <= total <= MAX_VOCAB_SIZE:
            raise ValueError(
                f"Expected a vocabulary between {structural} (its structural ids) and {MAX_VOCAB_SIZE} (ids "
                f"are stored as uint16), got {total}; only text ids can be added or removed."
            )
        text = total - structural
        mean_resizing = mean_resizing and embeddings.text.num_embeddings > 0
        self._get_resized_embeddings(embeddings.text, text, mean_resizing=mean_resizing)
        decoder = self.get_output_embeddings()
        if decoder is not None:
            decoder.text = self._get_resized_lm_head(decoder.text, text, mean_resizing=mean_resizing)
        self.config.vocab_size = self.vocab_size = total
        self.tie_weights()
        return embeddings


class RRWebBertModel(RRWebBertPreTrainedModel):
    """The bare encoder: token ids to one vector a token. No `pooler_output`, since nothing would train it."""

    # the heads of a checkpoint this model is loaded from
    _keys_to_ignore_on_load_unexpected = [r"^(transform|decoder|classifier|next_action)\."]  # noqa: RUF012

    def __init__(self, config: RRWebBertConfig):
        super().__init__(config)
        self.embeddings = RRWebBertEmbeddings(config)
        self.layers = nn.ModuleList([RRWebBertLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    def get_output_embeddings(self):
        return None

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutput:
        """Return `last_hidden_state` (B, T, H).

        Arguments:
            input_ids (B, T) or inputs_embeds (B, T, H): exactly one of the two.
            attention_mask (B, T): 1 for tokens, 0 for padding. Not with packed rows.
            token_type_ids (B, T): 0 structural, 1 text; follows from input_ids when absent.
            position_ids (B, T) or (1, T): 0 ... T-1 when absent, restarting in every window of a packed row.
            cu_seq_lens_q, cu_seq_lens_k int32 (n_windows + 1,), max_length_q, max_length_k int: the row
                (B = 1) is packed; needs `attn_implementation="sdpa_varlen"` or flash attention.
        """
        if (input_ids is None) == (inputs_embeds is None):
            given = "none" if input_ids is None else "both"
            raise ValueError(f"Expected exactly one of input_ids and inputs_embeds, got {given}; pass one.")
        B, T = input_ids.shape if input_ids is not None else inputs_embeds.shape[:2]
        device = input_ids.device if input_ids is not None else inputs_embeds.device
        borders = kwargs.get("cu_seq_lens_q")
        if borders is not None:
            self._check_packed(B, attention_mask)
        longest = kwargs.get("max_length_q") if borders is not None else T
        limit = self.config.max_position_embeddings
        if longest is not None and longest > limit:
            raise ValueError(
                f"Expected windows of at most max_position_embeddings = {limit} tokens, got {longest}; cut "
                "the session with the tokenizer's `windows(session, max_length=...)`."
            )
        if position_ids is None:
            position_ids = torch.arange(T, device=device)[None]
            if borders is not None:
                position_ids = position_ids - _start_of_window(borders.to(device), T)
        hidden = self.embeddings(input_ids, token_type_ids, inputs_embeds)
        if borders is None:
            attention_mask = create_bidirectional_mask(
                config=self.config, inputs_embeds=hidden, attention_mask=attention_mask
            )
        head_dim = self.config.hidden_size // self.config.num_attention_heads
        rotary = rotary_angles(position_ids, head_dim, self.config.rope_theta, hidden.dtype)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask, rotary, **kwargs)
        return BaseModelOutput(last_hidden_state=self.norm(hidden))

    def _check_packed(self, B, attention_mask):
        implementation = self.config._attn_implementation
        if implementation != "sdpa_varlen" and "flash_attention" not in implementation:
            raise ValueError(
                f"Expected attn_implementation 'sdpa_varlen' or flash attention for packed rows, got "
                f"{implementation!r}, under which windows of a row would see each other; load the model with "
                "attn_implementation='sdpa_varlen'."
            )
        if B != 1:
            raise ValueError(
                f"Expected one packed row, got {B} rows; join them into one and count on in cu_seq_lens_q."
            )
        if attention_mask is not None:
            raise ValueError(
                "Expected no attention_mask with packed rows, got one; leave it out and give padding at the "
                "end of the row a window of its own in cu_seq_lens_q."
            )


class RRWebBertForMaskedLM(RRWebBertPreTrainedModel):
    """The encoder with a head that scores every id at every (or at chosen) positions."""

    _tied_weights_keys = {  # noqa: RUF012
        "decoder.structural.weight": "rrweb_bert.embeddings.word_embeddings.structural.weight",
        "decoder.text.weight": "rrweb_bert.embeddings.word_embeddings.text.weight",
    }

    def __init__(self, config: RRWebBertConfig):
        super().__init__(config)
        self.rrweb_bert = RRWebBertModel(config)
        self.transform = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size),
            ACT2FN[config.hidden_act],
            nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps),
        )
        self.decoder = HybridDecoder(config.structural_vocab_size, config.text_vocab_size, config.hidden_size)
        self.post_init()
        if config.tie_word_embeddings:  # not in a saved file, so Trainer must not warn that they are missing there
            self._keys_to_ignore_on_save.update(self._tied_weights_keys)

    def get_output_embeddings(self):
        return self.decoder

    def set_output_embeddings(self, new_embeddings):
        self.decoder = new_embeddings

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        masked_positions: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MaskedLMOutput:
        """Return `logits`, and `loss` if there are labels; the other arguments are those of `RRWebBertModel`.

        Arguments:
            masked_positions (n,): positions in the flattened B * T tokens. Logits are then (n, V) and labels
                (n,): about one token in seven is masked, so the head costs a seventh.
            labels: (B, T), or (n,) with masked_positions; -100 counts for nothing. With no label at all the
                loss is 0, with a gradient of 0, not NaN.
            num_items_in_batch (int or tensor): labels of all accumulated batches; divides the sum of losses.
        """
        if masked_positions is not None and labels is not None and labels.shape != masked_positions.shape:
            raise ValueError(
                f"Expected one label for each of the {masked_positions.numel()} masked_positions, got labels "
                f"of shape {tuple(labels.shape)}; pass labels.flatten()[masked_positions]."
            )
        outputs = self.rrweb_bert(
            input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        hidden = outputs.last_hidden_state  # (B, T, H)
        if masked_positions is not None:
            hidden = hidden.flatten(0, 1).index_select(0, masked_positions.to(hidden.device))  # (n, H)
        logits = self.decoder(self.transform(hidden))  # (B, T, V) or (n, V)
        loss = None
        if labels is not None:
            # Always a sum over a count of at least one: the mean over no labels is NaN and ends a run.
            count = kwargs.pop("num_items_in_batch", None)
            count = labels.ne(-100).sum() if count is None else torch.as_tensor(count)
            loss = self.loss_function(
                logits,
                labels,
                vocab_size=logits.shape[-1],
                num_items_in_batch=count.to(logits.device).clamp(min=1),
                **kwargs,
            )
        return MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class RRWebBertForSequenceClassification(RRWebBertPreTrainedModel):
    """The encoder with a linear classifier on the mean of a row's attended tokens.

    With `config.pooled_marks`, of the tokens of events that hold one of these ids, in rows that have such an event.
    """

    def __init__(self, config: RRWebBertConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.rrweb_bert = RRWebBertModel(config)
        dropout = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def get_output_embeddings(self):
        return None

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SequenceClassifierOutput:
        """Return `logits` (B, num_labels), and `loss` if there are labels; arguments as in `RRWebBertModel`.

        A packed row gives one row of logits a window, (n_windows, num_labels).

        Arguments:
            labels: as in transformers. Regression when num_labels is 1, one class of many for integers (B,),
                several classes at once for floats (B, num_labels); `config.problem_type` overrules.
        """
        outputs = self.rrweb_bert(
            input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        borders, chosen = kwargs.get("cu_seq_lens_q"), None
        if self.config.pooled_marks and input_ids is not None:
            chosen = tokens_of_events(input_ids, self.config.pooled_marks, self.config.event_starts, borders)
        pooled = mean_of_tokens(outputs.last_hidden_state, attention_mask, borders, chosen)
        logits = self.classifier(self.dropout(pooled))  # (B, num_labels)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config, **kwargs)
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


class RRWebBertForNextAction(RRWebBertPreTrainedModel):
    """The encoder with two heads: the kind and the target of the action that comes after a window.

    `config.action_kinds` and `config.action_targets` name them, see modeling_rrweb_next_action.py.

    Example:
        >>> model = AutoModelForNextSentencePrediction.from_pretrained(repo, trust_remote_code=True)  # doctest: +SKIP
        >>> model.predict(tokenizer, Path("session.json")).kinds[0]  # doctest: +SKIP
        ('click', 0.71)
    """

    def __init__(self, config: RRWebBertConfig):
        super().__init__(config)
        self.rrweb_bert = RRWebBertModel(config)
        self.next_action = NextActionHead(config)
        self.post_init()

    def get_output_embeddings(self):
        return None

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.LongTensor | None = None,
        position_ids: torch.LongTensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        labels: torch.LongTensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> NextActionOutput:
        """Return `kind_logits` (B, K), `target_logits` (B, C), and `loss` if there are labels; see `RRWebBertModel`.

        A packed row gives one row of logits a window.

        Arguments:
            labels (B, 2): number of the kind and of the target of the action after each window; -100 for not known.
            num_items_in_batch (int or tensor): labels of all accumulated batches; divides the sum of losses.
        """
        count = kwargs.pop("num_items_in_batch", None)
        outputs = self.rrweb_bert(
            input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        hidden, borders = outputs.last_hidden_state, kwargs.get("cu_seq_lens_q")
        mean = mean_of_tokens(hidden, attention_mask, borders)  # (B, H)
        kinds, targets = self.next_action(last_tokens(hidden, attention_mask, borders), mean)
        return NextActionOutput(
            loss=None if labels is None else next_action_loss(kinds, targets, labels, count),
            kind_logits=kinds,
            target_logits=targets,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    @torch.no_grad()
    def predict(self, tokenizer, session, k=3, event=None, max_length=None) -> NextAction:
        """Return the likeliest kinds and targets of what a person does next.

        Arguments:
            tokenizer (RRWebTokenizer): of the same folder.
            session: a recording in any form that the tokenizer takes, or a TokenizedSession.
            k (int): how many of each.
            event (int or None): what comes in place of this event is told, by what is before it; None = after the last.
            max_length (int or None): tokens read; None = what model and tokenizer allow.
        """
        if not hasattr(session, "event_offsets"):
            session = tokenizer.tokenize_session(session)
        if max_length is None:
            max_length = min(self.config.max_position_embeddings, tokenizer.model_max_length)
        event = len(session.event_times_ms) if event is None else event
        ids = window_before(session, event, max_length, tokenizer.window_tokens)
        was_training = self.training
        outputs = self.eval()(torch.from_numpy(ids.astype("int64"))[None].to(self.device))
        self.train(was_training)
        config = self.config
        kinds, targets = config.action_kinds or ACTION_KINDS, config.action_targets or ACTION_TARGETS
        return NextAction(likeliest(kinds, outputs.kind_logits[0], k), likeliest(targets, outputs.target_logits[0], k))


def _start_of_window(borders, T):
    """Return, for each of T packed positions, where its window starts (1, T)."""
    return torch.repeat_interleave(borders[:-1].long(), borders.diff().long(), output_size=T)[None]


RRWebBertModel.register_for_auto_class("AutoModel")
RRWebBertForMaskedLM.register_for_auto_class("AutoModelForMaskedLM")
RRWebBertForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
RRWebBertForNextAction.register_for_auto_class("AutoModelForNextSentencePrediction")
# transformers itself registers the classes of a copy of this file that it loads from a model repository.
if not __name__.startswith("transformers_modules."):
    AutoModel.register(RRWebBertConfig, RRWebBertModel, exist_ok=True)
    AutoModelForMaskedLM.register(RRWebBertConfig, RRWebBertForMaskedLM, exist_ok=True)
    AutoModelForSequenceClassification.register(RRWebBertConfig, RRWebBertForSequenceClassification, exist_ok=True)
    AutoModelForNextSentencePrediction.register(RRWebBertConfig, RRWebBertForNextAction, exist_ok=True)

__all__ = [
    "HybridEmbedding",
    "RRWebBertForMaskedLM",
    "RRWebBertForNextAction",
    "RRWebBertForSequenceClassification",
    "RRWebBertModel",
    "RRWebBertPreTrainedModel",
]
