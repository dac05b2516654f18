"""A Hub on the loopback interface: the REST calls huggingface_hub makes to create, push, tag and pull.

    with LoopbackHub() as hub:
        hub.url                  # the value for HF_ENDPOINT
        hub.files("user/repo")   # {path: bytes} of the newest commit
        hub.requests             # ["GET /api/models/user/repo", ...]

A client process must have `hub.environment(home)` in its environment before it imports huggingface_hub.
"""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

USER, WHEN = "user", "2026-01-01T00:00:00.000Z"
LARGE_FILE_BYTES = 100_000
LARGE_SUFFIXES = (".safetensors", ".bin", ".parquet", ".arrow", ".npy")


class HubError(Exception):
    """An answer other than 200; huggingface_hub makes its exception from `code`."""

    def __init__(self, status, code, headers=None):
        super().__init__(status, code)
        self.status, self.code, self.headers = status, code, headers or {}


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
        self.query = parse_qs(url.query)
        with self.hub.lock:
            self.hub.requests.append(f"{self.command} {url.path}")
            for commands, pattern, method in ROUTES:
                match = re.fullmatch(pattern, url.path) if self.command in commands else None
                if match:
                    parts = {name: part and unquote(part) for name, part in match.groupdict().items()}
                    try:
                        return method(self, body, **parts)
                    except HubError as error:
                        headers = {"X-Error-Code": error.code, **error.headers}
                        return self.answer({"error": error.code}, headers, status=error.status)
        self.answer({"error": "no such route"}, status=404)

    do_GET = do_HEAD = do_POST = do_PUT = answer_request

    def answer(self, content=b"", headers=None, status=200):
        headers = dict(headers or {})
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def find(self, kind, name, revision="main"):
        """Returns (repository, commit id); raises the HubError that the real Hub answers."""
        repository = self.hub.repositories.get(((kind or "models").strip("/").removesuffix("s"), name))
        if repository is None:
            raise HubError(404 if self.headers.get("Authorization") else 401, "RepoNotFound")
        commit = repository.resolve(revision or "main")
        if commit is None:
            raise HubError(404, "RevisionNotFound")
        return repository, commit

    def who_am_i(self, body):
        self.answer({"type": "user", "id": "1", "name": USER, "fullname": USER, "orgs": []})

    def create(self, body):
        asked = json.loads(body)
        kind, name = asked.get("type") or "model", f"{asked.get('organization') or USER}/{asked['name']}"
        exists = (kind, name) in self.hub.repositories
        repository = self.hub.repositories.setdefault((kind, name), Repository(name))
        if not exists:
            repository.private = bool(asked.get("private") or asked.get("visibility") == "private")
        url = f"{self.hub.url}/{'' if kind == 'model' else f'{kind}s/'}{name}"
        self.answer({"url": url, "name": name, "id": name}, status=409 if exists else 200)

    def choose_upload_mode(self, body, kind, name, revision):
        _, commit = self.find(kind, name, revision)
        files = json.loads(body)["files"]
        for file in files:
            large = file["size"] > LARGE_FILE_BYTES or file["path"].endswith(LARGE_SUFFIXES)
            file.update(uploadMode="lfs" if large else "regular", shouldIgnore=False)
        self.answer({"files": files, "commitOid": commit})

    def offer_large_uploads(self, body, kind, name):
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
        snapshot, title = dict(repository.commits[parent]), ""
        for line in map(json.loads, filter(None, body.split(b"\n"))):
            key, value = line["key"], line["value"]
            if key == "header":
                title = value["summary"]
                if value.get("parentCommit") not in (None, parent):
                    raise HubError(412, "PreconditionFailed")
            elif key == "file":
                data = base64.b64decode(value["content"])
                snapshot[value["path"]] = sha = hashlib.sha256(data).hexdigest()
                self.hub.blobs[sha] = data
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
                size = len(self.hub.blobs[sha])
                entry = {"type": "file", "path": file, "size": size, "oid": sha[:40]}
                if file in repository.large_files:
                    entry["lfs"] = {"oid": sha, "size": size, "pointerSize": 130}
                files.append(entry)
        oid = "0" * 40
        self.answer(files + [{"type": "directory", "path": name, "oid": oid} for name in sorted(folders)])

    def add_tag(self, body, kind, name, revision):
        repository, commit = self.find(kind, name, revision)
        repository.tags[json.loads(body)["tag"]] = commit
        self.answer({})

    def download(self, body, name, revision, path, kind=None):
        repository, commit = self.find(kind, name, revision)
        sha = repository.commits[commit].get(path)
        if sha is None:
            raise HubError(404, "EntryNotFound", {"X-Repo-Commit": commit})
        data = self.hub.blobs[sha]
        self.answer(data, {"X-Repo-Commit": commit, "ETag": f'"{sha}"', "X-Linked-Size": str(len(data))})


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
    (("POST",), rf"{API}/tag/{REVISION}", Handler.add_tag),
    (("GET", "HEAD"), rf"{GIT}/resolve/{REVISION}/(?P<path>.+)", Handler.download),
]
