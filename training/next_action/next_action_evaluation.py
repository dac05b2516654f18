"""Next action over folds of sites: each site is foretold by a model whose encoder and heads never saw it.

    found = evaluate_next_action({"0": "folds/0/model", ...}, labels, folds={"0": ["shop.test"], ...})
    found["compared"]["RRWebBERT"]["kind"]["macro_f1"]

The answers of all folds are put together, and figures are of all of them; the spread is over seeds.
"""

import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np
from transformers.trainer_utils import set_seed

from traceformers.modeling.rrweb_bert.modeling_rrweb_next_action import ACTION_KINDS
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer
from traceformers.training.masked_lm.session_store import SessionStore
from traceformers.training.masked_lm.text_swap import TextSwap
from traceformers.training.next_action.action_examples import OTHER, ActionExamples, ActionNames, ActionWindows
from traceformers.training.next_action.frozen_actions import (
    FROZEN,
    N_MASKS,
    WITH_COUNTERS,
    boosted_scores,
    frozen_action_vectors,
    frozen_scores,
    honest_scores,
    with_counters,
)
from traceformers.training.next_action.next_action_arguments import NextActionTrainingArguments
from traceformers.training.next_action.next_action_baselines import CounterFeatures, baseline_scores
from traceformers.training.next_action.next_action_metrics import action_figures
from traceformers.training.next_action.next_action_run import (
    MODEL,
    build_next_action_model,
    build_next_action_trainer,
)

COUNTERS = "boosted counters"
#: Share of the training sites, rounded, whose actions choose checkpoint and number of trees.
CHOOSING_SHARE = 0.2
#: How the heads, and the encoder with them, are trained in a fold.
SETTINGS = {
    "learning_rate": 3e-4,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 32,
    "warmup_steps": 0.1,
    "weight_decay": 0.01,
}


def evaluate_next_action(
    model_folders,
    labels,
    folds,
    prepared=None,
    max_length=128,
    seeds=(0,),
    methods=("baselines", "frozen", "fine-tuned"),
    swap_text_in=0.25,
    output_dir=None,
    **settings,
):
    """Returns `{"compared": {method: figures}, "folds": {name: {method: figures}}, "examples": n, "settings": {...}}`.

    Figures are those of `action_figures`; of what was run with several seeds the mean, with the spread under "spread".

    Args:
        model_folders (`{fold: path}`): encoder and tokenizer of each fold, which never saw the sites of it.
        labels (`LabelledSessions`): files and their sites.
        folds (`{fold: list of sites}`): sites out; each session's site is in exactly one.
        prepared (`{fold: path}`, *optional*): data set folders with the tokenized sessions of the other sites, all
            splits of which are trained on; without it recordings are tokenized.
        max_length (`int`): tokens read before an action.
        seeds: of fine-tuning: heads, batches and swapped words. The rest takes the first.
        methods: of `baselines` (majority, bigram, boosted counters), `frozen` (see frozen_actions.py: reads each window
            once, in a minute or two a fold) and `fine-tuned` (`RRWebBertForNextAction`, many times that). The last two
            are told alone and joined with the boosted counters.
        swap_text_in (`float`): share of training windows in which words are swapped.
        output_dir (path, *optional*): keeps the fine-tuned model of each fold, of the first seed, in
            `<output_dir>/<fold>`.
        settings: arguments of the fine-tuning, over `SETTINGS`.

    Raises:
        ValueError: a site of the labels is in no fold, or a method is unknown.
    """
    settings = SETTINGS | settings
    folds = {str(name): list(sites) for name, sites in dict(folds).items()}
    missing = sorted(set(labels.sites) - {site for sites in folds.values() for site in sites})
    if missing:
        raise ValueError(f"Expected every site in one fold, found none for {', '.join(missing)}. Add them to a fold.")
    unknown = sorted(set(methods) - {"baselines", "frozen", "fine-tuned"})
    if unknown:
        raise ValueError(f"Expected methods among baselines, frozen and fine-tuned, got {', '.join(unknown)}.")
    parts = []
    for name, sites in folds.items():
        if len(labels.where(np.isin(labels.sites, sites))):
            fold = ActionFold(name, sites, model_folders[name], labels, prepared and prepared[name], max_length)
            scores, keep = {}, None if output_dir is None else Path(output_dir) / name
            counted = fold.counted(seeds[0])
            if "baselines" in methods:
                found = baseline_scores(fold.train, None, fold.test, fold.names, which=("majority", "bigram"))
                scores |= {method: [pair] for method, pair in found.items()}
                scores[COUNTERS] = [counted[1]]
            labelled = fold.names.numbers(fold.validation.actions)
            runs, honest = {}, {}
            if "frozen" in methods:
                runs[FROZEN] = [fold.frozen(seeds[0])]
                honest[FROZEN] = fold.honest(seeds[0])
            if "fine-tuned" in methods:
                runs[MODEL] = [
                    fold.fine_tuned(seed, swap_text_in, settings, keep if seed == seeds[0] else None) for seed in seeds
                ]
            for method, answers in runs.items():
                scores[method] = [own[1] for own in answers]
                scores[method + WITH_COUNTERS] = [
                    with_counters(own, counted, labelled, honest.get(method)) for own in answers
                ]
            parts.append({"fold": name, "names": fold.names, "actions": fold.test.actions, "scores": scores})
    names = ActionNames(
        ACTION_KINDS, (OTHER, *sorted({name for part in parts for name in part["names"].targets} - {OTHER}))
    )
    together = np.concatenate([names.numbers(part["actions"]) for part in parts])
    return {
        "compared": _figures(together, [_widened(part, names) for part in parts]),
        "folds": {part["fold"]: _figures(part["names"].numbers(part["actions"]), [part["scores"]]) for part in parts},
        "examples": len(together),
        "settings": settings | {"max_length": max_length, "swap_text_in": swap_text_in, "seeds": list(seeds)},
    }


class ActionFold:
    """The examples of one fold, and what methods answer to those that were held out.

    Args:
        name (`str`), sites (list of `str`): the fold and the sites out.
        folder (path): encoder and tokenizer.
        labels, prepared, max_length: as for `evaluate_next_action`; of this fold.
    """

    def __init__(self, name, sites, folder, labels, prepared, max_length):
        self.name, self.folder, self.max_length = name, folder, max_length
        self.tokenizer = tokenizer = RRWebTokenizer.from_pretrained(str(folder))
        if prepared is not None:
            sessions, of_site = _stored(prepared, sites)
        else:
            seen = labels.where(~np.isin(labels.sites, sites))
            sessions, of_site = _tokenized(seen.files, tokenizer), seen.sites
        chooses = _chosen_by_site(of_site)
        self.train = ActionExamples([s for s, c in zip(sessions, chooses, strict=True) if not c], tokenizer)
        self.validation = ActionExamples([s for s, c in zip(sessions, chooses, strict=True) if c], tokenizer)
        self.test = ActionExamples(_tokenized(labels.where(np.isin(labels.sites, sites)).files, tokenizer), tokenizer)
        self.names = self.train.names()
        self.train_sites = np.asarray(of_site, dtype=str)[~np.asarray(chooses)][self.train.session]

    def windows(self, examples, max_length, **options):
        """Returns the `ActionWindows` of some examples."""
        return ActionWindows(examples, self.names, self.tokenizer.window_tokens, max_length, **options)

    @property
    def _labels(self):
        return tuple(self.names.numbers(each.actions) for each in (self.train, self.validation))

    @property
    def _sizes(self):
        return len(self.names.kinds), len(self.names.targets)

    @cached_property
    def _counters(self):
        """(features of training, validation and test; which are categories)."""
        features = CounterFeatures(self.names).fit(self.train)
        rows, is_category = zip(*(features(each) for each in (self.train, self.validation, self.test)), strict=True)
        return rows, is_category[0]

    @cached_property
    def _vectors(self):
        """Vectors of training, validation and test by the encoder as it is."""
        return [
            frozen_action_vectors(
                self.folder,
                self.windows(each, self.max_length - N_MASKS),
                self.tokenizer.mask_token_id,
                self.tokenizer.structural_vocab_size,
            )
            for each in (self.train, self.validation, self.test)
        ]

    def counted(self, seed=0):
        """Returns what boosted counters answer, see `boosted_scores`."""
        return boosted_scores(*self._counters, self._labels, self._sizes, seed)

    def frozen(self, seed=0):
        """Returns what heads on the frozen encoder answer, see `frozen_scores`."""
        return frozen_scores(self._vectors, self._labels, self._sizes, seed)

    def honest(self, seed=0):
        """Returns (heads, counters, labels) of the training examples, see `honest_scores`."""
        rows, is_category = self._counters
        found = honest_scores(self._vectors, rows, is_category, self._labels, self.train_sites, self._sizes, seed)
        return *found, self._labels[0]

    def fine_tuned(self, seed, swap_text_in, settings, keep=None):
        """Returns (validation, test), each kind and target probabilities, of a model trained on this fold.

        Args:
            settings (`dict`): arguments of the training.
            keep (path, *optional*): where to save the model.
        """
        tokenizer, swap = self.tokenizer, None
        if swap_text_in:
            swap = TextSwap(tokenizer.structural_vocab_size, tokenizer.vocab_size, swap_text_in)
        train = self.windows(self.train, self.max_length, shuffled=True, swap=swap, seed=seed)
        validation, test = (self.windows(each, self.max_length) for each in (self.validation, self.test))
        set_seed(seed)
        model = build_next_action_model(self.folder, self.names, self.max_length)
        with tempfile.TemporaryDirectory() as room:
            arguments = NextActionTrainingArguments(
                output_dir=room, seed=seed, save_total_limit=1, save_only_model=True, disable_tqdm=True,
                dataloader_pin_memory=False, report_to=[], **settings,
            )  # fmt: skip
            trainer = build_next_action_trainer(model, tokenizer, train, validation, arguments)
            trainer.train()
            if keep is not None:
                trainer.model.save_pretrained(keep)
                tokenizer.save_pretrained(keep)
            return trainer.scores(validation), trainer.scores(test)


def _tokenized(files, tokenizer):
    return [tokenizer.tokenize_session(Path(file)) for file in files]


def _stored(folder, sites_out):
    """Returns (sessions, their sites) of all splits of a data set folder, without the sites that are out.

    A page's host is what a store calls a site, with or without a port.
    """
    sessions, sites = [], []
    for split in sorted({path.name.split("-")[0] for path in Path(folder).glob("*-of-*.arrow")}):
        store = SessionStore(folder, split)
        for i, site in enumerate(store.texts("site")):
            if site.partition(":")[0] not in sites_out:
                sessions.append(store[i])
                sites.append(site)
    return sessions, np.array(sites, dtype=object)


def _chosen_by_site(sites):
    """Returns which sessions choose, a list of `bool`: those of some sites, where there are two or more."""
    names, counts = np.unique(np.asarray(sites, dtype=str), return_counts=True)
    if len(names) < 2:
        return [i % 5 == 0 for i in range(len(sites))]
    order = np.argsort(np.abs(counts - np.median(counts)), kind="stable")  # sites of common size choose
    chosen = set(names[order[: max(1, round(CHOOSING_SHARE * len(names)))]].tolist())
    return [str(site) in chosen for site in sites]


def _widened(part, names):
    """Returns the scores of a fold with a column for each name of all folds."""
    places = [names.targets.index(target) for target in part["names"].targets]
    found = {}
    for method, pairs in part["scores"].items():
        found[method] = []
        for kinds, targets in pairs:
            wide = np.zeros((len(targets), len(names.targets)))
            wide[:, places] = targets
            found[method].append((kinds, wide))
    return found


def _figures(labels, scores):
    """Returns `{method: figures}` of the scores of one or more parts, means over seeds and their spread."""
    found = {}
    for method in scores[0]:
        by_seed = [
            action_figures(labels, *(np.concatenate([part[method][n][i] for part in scores]) for i in range(2)))
            for n in range(len(scores[0][method]))
        ]
        found[method] = _mean(by_seed)
        if len(by_seed) > 1:
            found[method]["spread"] = _mean(by_seed, np.std)
    return found


def _mean(rows, how=np.mean):
    return {
        part: {
            name: None if value is None else float(how([row[part][name] for row in rows]))
            for name, value in rows[0][part].items()
        }
        for part in rows[0]
    }
