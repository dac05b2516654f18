"""A Hub on the loopback interface: the REST calls huggingface_hub makes to create, push, tag, collect and pull.

    with LoopbackHub() as hub:
        hub.url                  # the value for HF_ENDPOINT
        hub.files("user/repo")   # {path: bytes} of the newest commit
        hub.requests             # ["GET /api/models/user/repo", ...]
        hub.put("user/repo", {path: bytes})  # a commit by somebody else
        with hub.failing("GET .*/resolve/.*", cut_after=1000):  # or status=503, headers={"Retry-After": "0"}
            ...                  # the first matching request breaks off after 1,000 bytes

A client process must have `hub.environment(home)` in its environment before it imports huggingface_hub. Of the tokens
in `TOKENS` one may write; any other is refused, none reads what is public. Names under `STRANGER` are somebody else's.
"""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

USER, STRANGER, WHEN = "user", "stranger", "2026-01-01T00:00:00.000Z"
TOKENS = {"hf_loopback": "write", "hf_reader": "read"}
LARGE_FILE_BYTES = 100_000
LARGE_SUFFIXES = (".safetensors", ".bin", ".parquet", ".arrow", ".npy")


class HubError(Exception):
    """An answer other than 200; huggingface_hub makes its exception from `code` and `message`."""

    def __init__(self, status, code=None, headers=None, message=None):
        super().__init__(status, code)
        self.status, self.code, self.message = status, code, message
        self.headers = {**({"X-Error-Code": code} if code else {}), **(headers or {})}
        if message:
            self.headers["X-Error-Message"] = message


@dataclass
class Fault:
    """What happens to the next `times` requests whose "COMMAND /path" matches; `after` of them go well before.

    Args:
        status: to answer with, and `headers`.
        cut_after: instead of an answer of its own, the right one breaks off after so many bytes of its body.
        before: is called first; without a `status`, the right answer comes then.
        met: how many requests it happened to.
    """

    pattern: str
    status: int | None = None
    headers: dict = field(default_factory=dict)
    cut_after: int | None = None
    before: object = None
    times: int = 1
    after: int = 0
    met: int = 0

    def strikes(self, request):
        """Returns whether it happens to this request."""
        if self.met >= self.times or not re.fullmatch(self.pattern, request):
            return False
        if self.after:
            self.after -= 1
            return False
        self.met += 1
        return True


def git_sha1(data):
    """Returns the name git gives to a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repository:
    """Commits are whole snapshots {path: sha256 of the bytes}; branches and tags name commits."""

    def __init__(self, name):
        self.name = name
        self.commits, self.branches, self.tags = {}, {}, {}
        self.large_files, self.private = set(), False
        self.commit({}, "initial commit")

    def commit(self, snapshot, title, branch="main"):
        identity = json.dumps([self.name, sorted(snapshot.items()), title, len(self.commits)])
        oid = hashlib.sha1(identity.encode()).hexdigest()
        self.commits[oid] = dict(snapshot)
        self.branches[branch] = oid
        return oid

    def resolve(self, revision):
        """Returns the commit that a branch, tag or commit id names, or None."""
        known = self.branches.get(revision) or self.tags.get(revision)
        return known or (revision if revision in self.commits else None)


class LoopbackHub:
    """The server; a context manager. One lock: requests are answered one at a time."""

    def __init__(self, port=0):
        self.repositories, self.blobs, self.requests = {}, {}, []
        self.collections, self.faults, self.ranges = {}, [], []
        self.lock = threading.RLock()
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def environment(self, home):
        """Returns the environment variables of a client; `home` is an empty folder for its cache."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": "hf_loopback",
            "HF_HUB_DISABLE_XET": "1",  # the xet protocol asks for routes that only the real Hub has
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
        }

    @contextmanager
    def failing(self, pattern, **settings):
        """Inside, the `Fault` of these settings, which is given, can happen."""
        fault = Fault(pattern, **settings)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            self.faults.remove(fault)

    def put(self, name, files, kind="model"):
        """Commits {path: bytes} on top of what a repository has; makes it if missing."""
        with self.lock:
            repository = self.repositories.setdefault((kind, name), Repository(name))
            snapshot = dict(repository.commits[repository.branches["main"]])
            for path, data in files.items():
                snapshot[path] = sha = hashlib.sha256(data).hexdigest()
                self.blobs[sha] = data
                is_large = len(data) > LARGE_FILE_BYTES or path.endswith(LARGE_SUFFIXES)
                (repository.large_files.add if is_large else repository.large_files.discard)(path)
            return repository.commit(snapshot, "by somebody else")

    def files(self, name, kind="model", revision="main"):
        """Returns {path: bytes} of a repository at a revision."""
        repository = self.repositories[kind, name]
        snapshot = repository.commits[repository.resolve(revision)]
        return {path: self.blobs[sha] for path, sha in snapshot.items()}


class Handler(BaseHTTPRequestHandler):
    """One request: calls the method of its route with the body and the named parts of the path."""

    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *_):
        """Says nothing."""

    def answer_request(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.query, self.cut_after = parse_qs(url.query), None
        with self.hub.lock:
            request = f"{self.command} {url.path}"
            self.hub.requests.append(request)
            fault = next((fault for fault in self.hub.faults if fault.strikes(request)), None)
            if fault is not None and fault.before is not None:
                fault.before()
            if fault is not None and fault.status is not None:
                return self.answer({"error": "a fault"}, fault.headers, status=fault.status)
            self.cut_after = fault and fault.cut_after
            for commands, pattern, method in ROUTES:
                match = re.fullmatch(pattern, url.path) if self.command in commands else None
                if match:
                    parts = {name: part and unquote(part) for name, part in match.groupdict().items()}
                    try:
                        return method(self, body, **parts)
                    except HubError as error:
                        message = {"error": error.message or error.code}
                        return self.answer(message, error.headers, status=error.status)
        self.answer({"error": "no such route"}, status=404)

    do_GET = do_HEAD = do_POST = do_PUT = answer_request

    def answer(self, content=b"", headers=None, status=200):
        headers = dict(headers or {})
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        if self.cut_after == 0:  # not even a status
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: self.cut_after])
            if self.cut_after is not None:
                self.close_connection = True

    def role(self):
        """Returns "write", "read" or, without a token, None; another token is refused."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in TOKENS:
            raise HubError(401, message="Invalid credentials in Authorization header")
        return TOKENS.get(token)

    def may_write(self, name):
        """Raises what a client without the right to write gets."""
        role = self.role()
        if role is None:
            raise HubError(401, message="Invalid username or password.")
        if role != "write" or name.startswith(f"{STRANGER}/"):
            raise HubError(403, message="You don't have the rights to write there")

    def find(self, kind, name, revision="main"):
        """Returns (repository, commit id); raises the HubError that the real Hub answers."""
        repository, role = (
            self.hub.repositories.get(((kind or "models").strip("/").removesuffix("s"), name)),
            self.role(),
        )
        if repository is None or (repository.private and role is None):
            raise HubError(404 if role else 401, "RepoNotFound")
        commit = repository.resolve(revision or "main")
        if commit is None:
            raise HubError(404, "RevisionNotFound")
        return repository, commit

    def who_am_i(self, body):
        if self.role() is None:
            raise HubError(401, message="Invalid username or password.")
        self.answer({"type": "user", "id": "1", "name": USER, "fullname": USER, "orgs": []})

    def create(self, body):
        asked = json.loads(body)
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or USER}/{asked['name']}"
        self.may_write(name)
        exists = (kind, name) in self.hub.repositories
        repository = self.hub.repositories.setdefault((kind, name), Repository(name))
        if not exists:
            repository.private = bool(asked.get("private") or asked.get("visibility") == "private")
        url = f"{self.hub.url}/{'' if kind == 'model' else f'{kind}s/'}{name}"
        self.answer({"url": url, "name": name, "id": name}, status=409 if exists else 200)

    def choose_upload_mode(self, body, kind, name, revision):
        repository, commit = self.find(kind, name, revision)
        self.may_write(name)
        files = json.loads(body)["files"]
        for file in files:
            large = file["size"] > LARGE_FILE_BYTES or file["path"].endswith(LARGE_SUFFIXES)
            file.update(uploadMode="lfs" if large else "regular", shouldIgnore=False)
            held = repository.commits[commit].get(file["path"])
            if held:
                file["oid"] = held if file["path"] in repository.large_files else git_sha1(self.hub.blobs[held])
        self.answer({"files": files, "commitOid": commit})

    def offer_large_uploads(self, body, kind, name):
        self.may_write(name)
        objects = json.loads(body)["objects"]
        for wanted in objects:
            if wanted["oid"] not in self.hub.blobs:  # without "actions" the client knows that we have it
                wanted["actions"] = {"upload": {"href": f"{self.hub.url}/_lfs/{wanted['oid']}", "header": {}}}
        self.answer({"transfer": "basic", "objects": objects})

    def take_large_file(self, body, oid):
        if hashlib.sha256(body).hexdigest() != oid:
            raise HubError(400, "BadHash")
        self.hub.blobs[oid] = body
        self.answer()

    def commit(self, body, kind, name, revision):
        repository, parent = self.find(kind, name, revision)
        self.may_write(name)
        snapshot, title = dict(repository.commits[parent]), ""
        for line in map(json.loads, filter(None, body.split(b"\n"))):
            key, value = line["key"], line["value"]
            if key == "header":
                title = value["summary"]
                if value.get("parentCommit") not in (None, parent):
                    raise HubError(412, message="A commit has happened since. Please refresh and try again.")
            elif key == "file":
                data = base64.b64decode(value["content"])
                snapshot[value["path"]] = sha = hashlib.sha256(data).hexdigest()
                self.hub.blobs[sha] = data
                repository.large_files.discard(value["path"])
            elif key == "lfsFile":
                snapshot[value["path"]] = value["oid"]
                repository.large_files.add(value["path"])
            elif key in ("deletedFile", "deletedFolder"):
                gone = value["path"].rstrip("/") + "/"
                snapshot = {p: sha for p, sha in snapshot.items() if not f"{p}/".startswith(gone)}
        commit = repository.commit(snapshot, title, revision if revision in repository.branches else "main")
        url = f"{self.hub.url}/{name}/commit/{commit}"
        self.answer({"success": True, "commitOid": commit, "commitUrl": url})

    def describe(self, body, kind, name, revision=None):
        repository, commit = self.find(kind, name, revision)
        files = sorted(repository.commits[commit].items())
        siblings = [{"rfilename": path, "size": len(self.hub.blobs[sha])} for path, sha in files]
        private = repository.private
        self.answer({"id": name, "sha": commit, "siblings": siblings, "private": private, "lastModified": WHEN})

    def entry(self, repository, path, sha):
        """Returns what the Hub tells of a file: git's name of it, or of the pointer that stands for a large one."""
        data = self.hub.blobs[sha]
        told = {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data)}
        if path in repository.large_files:
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {len(data)}\n".encode()
            told |= {"oid": git_sha1(pointer), "lfs": {"oid": sha, "size": len(data), "pointerSize": len(pointer)}}
        return told

    def list_tree(self, body, kind, name, revision, path=None):
        repository, commit = self.find(kind, name, revision)
        base, files, folders = f"{path}/" if path else "", [], set()
        recursive = self.query.get("recursive", [""])[0].lower() in ("true", "1")
        for file, sha in sorted(repository.commits[commit].items()):
            rest = file.removeprefix(base)
            if not file.startswith(base):
                continue
            if "/" in rest:
                folders.add(base + rest.split("/")[0])
            if recursive or "/" not in rest:
                files.append(self.entry(repository, file, sha))
        if path and not files and not folders:
            raise HubError(404, "EntryNotFound", {"X-Repo-Commit": commit})
        oid = "0" * 40
        self.answer(files + [{"type": "directory", "path": name, "oid": oid} for name in sorted(folders)])

    def describe_paths(self, body, kind, name, revision):
        repository, commit = self.find(kind, name, revision)
        asked = json.loads(body) if body.startswith(b"{") else parse_qs(body.decode())
        snapshot, answers = repository.commits[commit], []
        for path in asked["paths"]:
            if path in snapshot:
                answers.append(self.entry(repository, path, snapshot[path]))
            elif any(file.startswith(f"{path}/") for file in snapshot):
                answers.append({"type": "directory", "path": path, "oid": "0" * 40})
        self.answer(answers)

    def list_refs(self, body, kind, name):
        repository, _ = self.find(kind, name)
        told = {
            plural: [{"name": ref, "ref": f"refs/{short}/{ref}", "targetCommit": oid} for ref, oid in refs.items()]
            for plural, short, refs in (
                ("branches", "heads", repository.branches),
                ("tags", "tags", repository.tags),
            )
        }
        self.answer({**told, "converts": []})

    def add_tag(self, body, kind, name, revision):
        repository, commit = self.find(kind, name, revision)
        self.may_write(name)
        tag = json.loads(body)["tag"]
        if tag in repository.tags:
            raise HubError(409, message="Tag reference exists already")
        repository.tags[tag] = commit
        self.answer({})

    def make_collection(self, body):
        asked = json.loads(body)
        self.may_write(f"{asked['namespace']}/")
        slug = f"{asked['namespace']}/{re.sub(r'[^a-z0-9]+', '-', asked['title'].lower())}-0123456789abcdef01234567"
        if slug in self.hub.collections:
            return self.answer({"error": "exists", "slug": slug}, status=409)
        facts = {"slug": slug, "owner": {"name": USER}, "items": [], "lastUpdated": WHEN, "position": 0}
        self.hub.collections[slug] = {**facts, "theme": "blue", "upvotes": 0, "description": None, **asked}
        self.answer(self.hub.collections[slug])

    def show_collection(self, body, slug):
        if slug not in self.hub.collections:
            raise HubError(404, message="Collection not found")
        self.answer(self.hub.collections[slug])

    def collect(self, body, slug):
        self.may_write(slug)
        item, held = json.loads(body)["item"], self.hub.collections[slug]["items"]
        self.find(f"{item['type']}s", item["id"])
        if any((one["id"], one["type"]) == (item["id"], item["type"]) for one in held):
            raise HubError(409, message="Item exists already")
        held.append({"_id": str(len(held)), "position": len(held), "repoType": item["type"], **item})
        self.answer(self.hub.collections[slug])

    def download(self, body, name, revision, path, kind=None):
        repository, commit = self.find(kind, name, revision)
        sha = repository.commits[commit].get(path)
        if sha is None:
            raise HubError(404, "EntryNotFound", {"X-Repo-Commit": commit})
        data, is_large = self.hub.blobs[sha], path in repository.large_files
        etag = sha if is_large else git_sha1(data)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "X-Linked-Size": str(len(data))}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if asked is None:
            return self.answer(data, headers)
        self.hub.ranges.append(asked[0])
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        if first >= len(data):
            return self.answer(b"", {"Content-Range": f"bytes */{len(data)}"}, status=416)
        self.answer(
            data[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(data)}"}, status=206
        )


NAME, REVISION = r"(?P<name>[^/]+/[^/]+)", r"(?P<revision>[^/]+)"
API = rf"/api/(?P<kind>models|datasets|spaces)/{NAME}"
GIT = rf"/(?P<kind>datasets/|spaces/)?{NAME}"
ROUTES = [
    (("GET",), r"/api/whoami-v2", Handler.who_am_i),
    (("POST",), r"/api/repos/create", Handler.create),
    (("POST",), r"/api/validate-yaml", lambda handler, body: handler.answer({})),
    (("POST",), rf"{API}/preupload/{REVISION}", Handler.choose_upload_mode),
    (("POST",), rf"{GIT}\.git/info/lfs/objects/batch", Handler.offer_large_uploads),
    (("PUT",), r"/_lfs/(?P<oid>\w{64})", Handler.take_large_file),
    (("POST",), rf"{API}/commit/{REVISION}", Handler.commit),
    (("GET",), rf"{API}(/revision/{REVISION})?", Handler.describe),
    (("GET",), rf"{API}/tree/{REVISION}(/(?P<path>.+))?", Handler.list_tree),
    (("POST",), rf"{API}/paths-info/{REVISION}", Handler.describe_paths),
    (("GET",), rf"{API}/refs", Handler.list_refs),
    (("POST",), rf"{API}/tag/{REVISION}", Handler.add_tag),
    (("POST",), r"/api/collections", Handler.make_collection),
    (("GET",), r"/api/collections/(?P<slug>[^/]+/[^/]+)", Handler.show_collection),
    (("POST",), r"/api/collections/(?P<slug>[^/]+/[^/]+)/items", Handler.collect),
    (("GET", "HEAD"), rf"{GIT}/resolve/{REVISION}/(?P<path>.+)", Handler.download),
]
