"""Servers on this machine that misbehave as real ones do, and two that answer as the Hugging Face Hub does."""

import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse

CONTENT = bytes(range(256)) * 20_000  # 5.12 MB: more than one chunk


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under any path, and notes the requests as (method, path, Range)."""

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests = []
        self.content, self.ranges, self.status, self.cuts, self.length = CONTENT, True, 200, [], True


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server, range_ = self.server, self.headers.get("Range")
        server.requests.append((self.command, self.path, range_))
        start = int(range_.removeprefix("bytes=").removesuffix("-")) if range_ and server.ranges else 0
        size = len(server.content)
        if start >= size:
            self.send_error(416)
            return
        self.send_response(206 if start else server.status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if server.length:
            self.send_header("Content-Length", str(size - start))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else size
        self.wfile.write(server.content[start:cut])
        self.close_connection = True


class Hub(Handler):
    """As the hub: the page of a file names commit, size and SHA-256, and sends on to where the file lies."""

    COMMIT = "0123456789abcdef0123456789abcdef01234567"

    def do_HEAD(self):
        server = self.server
        server.requests.append((self.command, self.path, None))
        if "/resolve/" not in self.path or server.status != 200:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{server.server_port}/file")  # another host: not followed
        self.send_header("X-Repo-Commit", self.COMMIT)
        self.send_header("X-Linked-Size", str(len(server.content)))
        self.send_header("X-Linked-ETag", f'"{server.etag}"')
        self.send_header("Content-Length", "0")
        return self.end_headers()


class Repositories(Handler):
    """As the hub, with repositories: `server.repositories[name][revision]` has the files, bytes by their paths.

    `server.sha256` and `server.git` replace the checksums of the files that are stored as large, and of the others.
    """

    LARGE = 5_000  # bytes

    def do_HEAD(self):
        name, commit, file = self._resolved()
        self.server.requests.append((self.command, self.path, None))
        content = self._files(name, commit)[file]
        is_large = len(content) >= self.LARGE
        self.send_response(302 if is_large else 200)
        if is_large:
            self.send_header("Location", f"http://localhost:{self.server.server_port}{self.path}")
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        else:
            self.send_header("ETag", f'"{git_id(content)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", "0" if is_large else str(len(content)))
        self.end_headers()

    def do_GET(self):
        if not self.path.startswith("/api/models/"):
            name, commit, file = self._resolved()
            self.server.content = self._files(name, commit)[file]
            return super().do_GET()
        self.server.requests.append((self.command, self.path, None))
        path = urllib.parse.urlparse(self.path).path.removeprefix("/api/models/")
        name, _, revision = path.partition("/revision/")
        return self._describe(name, urllib.parse.unquote(revision) or "main")

    def _resolved(self):
        name, _, rest = self.path.strip("/").partition("/resolve/")
        commit, _, file = rest.partition("/")
        return name, commit, urllib.parse.unquote(file)

    def _files(self, name, commit):
        return next(files for files in self.server.repositories[name].values() if commit_of(files) == commit)

    def _describe(self, name, revision):
        revisions = self.server.repositories.get(name)
        by_commit = {commit_of(files): files for files in (revisions or {}).values()}
        files = {**(revisions or {}), **by_commit}.get(revision)
        if files is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound" if revisions is None else "RevisionNotFound")
            body = b"{}"
        else:
            siblings = [self._sibling(file, content) for file, content in files.items()]
            body = json.dumps({"id": name, "sha": commit_of(files), "siblings": siblings}).encode()
            self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _sibling(self, file, content):
        sibling = {"rfilename": file, "size": len(content), "blobId": self.server.git or git_id(content)}
        if len(content) >= self.LARGE:
            digits = self.server.sha256 or hashlib.sha256(content).hexdigest()
            sibling["lfs"] = {"sha256": digits, "size": len(content), "pointerSize": 130}
        return sibling


def git_id(content):
    """As `git hash-object` computes it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def commit_of(files):
    """A commit for these files."""
    return hashlib.sha1(repr(sorted((name, hashlib.sha1(files[name]).digest()) for name in files)).encode()).hexdigest()


@contextlib.contextmanager
def serve(handler):
    with Server(handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
