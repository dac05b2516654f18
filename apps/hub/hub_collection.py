"""A collection on the Hub: repositories under one heading, for example one of each family."""

from huggingface_hub import HfApi, get_token

from traceformers.apps.hub.hub_faults import REFUSED, HubFault, retrying
from traceformers.apps.hub.hub_pull import find_repository


def collect(title, repositories, description=None, private=True, note=None):
    """Returns the address of the collection of this title, made if missing, with the repositories in it.

    Args:
        title: of the collection, under the user of the token.
        repositories: ["user/name", ...]: models or data sets; those that are in it already stay.
        private: of a collection made now.
    """
    if get_token() is None:
        raise HubFault("Expected a token, found none. Run: hf auth login (or set HF_TOKEN).", REFUSED)
    api = HfApi()
    kinds = [find_repository(api, repository, note=note)[1] for repository in repositories]
    made = retrying(api.create_collection, title, description=description, private=private, exists_ok=True, note=note)
    for repository, kind in zip(repositories, kinds, strict=True):
        retrying(api.add_collection_item, made.slug, item_id=repository, item_type=kind, exists_ok=True, note=note)
    return made.url
