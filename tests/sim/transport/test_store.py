"""LLMs, pools and files reach another machine's cache once, whole, by a hash of their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.common.cache import cache_dir
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.transport.store import PREFIX, Store, received, shipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pool"
    (made / "pllm").mkdir(parents=True)
    (made / "pool.json").write_text("{}")
    (made / "pllm" / "adapter.safetensors").write_bytes(bytes(range(256)) * 40)
    return made


@pytest.fixture(params=["folder", "file", "memory", "none"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    urls = {"folder": str(tmp_path / "store"), "file": f"file://{tmp_path}/store", "memory": "memory://s", "none": ""}
    return Store(urls[request.param])


def elsewhere(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same store as another machine sees it: with an empty cache."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "other cache"))
    return Store(store.url)


def content(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def test_a_folder_arrives_whole(store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(folder)
    assert name.startswith(PREFIX)
    there = elsewhere(store, tmp_path, monkeypatch).fetch(name)
    assert there.name == "pool"
    assert content(there) == content(folder)


def test_a_file_arrives_under_its_name(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text('{"prompt": "a"}\n')
    there = elsewhere(store, tmp_path, monkeypatch).fetch(store.put(file))
    assert (there.name, there.read_text()) == (file.name, file.read_text())


def test_content_is_put_once_and_fetched_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "store"))
    name = store.put(folder)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*")}
    assert store.put(folder) == name
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*")} == before
    other = elsewhere(store, tmp_path, monkeypatch)
    first = other.fetch(name)
    (tmp_path / "store").rename(tmp_path / "gone")
    assert other.fetch(name) == first
    (folder / "pool.json").write_text("{ }")
    assert Store(str(tmp_path / "again")).put(folder) != name


def test_without_a_store_nothing_is_copied_or_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    assert Store("").fetch(Store("").put(folder)) == folder.resolve()
    assert not cache_dir().exists()


def test_what_is_gone_from_where_it_lay_is_named(folder: Path, tmp_path: Path) -> None:
    store = Store()
    name = store.put(folder)
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=r"this worker has no .*name a folder or URL that all machines reach"):
        store.fetch(name)
    assert store.fetch(store.put(moved)) == moved.resolve()


def test_what_links_lead_to_arrives_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "weights").write_text("1")
    (folder / "linked").symlink_to(tmp_path / "real")
    store = Store(str(tmp_path / "store"))
    there = elsewhere(store, tmp_path, monkeypatch).fetch(store.put(folder))
    assert (there / "linked" / "weights").read_text() == "1"


def test_an_interrupted_upload_is_done_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "store"))
    name = store.put(folder)
    root = tmp_path / "store" / name.removeprefix(PREFIX)
    (root / ".complete").unlink()
    (root / "pool" / "pool.json").write_text("")
    with pytest.raises(UserError, match=r"engine\.store: cannot read"):
        elsewhere(store, tmp_path, monkeypatch).fetch(name)
    store.put(folder)
    assert content(store.fetch(name)) == content(folder)


def test_what_arrives_broken_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "store"))
    name = store.put(folder)
    (tmp_path / "store" / name.removeprefix(PREFIX) / "pool" / "pool.json").write_text("torn")
    other = elsewhere(store, tmp_path, monkeypatch)
    for _ in range(2):  # nothing of it stays in the cache
        with pytest.raises(UserError, match="is broken; remove it there"):
            other.fetch(name)


@pytest.mark.parametrize("url", ["nonsense://bucket", "/proc/no/such"])
def test_a_store_that_cannot_be_written_is_one_line(folder: Path, url: str) -> None:
    with pytest.raises(UserError, match=r"^engine\.store: cannot write to ") as caught:
        Store(url).put(folder)
    assert "\n" not in str(caught.value)


def test_workers_get_every_path_of_a_config(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, phones = tmp_path / "texts.jsonl", tmp_path / "phones.csv"
    texts.write_text("{}\n")
    phones.write_text("phone_id\n")
    overrides = ["corpus.source=jsonl", f"corpus.path={texts}", f"population.phone_file={phones}", "llm.model=gpt2"]
    overrides += [f"pool.path={folder}"]
    config = Config.load(None, overrides)
    store = Store(str(tmp_path / "store"))
    sent = shipped(config, "gpt2", str(folder), store)
    assert str(tmp_path) not in sent.model_dump_json()
    assert sent.pool.path.startswith(PREFIX)
    assert sent.llm.model == "gpt2"  # a name on the hub stays one
    got = received(sent, elsewhere(store, tmp_path, monkeypatch))
    assert Path(got.corpus.path).read_text() == "{}\n"
    assert Path(got.population.phone_file).read_text() == "phone_id\n"
    assert content(Path(got.pool.path)) == content(folder)
    assert got.population.availability == config.population.availability
    assert got.llm.summarizer.startswith(PREFIX)  # fetched only where it is used


@pytest.mark.parametrize("name", ["../../elsewhere", "/tmp/elsewhere", "pool/../../../elsewhere"])
def test_what_a_store_calls_itself_cannot_lead_out_of_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whoever can write to a store, a stranger's perhaps, must not write to this machine's other folders."""
    store = Store(str(tmp_path / "store"))
    put = store.put(folder)
    (tmp_path / "store" / put.removeprefix(PREFIX) / ".complete").write_text(name)
    with pytest.raises(UserError, match=r"engine\.store: cannot read .* leads out of the store"):
        elsewhere(store, tmp_path, monkeypatch).fetch(put)
    assert not list(tmp_path.rglob("elsewhere"))
