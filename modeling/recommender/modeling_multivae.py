"""MultiVAE: a variational autoencoder of sets of items with a multinomial likelihood.

After "Variational Autoencoders for Collaborative Filtering" (Liang, Krishnan, Hoffman, Jebara, WWW 2018, arXiv
1802.05814), Mult-VAE^PR. With x a user's set as a row of zeros and ones, mu and sigma read from x, z = mu + sigma * eps
and pi = softmax(decoder(z)), a user's loss is

    - sum_i x_i log pi_i(z)  +  beta * KL(N(mu, sigma^2) || N(0, 1))        (Eq. 2, 5, 6)

and scores are the logits of pi at z = mu. Differences from the paper and its code:
- x is never made: the first layer is a weighted sum of rows, which costs what a history holds and not the catalogue;
- beta rises to its largest value over `kl_anneal_steps` steps, instead of over so many steps to 1 with a cap;
- weights are decayed by the optimizer, if at all, not by a term of the loss.

Axes: B users, T items of a padded row, N items of all sets, V ids, H width of the hidden layers, K of the latent.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import initialization as init
from transformers.utils.generic import can_return_tuple

from .bag_of_items import item_sets, placed_item_sets, recency_weights
from .configuration_multivae import MultiVAEConfig
from .configuration_recommender import FIRST_ITEM_ID, NO_ITEM_SCORE
from .modeling_recommender import RecommenderOutput, RecommenderPreTrainedModel


@dataclass
class MultiVAEOutput(RecommenderOutput):
    """What `MultiVAEModel` returns.

    Arguments:
        loss (): mean over users, where it was asked for. scores (B, V): where it was not.
        reconstruction_loss (), kl_divergence (): the two terms of the loss, means over users; kl_weight: beta.
    """

    reconstruction_loss: torch.FloatTensor | None = None
    kl_divergence: torch.FloatTensor | None = None
    kl_weight: float | None = None


def multinomial_loss(log_probabilities, ids, offsets):
    """Returns minus the log-likelihood of sets of items, a mean over users ().

    Args:
        log_probabilities (float (B, V)). ids (int64 (N,)), offsets (int64 (B + 1,)): the sets, end to end.
    """
    users = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=ids.device), offsets.diff())
    return -log_probabilities[users, ids].sum() / (len(offsets) - 1)


def kl_to_standard_normal(mean, log_variance):
    """Returns KL(N(mean, exp(log_variance)) || N(0, 1)), summed over the latent (B, K), a mean over users ()."""
    return 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance).sum(1).mean()


class MultiVAEModel(RecommenderPreTrainedModel):
    """Sets of items to scores of all items. An item chosen twice counts once.

    Example:
        >>> model = MultiVAEModel(MultiVAEConfig(vocab_size=9, hidden_size=8, latent_size=4)).eval()
        >>> model(torch.tensor([[3, 5, 4], [7, 0, 0]])).scores.shape
        torch.Size([2, 9])
    """

    config_class = MultiVAEConfig
    #: The loss is a mean over users, so Trainer must not divide by a number of labels.
    accepts_loss_kwargs = False

    def __init__(self, config: MultiVAEConfig):
        super().__init__(config)
        V, H, K = config.vocab_size, config.hidden_size, config.latent_size
        self.encoder_items = nn.Embedding(V, H)  # the weight of a Linear(V, H), transposed
        self.encoder_bias = nn.Parameter(torch.zeros(H))
        self.encoder_latent = nn.Linear(H, 2 * K)
        self.decoder_hidden = nn.Linear(K, H)
        self.decoder_items = nn.Linear(H, V)
        self.register_buffer("training_steps", torch.zeros((), dtype=torch.int64))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, (nn.Linear, nn.Embedding)):
            init.xavier_normal_(module.weight)
        if isinstance(module, nn.Linear):
            init.trunc_normal_(module.bias, std=self.config.initializer_range)
        if isinstance(module, MultiVAEModel):
            init.trunc_normal_(module.encoder_bias, std=self.config.initializer_range)
            init.zeros_(module.training_steps)

    def get_input_embeddings(self):
        return self.encoder_items

    def set_input_embeddings(self, value):
        self.encoder_items = value

    def kl_weight(self):
        """Returns beta after the training steps so far; they are counted in a buffer, which is saved."""
        steps = self.config.kl_anneal_steps
        share = min(1.0, int(self.training_steps) / steps) if steps else 1.0
        return self.config.kl_max_weight * share

    def encode(self, ids, offsets, newer=None):
        """Returns (mean, log-variance) of z, both (B, K), of what `placed_item_sets` returns."""
        users = torch.repeat_interleave(torch.arange(len(offsets) - 1, device=ids.device), offsets.diff())
        recency = self.config.recency
        weights = recency_weights(newer, recency) if recency else torch.ones(len(ids), device=ids.device)
        squares = weights.new_zeros(len(offsets) - 1).index_add_(0, users, weights.square())
        weights = (weights * squares.rsqrt()[users]).to(self.dtype)  # x / |x|
        weights = nn.functional.dropout(weights, self.config.input_dropout_prob, self.training)
        bags = nn.functional.embedding_bag(
            ids, self.encoder_items.weight, offsets[:-1], mode="sum", per_sample_weights=weights
        )
        return self.encoder_latent(torch.tanh(bags + self.encoder_bias)).chunk(2, dim=1)

    def decode(self, latent):
        """Returns the logits of pi (B, V), float32, of latents (B, K); `NO_ITEM_SCORE` for ids that are no items."""
        logits = self.decoder_items(torch.tanh(self.decoder_hidden(latent))).float()
        logits[:, :FIRST_ITEM_ID] = NO_ITEM_SCORE
        return logits

    def next_item_scores(self, input_ids, attention_mask=None):
        """Returns float32 scores (B, V): the logits of pi at z = mu; `NO_ITEM_SCORE` for ids that are no items.

        An empty history is a row of zeros: it gets what the biases say, which comes near to popularity.
        """
        return self.decode(self.encode(*placed_item_sets(input_ids, attention_mask))[0])

    def query_vectors(self, input_ids, attention_mask=None):
        """Returns the decoder's hidden layer (B, H) at z = mu, whose products with `item_vectors` are the scores."""
        return torch.tanh(self.decoder_hidden(self.encode(*placed_item_sets(input_ids, attention_mask))[0]))

    def item_vectors(self):
        """Returns the rows of the decoder's last layer (V, H)."""
        return self.decoder_items.weight

    def item_bias(self):
        """Returns the biases of the decoder's last layer (V,)."""
        return self.decoder_items.bias

    @can_return_tuple
    def forward(self, input_ids=None, attention_mask=None, labels=None, **kwargs):
        """Return the `loss` in training or with labels, `scores` (B, V) otherwise.

        Arguments:
            input_ids int64 (B, T): histories, padded on any side; attention_mask (B, T).
            labels int64 (B, L): the sets to reconstruct, negative numbers and the padding left out; by default what
                is read.
        """
        sets = placed_item_sets(input_ids, attention_mask)
        if labels is None and not self.training:
            return MultiVAEOutput(scores=self.decode(self.encode(*sets)[0]))
        mean, log_variance = self.encode(*sets)
        latent = mean + torch.randn_like(mean) * (0.5 * log_variance).exp() if self.training else mean
        targets = sets[:2] if labels is None else item_sets(labels)
        reconstruction = multinomial_loss(self.decode(latent).log_softmax(1), *targets)
        divergence = kl_to_standard_normal(mean.float(), log_variance.float())
        weight = self.kl_weight()
        if self.training:
            self.training_steps += 1
        return MultiVAEOutput(
            loss=reconstruction + weight * divergence,
            reconstruction_loss=reconstruction.detach(),
            kl_divergence=divergence.detach(),
            kl_weight=weight,
        )

    @torch.no_grad()
    def _extend_items(self, n_new, metadata=None):
        """Add n_new ids that nobody has chosen: they say nothing of a user, and have the least bias there is."""
        rows = self.encoder_items.weight.data
        self.encoder_items = nn.Embedding.from_pretrained(nn.functional.pad(rows, (0, 0, 0, n_new)), freeze=False)
        old = self.decoder_items
        low = old.bias[FIRST_ITEM_ID:].min() if old.out_features > FIRST_ITEM_ID else old.bias.new_zeros(())
        grown = nn.Linear(old.in_features, old.out_features + n_new, device=old.weight.device, dtype=old.weight.dtype)
        grown.weight.copy_(nn.functional.pad(old.weight, (0, 0, 0, n_new)))
        grown.bias.copy_(torch.cat([old.bias, low.expand(n_new)]))
        self.decoder_items = grown
