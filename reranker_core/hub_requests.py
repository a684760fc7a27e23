"""What is asked of the Hub about one repository: its files and their bytes; and what failed, in one sentence.

huggingface_hub's own HTTP client asks (its proxies, certificates, token and offline switch), by plain HTTP, which the Hub
speaks for every file. hf_xet is left out: a transfer by it (1.8) can be neither stopped in the middle nor gone on with.
Answers come through a thread, see `_from_a_thread`. huggingface_hub is imported when it is needed.
"""

import errno
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

from reranker_core.errors import ModelNotFoundError

MOMENT = 0.1  # seconds after which somebody who waits looks up
AGAIN = "Start it again, it goes on where it stopped."
_PASSING_STATUSES = (408, 500, 502, 503, 504)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as the Hub lists it.

    Attributes:
        name: at the top of the repository.
        size: bytes.
        etag: hexadecimal checksum that names its content in the cache: SHA-256 of what lies in LFS, else git's SHA-1.
    """

    name: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The newest commit, and the files at the top of it; those in sub-folders are left out."""

    commit: str
    files: tuple[RemoteFile, ...]


class HubRequests:
    """Asks one server about one repository."""

    def __init__(self, repo_id: str, *, endpoint: str | None = None, timeout: float | None = None) -> None:
        """Ask nothing yet.

        Args:
            repo_id: such as `BAAI/bge-reranker-v2-m3`.
            endpoint: a server other than the Hub, or than what HF_ENDPOINT says.
            timeout: seconds without a byte until a connection counts as broken; `None`: huggingface_hub's.
        """
        from huggingface_hub import constants

        self.repo_id = repo_id
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._timeout = timeout or constants.HF_HUB_DOWNLOAD_TIMEOUT

    def list_files(self) -> Generator[Listing | None]:
        """Yield the listing, and `None` for each moment before it.

        Raises:
            ModelNotFoundError: the answer is no listing. Errors of the HTTP client are raised as they come.
        """
        return _from_a_thread(self._list_files)

    def read(self, commit: str, file: RemoteFile, start: int) -> Generator[tuple[int, bytes] | None]:
        """Yield the bytes of a file from `start` on with the place of each piece, and `None` for each moment without.

        A server that gives no parts gives the whole, from place 0 on.

        Raises:
            ModelNotFoundError: the answer is not the file. Errors of the HTTP client are raised as they come.
        """
        return _from_a_thread(lambda: self._read(commit, file, start))

    def explain(self, error: Exception, *, cache: Path, is_under_way: bool) -> str:
        """Say in one sentence what failed and what to do."""
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

        model = self.repo_id
        if isinstance(error, OfflineModeIsEnabled):
            return explain_offline(model)
        if isinstance(error, GatedRepoError):
            return f"{model} asks for its licence to be accepted. Accept it on the model's page, then `hf auth login`."
        if isinstance(error, RepositoryNotFoundError):
            return f"The Hugging Face Hub has no model {model}. Check the spelling; a private one needs `hf auth login`."
        if isinstance(error, HfHubHTTPError):
            return f"{_explain_status(error.response.status_code, model)} {AGAIN}"
        reason = _first_line(error)
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):
            todo = "The disk is full: make room." if error.errno == errno.ENOSPC else "Check the folder and its rights."
            return f"{model} cannot be written to {cache} ({reason}). {todo} {AGAIN}"
        if is_under_way:
            return f"The connection broke off while {model} was coming ({reason}). {AGAIN}"
        return (
            f"{model} is not on this machine (no complete copy in {cache}), and {self.endpoint} cannot be reached "
            f"({reason}). Check the network and start it again, {_elsewhere(model)}."
        )

    def refuse_answer(self, reason: str) -> ModelNotFoundError:
        """Give the error for an answer that the Hub would not give, such as the page of a proxy."""
        return ModelNotFoundError(
            f"{self.endpoint} does not answer for {self.repo_id} as the Hugging Face Hub does ({reason}). Check "
            f"HF_ENDPOINT, the proxy, and whether this network asks for a login first. {AGAIN}"
        )

    def _list_files(self) -> Generator[Listing]:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint)
        try:
            info = api.model_info(self.repo_id, revision="main", files_metadata=True, timeout=self._timeout)
            listing = Listing(
                commit=_checked(info.sha, r"[0-9a-f]{40}"),
                files=tuple(
                    RemoteFile(
                        name=file.rfilename,
                        size=int(_checked(str(file.lfs.size if file.lfs else file.size), r"\d+")),
                        etag=_checked(file.lfs.sha256 if file.lfs else file.blob_id, r"[0-9a-f]{40}|[0-9a-f]{64}"),
                    )
                    for file in info.siblings or []
                    if file.rfilename == Path(file.rfilename).name
                ),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self.refuse_answer(f"{type(error).__name__}: {_first_line(error)}") from error
        yield listing

    def _read(self, commit: str, file: RemoteFile, start: int) -> Generator[tuple[int, bytes]]:
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, but not in __all__

        url = hf_hub_url(self.repo_id, file.name, revision=commit, endpoint=self.endpoint)
        headers = build_hf_headers() | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with get_session().stream("GET", url, headers=headers, timeout=self._timeout, follow_redirects=True) as response:
            if response.status_code != 416:  # the file ends before `start`
                hf_raise_for_status(response)
            if not _is_whole_or_rest(response.status_code, response.headers, start=start, size=file.size):
                raise self.refuse_answer(f"{file.name} should have {file.size:,} bytes and has not")
            place = start if response.status_code == 206 else 0
            for piece in response.iter_bytes():
                if place + len(piece) > file.size:
                    raise self.refuse_answer(f"{file.name} should have {file.size:,} bytes and has more")
                yield place, piece
                place += len(piece)


def is_offline() -> bool:
    """Say whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE was set when the program started."""
    from huggingface_hub import constants

    return constants.is_offline_mode()


def explain_offline(repo_id: str) -> str:
    """Say in one sentence why nothing is downloaded then."""
    return (
        f"{repo_id} is not on this machine, and as HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, the Hugging Face Hub "
        f"cannot be reached. Unset it and start the program again, {_elsewhere(repo_id)}."
    )


def _elsewhere(repo_id: str) -> str:
    return f"or download it with `hf download {repo_id}` where there is a network, or copy its folder here and choose it"


def client_error() -> type[Exception]:
    """Give the root of the HTTP client's errors: httpx's under huggingface_hub 1, httpx2's under 2."""
    from huggingface_hub.errors import HfHubHTTPError

    return HfHubHTTPError.__bases__[0]


def is_passing(error: Exception) -> bool:
    """Say whether another attempt in some seconds may do better."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _PASSING_STATUSES
    return isinstance(error, (client_error(), ConnectionError)) and not isinstance(error, OfflineModeIsEnabled)


def _explain_status(status: int, model: str) -> str:
    if status == 429:
        return "The Hugging Face Hub has had too many requests from here (HTTP 429). Wait some minutes."
    if status in (401, 403):
        return f"The Hugging Face Hub refuses {model} (HTTP {status}). Log in by `hf auth login` as one who may read it."
    if status >= 500:
        return f"The Hugging Face Hub has a fault of its own (HTTP {status}). Wait some minutes."
    return f"The Hugging Face Hub refuses {model} (HTTP {status}). See the model's page."


def _is_whole_or_rest(status: int, headers: Mapping[str, str], *, start: int, size: int) -> bool:
    """Say whether an answer claims to be the whole file, or its rest from `start` on.

    A whole without a length is not believed where a part is here already: it would be thrown away for what may be the
    login page of a network.
    """
    if status == 206:
        return re.fullmatch(rf"bytes {start}-\d+/{size}", headers.get("Content-Range", "")) is not None
    is_plain = headers.get("Content-Encoding", "identity") == "identity"
    length = headers.get("Content-Length") if is_plain else None
    return status == 200 and (length == str(size) or (length is None and start == 0))


def _checked(text: Any, pattern: str) -> str:
    """Give a text of the server that becomes part of a path, if it is what it should be."""
    if not isinstance(text, str) or not re.fullmatch(pattern, text):
        raise ValueError(f"{str(text)[:80]!r} in the list of files")
    return text


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None


def _from_a_thread(read: Callable[[], Generator[Item]]) -> Generator[Item | None]:
    """Yield what `read` yields in a thread of its own, and `None` each time that nothing has come for a moment.

    Nobody who asks is held up: a name that is looked up, a connection that is made and a server that says nothing cannot be
    interrupted, only left behind. A thread that is left ends by the timeout of its connection; all it does is read.
    """
    box: Queue[Item | _End] = Queue(maxsize=64)
    is_left = Event()

    def put(item: Item | _End) -> bool:
        while not is_left.is_set():
            try:
                box.put(item, timeout=MOMENT)
                return True
            except Full:
                continue
        return False

    def run() -> None:
        try:
            with closing(read()) as items:
                if all(put(item) for item in items):
                    put(_End(None))
        except Exception as error:  # raised again in the thread that asked
            put(_End(error))

    def answers() -> Iterator[Item | None]:
        Thread(target=run, daemon=True, name="asks the Hub").start()
        while True:
            try:
                item = box.get(timeout=MOMENT)
            except Empty:
                yield None
                continue
            if not isinstance(item, _End):
                yield item
            elif item.error is None:
                return
            else:
                raise item.error

    try:
        yield from answers()
    finally:
        is_left.set()
