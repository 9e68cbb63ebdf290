"""Models named by their hub id: found in the cache, or fetched into it when that is asked for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from meshfit.checking import check
from meshfit.errors import TargetError
from meshfit.readers import download
from meshfit.readers.download import download_config
from meshfit.readers.hub import HubId, cached_config, hub_id

CONFIG = (Path(__file__).parents[2] / "examples" / "llama-8b" / "config.json").read_bytes()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own."""
    for name in ("HF_HOME", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "hub"


def keep(cache: Path, name: str, reference: str = "main") -> Path:
    """Put a config where the hub's tools do."""
    folder = cache / f"models--{name.replace('/', '--')}"
    path = folder / "snapshots" / COMMIT / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONFIG)
    (folder / "refs" / reference).parent.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / reference).write_text(COMMIT)
    return path


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("org/model", HubId("org/model")),
        ("org/Model-3.1_8B@v1.0", HubId("org/Model-3.1_8B", "v1.0")),
        ("org/model@refs/pr/3", HubId("org/model", "refs/pr/3")),
        ("gpt2", HubId("gpt2")),
        ("a/b/c", None),
        ("./model", None),
        ("../model", None),
        ("org/../model", None),
        ("org/mo--del", None),
        ("org/model@../../x", None),
        ("org/model@", None),
        ("org/model:Class", None),
        ("org/mödel", None),
        ("", None),
    ],
)
def test_an_id_has_one_slash_and_leads_nowhere_else(text: str, model: HubId | None) -> None:
    """No path of a file system passes for an id that could climb out of the cache."""
    assert hub_id(text) == model


def test_a_cached_model_is_checked_by_its_id(cache: Path) -> None:
    """By branch, tag and commit; the bare name of an old model too."""
    path = keep(cache, "org/model")
    keep(cache, "org/model", "refs/pr/3")
    keep(cache, "gpt2")
    for target in ("org/model", f"org/model@{COMMIT}", "org/model@refs/pr/3", "gpt2"):
        assert check(target, {"tp_size": 16}).codes == ("TP002",), target
    assert check("org/model", {"tp_size": 16}).violations[0].origins[0].where == str(path)


def test_the_cache_is_where_the_hub_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, the home: the first that is set."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PLACE", str(tmp_path))
    expected = [keep(tmp_path / "home" / ".cache" / "huggingface" / "hub", "org/model")]
    for name, value in (
        ("XDG_CACHE_HOME", tmp_path / "xdg"),
        ("HF_HOME", "$PLACE/hf"),
        ("HUGGINGFACE_HUB_CACHE", "~/old"),
        ("HF_HUB_CACHE", tmp_path / "new"),
    ):
        folder = Path(str(value).replace("$PLACE", str(tmp_path)).replace("~", str(tmp_path / "home")))
        below = {"XDG_CACHE_HOME": "huggingface/hub", "HF_HOME": "hub"}.get(name, "")
        expected.append(keep(folder / below, "org/model"))
        monkeypatch.delenv("HF_HUB_CACHE", raising=False)
        monkeypatch.setenv(name, str(value))
        if name == "XDG_CACHE_HOME":
            monkeypatch.delenv(name)
            assert cached_config(HubId("org/model")) == expected[0]
            monkeypatch.setenv(name, str(value))
        assert cached_config(HubId("org/model")) == expected[-1]


@pytest.mark.torch
def test_the_hub_itself_finds_the_same_file(cache: Path) -> None:
    """Its own reader of the cache agrees."""
    from huggingface_hub import try_to_load_from_cache

    path = keep(cache, "org/model", "v1")
    found = try_to_load_from_cache("org/model", "config.json", cache_dir=cache, revision="v1")
    assert found == str(path) == str(cached_config(HubId("org/model", "v1")))


def test_a_model_that_was_not_fetched_says_what_to_run() -> None:
    """Both ways to fetch it; a wrong path of a config stays a wrong path."""
    with pytest.raises(TargetError, match=r"--download, or: hf download org/model config\.json --revision v1$"):
        check("org/model@v1", None)
    with pytest.raises(TargetError, match=r"models/config\.json does not exist"):
        check("models/config.json", None)


def test_what_lies_here_comes_before_the_cache(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same name is what the user sees."""
    keep(cache, "org/model")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "org" / "model"
    folder.mkdir(parents=True)
    with pytest.raises(TargetError, match="holds no config"):
        check("org/model", None)


# --- fetching


class Hub(NamedTuple):
    """A server that answers as the hub does, and what it was asked."""

    address: str
    answers: dict[str, tuple[int, dict[str, str], bytes]]
    asked: list[tuple[str, str | None]]


def serve() -> Iterator[Hub]:
    """A hub on this machine, with one model."""
    path = "/org/model/resolve/main/config.json"
    hub = Hub("", {path: (200, {"X-Repo-Commit": COMMIT}, CONFIG)}, [])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append((self.path, self.headers.get("Authorization")))
            status, headers, body = hub.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield hub._replace(address=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


other_hub = pytest.fixture(serve)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub that HF_ENDPOINT names."""
    for served in serve():
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        yield served


def test_a_config_is_fetched_into_the_cache(hub: Hub, cache: Path) -> None:
    """One request, of the config alone; the hub's layout; then the id is known."""
    path = download_config(HubId("org/model"))
    assert path == cache / "models--org--model" / "snapshots" / COMMIT / "config.json"
    assert hub.asked == [("/org/model/resolve/main/config.json", None)]
    assert cached_config(HubId("org/model")) == path
    assert check("org/model", {"tp_size": 16}).codes == ("TP002",)
    assert not [file for file in cache.rglob("*") if file.is_file() and file.name not in ("config.json", "main")]


def test_a_revision_is_fetched_under_its_name(hub: Hub) -> None:
    """Slashes in it are no folders of the address."""
    hub.answers["/org/model/resolve/refs%2Fpr%2F3/config.json"] = (200, {"X-Repo-Commit": COMMIT}, CONFIG)
    model = HubId("org/model", "refs/pr/3")
    assert download_config(model) == cached_config(model)
    assert cached_config(HubId("org/model")) is None


def test_a_token_goes_to_the_hub_and_nowhere_else(hub: Hub, other_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect within the hub takes it along, one to another server does not; the commit is the hub's."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.answers["/org/model/resolve/main/config.json"] = (307, {"Location": "/moved", "X-Repo-Commit": COMMIT}, b"")
    hub.answers["/moved"] = (302, {"Location": f"{other_hub.address}/file"}, b"")
    other_hub.answers["/file"] = (200, {}, CONFIG)
    assert download_config(HubId("org/model")).parent.name == COMMIT
    assert [token for _, token in hub.asked] == ["Bearer secret"] * 2
    assert other_hub.asked == [("/file", None)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, {}, b""), "404 Not Found; no revision 'main' of it has a config.json"),
        ((401, {}, b""), "401 Unauthorized; it does not exist, or set HF_TOKEN"),
        ((403, {}, b""), "403 Forbidden; it does not exist, or set HF_TOKEN"),
        ((503, {}, b""), "503 Service Unavailable; try again later"),
        ((200, {"X-Repo-Commit": COMMIT}, b"<html>"), "is no JSON object"),
        ((200, {"X-Repo-Commit": COMMIT}, b"[" * 100_000), "is no JSON object"),
        ((200, {}, CONFIG), "did not say of which commit"),
        ((200, {"X-Repo-Commit": "../../.."}, CONFIG), "did not say of which commit"),
        ((302, {"Location": "file:///etc/hostname"}, b""), "refuses org/model: 302"),
        ((302, {"Location": "/org/model/resolve/main/config.json"}, b""), "refuses org/model: 302"),
        ((200, {"X-Repo-Commit": COMMIT}, b" " * (download.MAX_BYTES + 1)), "sends more"),
    ],
)
def test_an_answer_that_is_no_config_leaves_the_cache_alone(
    hub: Hub, cache: Path, answer: tuple[int, dict[str, str], bytes], message: str
) -> None:
    """Each has its reason in one line."""
    hub.answers["/org/model/resolve/main/config.json"] = answer
    with pytest.raises(TargetError, match=message):
        download_config(HubId("org/model"))
    assert not cache.exists()


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_means_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Nobody is asked."""
    monkeypatch.setenv(variable, "1")
    with pytest.raises(TargetError, match=f"{variable} forbids"):
        download_config(HubId("org/model"))
    assert hub.asked == []


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "http://[", "http://nowhere.invalid:x"])
def test_a_server_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Whatever the reason."""
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(TargetError, match="cannot be reached"):
        download_config(HubId("org/model"))


def test_an_endpoint_is_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of this machine is read by it."""
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    with pytest.raises(TargetError, match="no address of a server"):
        download_config(HubId("org/model"))


def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience ends; here it is short."""
    monkeypatch.setattr(download, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TargetError, match="cannot be reached: timed out"):
            download_config(HubId("org/model"))


def test_a_cache_that_cannot_be_written_is_told(hub: Hub, cache: Path) -> None:
    """With the variable that names another."""
    cache.write_text("a file where a folder should be")
    with pytest.raises(TargetError, match=r"cannot be written.*HF_HUB_CACHE"):
        download_config(HubId("org/model"))
