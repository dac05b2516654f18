"""A folder to the Hub: one commit of what differs, made so that a second push does nothing and a broken one goes on.

Large files are uploaded first; the Hub keeps what arrived whole, so a push that was interrupted uploads only the rest.
Then one commit names all files at once: a reader sees the repository as it was or as the folder is, nothing between.
The commit names the one it was compared with. If somebody pushed meanwhile, the Hub refuses it, and the folder is
compared again.
"""

import hashlib
from dataclasses import dataclass, field

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from traceformers.apps.hub.folder_checks import pinned, said_bytes
from traceformers.apps.hub.folder_kind import privacy_of
from traceformers.apps.hub.hub_faults import CONFLICT, REFUSED, HubFault, is_conflict, retrying, status_of

COMPARED_AGAIN = 4  # times, when somebody else pushes at the same moment
READ = 1 << 20
#: Files that the Hub makes by itself.
OF_THE_HUB = (".gitattributes",)


@dataclass
class Plan:
    """What a push would do.

    Args:
        commit: of the repository, that the folder was compared with; None where the repository is not there.
        private: whether the repository is, or will be.
        new, changed: paths that go up. same: paths that are there already. gone: paths of the repository alone.
        tags: {tag: commit} of the repository.
    """

    commit: str | None
    private: bool
    new: list = field(default_factory=list)
    changed: list = field(default_factory=list)
    same: list = field(default_factory=list)
    gone: list = field(default_factory=list)
    tags: dict = field(default_factory=dict)

    @property
    def sent(self):
        """The paths that go up."""
        return sorted(self.new + self.changed)


@dataclass(frozen=True)
class Pushed:
    """What a push did: `url` of the repository, `commit` that holds the folder, whether it was `new`, and the tag."""

    url: str
    commit: str
    new: bool
    tag: str | None


def pinned_tag(folder):
    """Returns the revision that the code on the card loads, or None."""
    pin = pinned(folder.card()[1])
    return pin[1] if pin else None


def git_name(path):
    """Returns the SHA-1 by which git names a file of these bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    return _digested(path, digest)


def sha256_of(path):
    """Returns the SHA-256 of a file, by which the Hub names a large one."""
    return _digested(path, hashlib.sha256())


def _digested(path, digest):
    with open(path, "rb") as file:
        while part := file.read(READ):
            digest.update(part)
    return digest.hexdigest()


def is_same(path, remote):
    """Returns whether a file on this machine is the one the Hub tells of, by size and hash.

    Args:
        remote (`RepoFile`): as `HfApi.list_repo_tree` gives it.
    """
    if remote.lfs is not None:
        return path.stat().st_size == remote.lfs.size and sha256_of(path) == remote.lfs.sha256
    return path.stat().st_size == remote.size and git_name(path) == remote.blob_id


def remote_files(api, repository, repo_type, revision, note=None):
    """Returns {path: RepoFile} of a repository at a commit."""
    listed = retrying(
        lambda: list(api.list_repo_tree(repository, recursive=True, revision=revision, repo_type=repo_type)), note=note
    )
    return {one.path: one for one in listed if hasattr(one, "size")}


def plan_push(folder, repository, private=None, note=None):
    """Returns the `Plan` of a push; changes nothing.

    Args:
        folder (`HubFolder`).
        repository: "user/name".
        private: of a repository that is not there yet; None: what `privacy_of` says.

    Raises:
        HubFault: the repository is public and the folder should be private, unless `private` is False.
    """
    api = HfApi()
    wanted = privacy_of(folder)[0] if private is None else private
    try:
        info = retrying(api.repo_info, repository, repo_type=folder.repo_type, note=note)
    except RepositoryNotFoundError:
        return Plan(None, wanted, new=sorted(folder.files))
    if wanted and not info.private:
        raise HubFault(
            f"Expected a private repository for this folder ({privacy_of(folder)[1]}), {repository} is public. "
            "Push to another name, make it private in its settings, or say --public.",
            REFUSED,
        )
    remote = remote_files(api, repository, folder.repo_type, info.sha, note)
    refs = retrying(api.list_repo_refs, repository, repo_type=folder.repo_type, note=note)
    plan = Plan(info.sha, bool(info.private), tags={tag.name: tag.target_commit for tag in refs.tags})
    for name, path in folder.files.items():
        if name not in remote:
            plan.new.append(name)
        else:
            (plan.same if is_same(path, remote[name]) else plan.changed).append(name)
    plan.gone = sorted(set(remote) - set(folder.files) - set(OF_THE_HUB))
    return plan


def push(folder, repository, private=None, tag=None, delete=False, message=None, note=lambda line: None):
    """Returns what was `Pushed`.

    Args:
        folder (`HubFolder`): that was checked.
        repository: "user/name".
        private: of a repository made now; None: what `privacy_of` says. One that is there stays as it is.
        tag: of the commit; None: the revision that the card pins, where there is no such tag yet.
        delete: take out files that the folder does not have.
        message: of the commit.
        note (callable): is told of waits and of what was found, a line each.

    Raises:
        HubFault: no token, a public repository for a private folder, a tag that names another commit.
    """
    if get_token() is None:
        raise HubFault("Expected a token to push with, found none. Run: hf auth login (or set HF_TOKEN).", REFUSED)
    api, before = HfApi(), None
    for number in range(1, COMPARED_AGAIN + 1):
        plan = plan_push(folder, repository, private, note)
        if plan.commit is None:
            _create(api, folder, repository, plan, note)
            plan = plan_push(folder, repository, private, note)
        before = before or plan.commit
        if tag is not None and tag in plan.tags and (plan.sent or plan.tags[tag] != plan.commit):
            raise HubFault(
                f"Expected {tag} to be free or to name what is pushed, {repository} has it at "
                f"{plan.tags[tag][:8]}. Take another --tag.",
                CONFLICT,
            )
        try:
            commit = _commit(api, folder, repository, plan, delete, message, note)
            break
        except Exception as error:
            if not is_conflict(error) or number == COMPARED_AGAIN:
                raise
            note("somebody else pushed at the same moment; comparing again")
    name = tag or pinned_tag(folder)
    tagged = None
    if name is not None:
        tagged = _tag(api, folder, repository, plan, name, commit, note)
    url = f"{api.endpoint}/{'datasets/' if folder.repo_type == 'dataset' else ''}{repository}"
    return Pushed(url, commit, commit != before, tagged)


def _create(api, folder, repository, plan, note):
    try:
        retrying(
            api.create_repo,
            repository,
            private=plan.private,
            repo_type=folder.repo_type,
            exist_ok=True,
            note=note,
        )
    except RepositoryNotFoundError as error:  # how the client names a 401 here
        raise HubFault(
            f"Expected a token that may make {repository}, the Hub answered {status_of(error)}. Run: hf auth login",
            REFUSED,
        ) from error


def _commit(api, folder, repository, plan, delete, message, note):
    """Returns the commit that holds the folder: a new one, or the one there is when nothing differs."""
    gone = plan.gone if delete else []
    if plan.gone and not delete:
        note(f"only on the Hub, and kept: {', '.join(plan.gone[:5])}{' ...' if len(plan.gone) > 5 else ''}")
    if not plan.sent and not gone:
        return plan.commit
    additions = [CommitOperationAdd(name, str(folder.files[name])) for name in plan.sent]
    size = said_bytes(sum(folder.files[name].stat().st_size for name in plan.sent))
    note(f"sending {len(additions)} files, {size}")
    # The client tries uploads again by itself, so they are made outside of `retrying`; the commit it tries once.
    api.preupload_lfs_files(
        repository, additions, repo_type=folder.repo_type, revision="main", num_threads=4, free_memory=False
    )
    done = retrying(
        api.create_commit,
        repository,
        [*additions, *(CommitOperationDelete(name) for name in gone)],
        commit_message=message or f"Push of a {folder.kind}",
        repo_type=folder.repo_type,
        parent_commit=plan.commit,
        note=note,
    )
    return done.oid


def _tag(api, folder, repository, plan, name, commit, note):
    """Returns the tag that names the commit, made if it is free; None where it names another one."""
    held = plan.tags.get(name)
    if held is None:
        try:
            retrying(api.create_tag, repository, tag=name, revision=commit, repo_type=folder.repo_type, note=note)
        except Exception as error:
            if not is_conflict(error):
                raise
            refs = retrying(api.list_repo_refs, repository, repo_type=folder.repo_type, note=note)
            held = next((one.target_commit for one in refs.tags if one.name == name), None)
    if held not in (None, commit):
        note(
            f"the tag {name}, which the card pins, stays at {held[:8]}: "
            "write the card with another --revision and push again, or the code on it loads the older files"
        )
        return None
    return name
