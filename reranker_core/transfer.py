"""Files of a repository on the Hub, brought into the Hugging Face cache; a broken transfer goes on where it ended.

huggingface_hub itself starts anew: `_download_to_tmp_and_move` (1.31 and 2.4) writes each attempt to a file with a random
name and deletes it when the attempt fails. So files are laid into the documented layout of its cache here, under its lock
for each of them. What has come of a file lies in `blobs/<etag>.incomplete` and stays there, even if the process is killed.
"""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reranker_core.errors import ModelNotFoundError
from reranker_core.hub_requests import AGAIN, MOMENT, HubRequests, Listing, RemoteFile, client_error, is_passing

_READ_BYTES = 1 << 20

OnProgress = Callable[[int, int | None], None]
"""Takes the bytes that are here, and all that are needed (`None` until the Hub has said it).

It is called several times a second, also while nothing comes; what it raises ends the transfer and is raised.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How much trouble on the line is borne before a transfer fails.

    Attributes:
        timeout: seconds without a byte until a connection counts as broken; `None`: huggingface_hub's 10 s, or what
            HF_HUB_DOWNLOAD_TIMEOUT says.
        attempts: how many connections in a row may break without a new byte.
        pause: seconds before the second of them; doubles each time.
    """

    timeout: float | None = None
    attempts: int = 6
    pause: float = 1.0


class Transfer:
    """One repository on its way into the cache: `list_files`, `fetch`, then `set_main`."""

    def __init__(
        self,
        repo_id: str,
        *,
        on_progress: OnProgress,
        cache_dir: str | Path | None = None,
        endpoint: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Name what is fetched, from where and to where; nothing is asked yet.

        Args:
            repo_id: such as `BAAI/bge-reranker-v2-m3`.
            on_progress: watches, and can end it.
            cache_dir: a cache other than Hugging Face's own.
            endpoint: a server other than the Hub, or than what HF_ENDPOINT says.
            patience: with a bad line.
        """
        from huggingface_hub import constants

        self._patience = patience or Patience()
        self._hub = HubRequests(repo_id, endpoint=endpoint, timeout=self._patience.timeout)
        self._on_progress = on_progress
        self._cache = Path(cache_dir or constants.HF_HUB_CACHE).expanduser().absolute()
        self._folder = self._cache / f"models--{repo_id.replace('/', '--')}"
        self._here: dict[str, int] = {}
        self._total: int | None = None

    def list_files(self) -> Listing:
        """Ask the Hub for the newest commit and its files.

        Raises:
            ModelNotFoundError: one sentence on why there is no such list, and what to do.
        """
        with self._in_sentences(), closing(self._hub.list_files()) as answers:
            for listing in answers:
                self._tick()
                if listing is not None:
                    return listing
        raise self._hub.refuse_answer("nothing came")

    def fetch(self, commit: str, files: Iterable[RemoteFile]) -> Path:
        """Bring files into the cache, small ones first, and give the folder of the commit, where all of them lie then.

        Raises:
            ModelNotFoundError: one sentence on what went wrong and what to do. What has come stays.
        """
        files, snapshot = sorted(files, key=lambda file: file.size), self._folder / "snapshots" / commit
        with self._in_sentences():
            self._here = {file.name: self._bytes_here(snapshot, file) for file in files}
            self._total = sum(file.size for file in files)
            self._tick()
            self._check_space(self._total - sum(self._here.values()))
            for file in files:
                self._fetch(snapshot, file)
        return snapshot

    def set_main(self, commit: str) -> None:
        """Make a commit the one that is found in the cache."""
        with self._in_sentences():
            reference = self._folder / "refs" / "main"
            reference.parent.mkdir(parents=True, exist_ok=True)
            draft = reference.with_name(f"main.{uuid.uuid4().hex}.tmp")
            draft.write_text(commit, encoding="utf-8")
            draft.replace(reference)

    def _tick(self) -> None:
        self._on_progress(sum(self._here.values()), self._total)

    @contextmanager
    def _in_sentences(self) -> Iterator[None]:
        try:
            yield
        except (client_error(), OSError) as error:
            sentence = self._hub.explain(error, cache=self._cache, is_under_way=self._total is not None)
            raise ModelNotFoundError(sentence) from error

    def _check_space(self, needed: int) -> None:
        place = next(folder for folder in (self._folder, *self._folder.parents) if folder.is_dir())
        if needed > (free := shutil.disk_usage(place).free):
            raise ModelNotFoundError(
                f"{self._hub.repo_id} needs {needed:,} more bytes in {self._cache}, and {free:,} are free there. Make "
                f"room, or set HF_HUB_CACHE to a folder on a larger disk. {AGAIN}"
            )

    def _blob(self, file: RemoteFile) -> Path:
        return self._folder / "blobs" / file.etag

    def _part(self, file: RemoteFile) -> Path:
        return self._folder / "blobs" / f"{file.etag}.incomplete"

    def _bytes_here(self, snapshot: Path, file: RemoteFile) -> int:
        if file.size in (_size(snapshot / file.name), _size(self._blob(file))):
            return file.size
        part = _size(self._part(file)) or 0
        return part if part <= file.size else 0

    def _fetch(self, snapshot: Path, file: RemoteFile) -> None:
        pointer, blob = snapshot / file.name, self._blob(file)
        for folder in (pointer.parent, blob.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with self._sole_writer(snapshot, file):
            if _size(blob) != file.size and _size(pointer) != file.size:
                self._complete(snapshot.name, file)
            if _size(pointer) != file.size:  # else whoever had the lock has done it, and may be reading
                _point(pointer, blob)
        self._here[file.name] = file.size
        self._tick()

    @contextmanager
    def _sole_writer(self, snapshot: Path, file: RemoteFile) -> Iterator[None]:
        """Hold the lock that huggingface_hub takes for the same file; while another has it, show what comes there."""
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # public, but not in __all__

        lock = self._cache / ".locks" / self._folder.name / f"{file.etag}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(WeakFileLock(lock, timeout=MOMENT))
                    break
                except TimeoutError:
                    self._here[file.name] = self._bytes_here(snapshot, file)
                    self._tick()
            yield

    def _complete(self, commit: str, file: RemoteFile) -> None:
        """Append what lacks, connection by connection, and put the whole in its place if its checksum is right."""
        with closing(_Part(self._part(file), file)) as part:
            for _ in part.read_back():
                self._tick()
            furthest, failures = part.size, 0
            while part.size < file.size:
                try:
                    self._append(commit, file, part)
                except (client_error(), ConnectionError) as error:
                    furthest, failures = (part.size, 1) if part.size > furthest else (furthest, failures + 1)
                    if not is_passing(error) or failures >= self._patience.attempts:
                        raise
                    self._pause(self._patience.pause * 2 ** (failures - 1))
            if not part.is_right():
                part.restart()
                raise ModelNotFoundError(
                    f"{file.name} of {self._hub.repo_id} came damaged: its checksum is not the one that the Hub names, so "
                    "it was thrown away. Start it again; the other files are here."
                )
        self._part(file).replace(self._blob(file))

    def _append(self, commit: str, file: RemoteFile, part: "_Part") -> None:
        """Append what one connection gives.

        Raises:
            ConnectionError: it ended before the end of the file. Errors of the HTTP client are raised as they come.
        """
        with closing(self._hub.read(commit, file, part.size)) as pieces:
            for item in pieces:
                if item is not None:
                    place, piece = item
                    if place == 0:
                        part.restart()
                    part.append(piece)
                    self._here[file.name] = part.size
                self._tick()
        if part.size < file.size:
            raise ConnectionError("the answer ended early")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._tick()
            time.sleep(min(MOMENT, left))


class _Part:
    """What has come of a file: its bytes on disk, and their checksum."""

    def __init__(self, path: Path, file: RemoteFile) -> None:
        self._file = file
        self._stream = path.open("a+b")
        self.size = 0
        self._start_checksum()

    def close(self) -> None:
        self._stream.close()

    def read_back(self) -> Iterator[None]:
        """Take up what is on disk already; yields after each piece, as a large file takes seconds."""
        if os.fstat(self._stream.fileno()).st_size > self._file.size:
            self.restart()
        self._stream.seek(0)
        while piece := self._stream.read(_READ_BYTES):
            self._count(piece)
            yield

    def append(self, piece: bytes) -> None:
        """Add bytes; they are the system's when this returns, and stay if the process is killed."""
        self._stream.write(piece)
        self._stream.flush()
        self._count(piece)

    def restart(self) -> None:
        """Throw away what is here."""
        self._stream.truncate(0)
        self.size = 0
        self._start_checksum()

    def is_right(self) -> bool:
        """Say whether all of it is the content that the Hub names."""
        return self._checksum.hexdigest() == self._file.etag

    def _count(self, piece: bytes) -> None:
        self.size += len(piece)
        self._checksum.update(piece)

    def _start_checksum(self) -> None:
        is_git = len(self._file.etag) == 40
        self._checksum = hashlib.sha1(b"blob %d\0" % self._file.size) if is_git else hashlib.sha256()


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _point(pointer: Path, blob: Path) -> None:
    """Let a name in a snapshot stand for a blob; where there are no symbolic links, move it there, as the Hub's client."""
    pointer.unlink(missing_ok=True)
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        blob.replace(pointer)
