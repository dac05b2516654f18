"""A saved model folder to the Hub, as it is: weights, tokenizer, code, what sentence-transformers needs, card."""

from huggingface_hub import HfApi


def push_folder(folder, repository, private=True, tag=None):
    """Uploads every file of `folder` to a model repository, made if missing; returns the address of the commit.

    Args:
        folder (path): a folder that loads as it is.
        repository (`str`): `user/name`, or a name under the user of the token.
        tag (`str`, *optional*): the revision that the card pins; a tag that is there already stays where it is.
        private (`bool`): of a repository made now. A model trained on recordings of people is private unless told.
    """
    api = HfApi()
    repository = api.create_repo(repository, private=private, exist_ok=True).repo_id
    commit = api.upload_folder(folder_path=str(folder), repo_id=repository, commit_message="Model, tokenizer and code")
    if tag is not None:
        api.create_tag(repository, tag=tag, revision=commit.oid, exist_ok=True)
    return commit.commit_url
