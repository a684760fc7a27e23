"""A small server that speaks the part of the Hugging Face Hub's HTTP interface that its client needs for models.

    with LocalHub({"someone/model": folder}) as hub:
        hub.troubles["model.safetensors"] = Trouble(stall_after=1000)
        Downloads(cache, hub.url).start("someone/model")     # or HF_ENDPOINT=hub.url in a process of its own

As on the real Hub, weights and tokenizer.json lie in LFS: their ETag is the SHA-256, and asking for them redirects.
The tests of this repository run with HF_HUB_OFFLINE=1; inside their process monkeypatch `huggingface_hub.constants`.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

LISTING = "listing"  # stands for the list of a repository's files where a file's name is asked for
_PIECE = 1 << 14


@dataclass(kw_only=True)
class Trouble:
    """What goes wrong with the answers for one file, or for the listing.

    Attributes:
        status: answered instead of the content.
        headers: sent besides.
        body: sent instead of the content.
        stall_after: so many bytes of an answer are sent; then `reached` is set and `go_on` waited for.
        drop_after: so many bytes of an answer are sent; then the connection is cut.
        bytes_per_second: how fast the answer is sent at most.
        ignores_range: a part is asked for, the whole is sent.
        size: what the listing says of the file, whatever is true.
        times: how many answers it concerns; `None`: all.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stall_after: int | None = None
    drop_after: int | None = None
    bytes_per_second: int | None = None
    ignores_range: bool = False
    size: int | None = None
    times: int | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@dataclass(kw_only=True)
class Answer:
    """One line of the log.

    Attributes:
        method: GET or HEAD.
        file: a name, or `LISTING`.
        range: the part that was asked for.
        accepts: the encodings that were asked for.
        status: of the answer.
        sent: bytes of the body; grows while they are sent.
    """

    method: str
    file: str
    range: str | None
    accepts: str | None
    status: int = 0
    sent: int = 0


class LocalHub:
    """Serves folders as repositories on a free port of this machine, for the length of a `with` block.

    Attributes:
        repositories: folder by repository; read anew for each answer.
        troubles: by file name, or `LISTING`; may be changed at any time.
        log: every answer in the order of asking, redirects not counted; see `sent` and `ranges`.
    """

    def __init__(self, repositories: Mapping[str, Path]) -> None:
        """Bind a port; answers come inside the `with` block."""
        self.repositories = dict(repositories)
        self.troubles: dict[str, Trouble] = {}
        self.log: list[Answer] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start to answer."""
        # The loop looks every 20 ms whether it shall end; half a second by default.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go of everybody who waits, and stop."""
        self.closing.set()
        for trouble in self.troubles.values():
            trouble.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def sent(self, file: str) -> int:
        """Count the bytes of a file's content that were sent so far."""
        return sum(answer.sent for answer in self.log if answer.file == file and answer.status < 300)

    def ranges(self, file: str) -> list[str | None]:
        """Give the Range header of each request for a file's content, in order."""
        return [answer.range for answer in self.log if answer.file == file and answer.method == "GET"]

    def commit(self, repo_id: str) -> str:
        """Name the commit: another one as soon as any file differs."""
        marks = sorted((name, self.etag(repo_id, name)) for name in self.files(repo_id))
        return hashlib.sha1(repr(marks).encode()).hexdigest()

    def files(self, repo_id: str) -> dict[str, int]:
        """Give the size of each file by its name, sub-folders included."""
        folder = self.repositories[repo_id]
        return {
            path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
        }

    def etag(self, repo_id: str, file: str) -> str:
        """Name a file's content as the Hub does: SHA-256 in LFS, else git's SHA-1."""
        path = self.repositories[repo_id] / file
        return _checksum(path, path.stat().st_mtime_ns, is_in_lfs(file))

    def take_trouble(self, file: str) -> Trouble:
        """Give what goes wrong with this answer, and count it."""
        trouble = self.troubles.get(file)
        if trouble is None or trouble.times == 0:
            return Trouble()
        if trouble.times is not None:
            trouble.times -= 1
        return trouble


@cache
def _checksum(path: Path, changed: int, is_in_lfs: bool) -> str:
    content = path.read_bytes()
    return (hashlib.sha256(content) if is_in_lfs else hashlib.sha1(b"blob %d\0" % len(content) + content)).hexdigest()


def is_in_lfs(file: str) -> bool:
    """Say whether the Hub would keep a file in LFS."""
    return file.endswith((".safetensors", ".bin", ".model", ".onnx", "tokenizer.json"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: LocalHub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits 40 ms after its headers
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet; the log is a list."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.server.hub
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        is_api = parts[:2] == ["api", "models"]
        parts = parts[2:] if is_api else parts
        repo_id, kind, rest = "/".join(parts[:2]), "".join(parts[2:3]), parts[4:]
        if repo_id not in hub.repositories:
            self._refuse(401, "RepoNotFound")
        elif is_api:
            listing = self._tree(repo_id) if kind == "tree" else self._info(repo_id)
            self._send(LISTING, json.dumps(listing).encode(), {"Content-Type": "application/json"})
        elif (file := "/".join(rest)) not in hub.files(repo_id):
            self._refuse(404, "EntryNotFound")
        else:
            self._send_file(repo_id, file, is_redirected=kind == "cdn")

    def _info(self, repo_id: str) -> dict[str, Any]:
        files = [
            {"rfilename": file["path"], "size": file["size"], "blobId": file["oid"]}
            | ({"lfs": {**file["lfs"], "sha256": file["lfs"]["oid"]}} if "lfs" in file else {})
            for file in self._tree(repo_id)
        ]
        return {"id": repo_id, "modelId": repo_id, "sha": self.server.hub.commit(repo_id), "siblings": files}

    def _tree(self, repo_id: str) -> list[dict[str, Any]]:
        hub, entries = self.server.hub, []
        for file, true_size in hub.files(repo_id).items():
            trouble = hub.troubles.get(file)
            size = true_size if trouble is None or trouble.size is None else trouble.size
            entry: dict[str, Any] = {"type": "file", "path": file, "size": size, "oid": hub.etag(repo_id, file)}
            if is_in_lfs(file):
                entry |= {"oid": "0" * 40, "lfs": {"oid": entry["oid"], "size": size, "pointerSize": 134}}
            entries.append(entry)
        return entries

    def _send_file(self, repo_id: str, file: str, *, is_redirected: bool) -> None:
        hub = self.server.hub
        etag = hub.etag(repo_id, file)
        headers = {"X-Repo-Commit": hub.commit(repo_id), "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if is_in_lfs(file) and not is_redirected:
            linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(hub.files(repo_id)[file])}
            self._start(302, headers | linked | {"Location": f"/{repo_id}/cdn/main/{file}", "Content-Length": "0"})
        else:
            self._send(file, (hub.repositories[repo_id] / file).read_bytes(), headers)

    def _send(self, file: str, body: bytes, headers: dict[str, str]) -> None:
        accepts = self.headers.get("Accept-Encoding")
        answer = Answer(method=self.command, file=file, range=self.headers.get("Range"), accepts=accepts)
        self.server.hub.log.append(answer)
        trouble = self.server.hub.take_trouble(file)
        if trouble.status:
            answer.status = trouble.status
            self._refuse(trouble.status, headers=trouble.headers)
            return
        body, headers = body if trouble.body is None else trouble.body, headers | trouble.headers
        size, start, answer.status = len(body), 0, 200
        if answer.range and not trouble.ignores_range:
            start = int(answer.range.removeprefix("bytes=").rstrip("-"))
            if start >= size:
                answer.status = 416
                self._refuse(416, headers={"Content-Range": f"bytes */{size}"})
                return
            answer.status, headers["Content-Range"] = 206, f"bytes {start}-{size - 1}/{size}"
        self._start(answer.status, {"Content-Length": str(size - start)} | headers)
        if self.command == "GET":
            self._send_body(body[start:], answer, trouble)

    def _send_body(self, body: bytes, answer: Answer, trouble: Trouble) -> None:
        hub = self.server.hub
        stops = {place for place in (trouble.stall_after, trouble.drop_after) if place is not None and place <= len(body)}
        while answer.sent < len(body) or answer.sent in stops:
            if answer.sent == trouble.drop_after:
                self.close_connection = True
                return
            if answer.sent == trouble.stall_after:
                trouble.reached.set()
                trouble.go_on.wait()
                stops.discard(answer.sent)
                if hub.closing.is_set():
                    self.close_connection = True
                    return
                trouble.stall_after = None
            end = min([place for place in stops if place > answer.sent] + [answer.sent + _PIECE, len(body)])
            self.wfile.write(body[answer.sent : end])
            if trouble.bytes_per_second and hub.closing.wait((end - answer.sent) / trouble.bytes_per_second):
                self.close_connection = True
                return
            answer.sent = end

    def _refuse(self, status: int, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        self._start(status, {"Content-Length": "0"} | ({"X-Error-Code": code} if code else {}) | dict(headers or {}))

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
