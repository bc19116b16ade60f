"""Bad input through the command line: one line on stderr that names it, exit status 2, no traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sim.common.cache import SEAL
from sim.common.errors import UserError
from sim.common.streams import stream
from sim.experiment.config import Config
from tests.runs import Command, Inline, provider_of, serve

ROOT = Path(__file__).resolve().parents[2]
TINY = [
    "strategies=scratch,random",
    "pool.size=2",
    "pool.texts=8",
    "pool.steps=2",
    "population.users=2",
    "population.texts=6",
    "population.held_out=2",
    "training.steps=4",
    "training.evaluate_every=2",
    "training.max_tokens=48",
    "engine.backend=inline",
    "ladder.users=1",
]


@pytest.fixture
def tiny(tiny_llm: Path, tmp_path: Path) -> list[str]:
    """Overrides of a run that takes a second and writes to the test's own folder."""
    return [f"llm.model={tiny_llm}", f"llm.summarizer={tiny_llm}", f"output={tmp_path / 'out'}", *TINY]


def check_refused(result: tuple[int, str, str], *said: str) -> None:
    code, _, err = result
    assert code == 2, err
    assert err.startswith("headstart: ")
    assert err.count("\n") == 1, err
    assert [part for part in said if part not in err] == [], err


def lines(styles: Sequence[str], count: int) -> str:
    rows = [{"prompt": f"p {i}", "answer": f"a {i}", "style": s} for s in styles for i in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("population.usres=3", ["population.usres", "Did you mean 'users'?"]),
        ("options.xprt.metric=l2", ["options.xprt", "Did you mean 'xpert'?"]),
        ("population.users=many", ["population.users = 'many'", "integer"]),
        ("population.users=-1", ["population.users = -1", "1"]),
        ("population.phones=oneplus-13q", ["population.phones", "'oneplus-13q'", "oneplus-13"]),
        ("population.phones=oneplus-12,nokia-3310", ["population.phones", "'nokia-3310'"]),
        ("population.phones=tier:gold", ["population.phones", "'gold'", "flagship"]),
        ("population.network=6g", ["population.network", "'6g'", "5g"]),
        ("population.phone_file=nowhere.csv", ["population.phone_file", "'nowhere.csv'", "No such file"]),
        ("population.availability=dayly", ["population.availability", "'dayly'", "'daily'", "No such file"]),
        ("strategies=xprt", ["strategies", "'xprt'", "Did you mean 'xpert'?"]),
        ("strategies=nowhere:x:", ["strategies", "'nowhere:x:'"]),  # which rich would print as an emoji
        ("options.random.seed=1", ["options.random"]),
        ("llm.model=./nowhere", ["llm.model", "'./nowhere'"]),
        ("llm.model=nobody/nothing", ["llm", "'nobody/nothing'"]),
        ("llm.summarizer=/nowhere", ["llm.summarizer", "'/nowhere'"]),
        ("llm.deploy=llama-3.2-1c", ["llm.deploy", "'llama-3.2-1c'", "llama-3.2-1b"]),
        ("llm.summarizer_deploy=llama-3.1-8c", ["llm.summarizer_deploy", "llama-3.1-8b"]),
        ("billing.backend=gpu_magic", ["billing.backend", "'gpu_magic'", "cpu_tuned"]),
        ("billing.backend=gpu_mlx", ["billing.backend", "iPhones only"]),
        ("engine.device=nothing", ["engine.device", "nothing"]),
        ("training.targets=nothing", ["training.targets", "nothing", "q_proj"]),
        ("training.adapter=lara", ["training.adapter: unknown kind of adapter 'lara'", "Did you mean 'lora'?"]),
        ("training.adapter=nowhere:X", ["training.adapter", "'nowhere:X'"]),
        (
            "training.adapter=sim.llm.lanes:Lanes",
            ["training.adapter: 'sim.llm.lanes:Lanes' is no subclass", "AdapterKind"],
        ),
        ("pool.path=/nowhere", ["pool.path", "/nowhere"]),
        ("population.styles=expert-concise-sasy", ["expert-concise-sassy"]),
        ("population.styles_per_user=5", ["population.styles_per_user = 5", "2 styles"]),
        ("ladder.amounts=0.05,1.0", ["ladder.amounts", "population.texts = 6"]),
    ],
)
def test_bad_key_or_value(command: Command, tiny: list[str], override: str, said: list[str]) -> None:
    check_refused(command("run", *tiny, override), *said)


def test_bad_phone_file_trace_and_llm_are_named(command: Command, tiny: list[str], tmp_path: Path) -> None:
    phones, trace, shape = (tmp_path / name for name in ("mine.csv", "trace.json", "config.json"))
    phones.write_text("phone_id,release_year,tier,ram_gb\nmine,2024,mid,lots\n")
    said = [str(phones), "row 2 (mine)", "column ram_gb", "'lots'"]
    check_refused(command("run", *tiny, f"population.phone_file={phones}"), "population.phone_file", *said)
    trace.write_text(json.dumps({"a": {"active": [3]}}))
    check_refused(command("run", *tiny, f"population.availability={trace}"), "population.availability", "client 'a'")
    shape.write_text(json.dumps({"model_type": "mamba"}))
    check_refused(command("run", *tiny, f"llm.deploy={shape}"), "llm.deploy", "'mamba'", "llama")
    other = command("run", *tiny, "llm.deploy=gpt2", "training.targets=q_proj")
    check_refused(other, "training.targets: gpt2 has no matrix 'q_proj'", "c_attn")


def test_missing_and_broken_config_file(command: Command, tmp_path: Path) -> None:
    check_refused(command("run", str(tmp_path / "none.toml")), "none.toml")
    (tmp_path / "bad.toml").write_text("[pool\n")
    check_refused(command("run", str(tmp_path / "bad.toml")), "bad.toml", "line 1")


def test_folder_that_is_no_model(command: Command, tiny: list[str], tmp_path: Path) -> None:
    check_refused(command("run", *tiny, f"llm.model={tmp_path}"), str(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no rows"),
        ('{"prompt": "p", "answer": "a", "style": "0"}\n{"prompt": oops\n', ":2:"),
        ('{"prompt": "p", "answer": "a"}\n', ":1: no text under 'style'"),
        (lines(["1", "2"], 5), "corpus.default: no style '0'"),
        (lines(["0"], 5), "no style besides"),
        (lines(["0", "1"], 8), "wanted"),
    ],
    ids=["empty", "broken", "no style", "no default", "one style", "too few texts"],
)
def test_bad_jsonl_is_named_with_file_and_line(
    command: Command, tiny: list[str], tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(content)
    result = command("run", *tiny, "corpus.source=jsonl", f"corpus.path={path}")
    check_refused(result, str(path), said)


def test_a_refused_run_leaves_no_results(command: Command, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("")
    check_refused(command("run", *tiny, "corpus.source=jsonl", f"corpus.path={tmp_path / 'texts.jsonl'}"), "no rows")
    assert not (tmp_path / "out").exists()


def test_fewer_texts_than_the_ladder_needs(command: Command, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(lines(["0", "1", "2"], 160))
    settings = ["corpus.source=jsonl", f"corpus.path={tmp_path / 'texts.jsonl'}"]
    settings += ["pool.texts=2", "population.texts=100"]
    check_refused(command("run", *tiny, *settings), "100 user texts", "population.texts")


def test_too_few_texts_are_found_before_any_user_trains(tiny: list[str], tmp_path: Path) -> None:
    """Also those of a style that none of the first users has."""
    styles = [f"s{i}" for i in range(60)]
    users, seed = 70, 0
    while True:  # the first seed with a style that only late users have
        drawn = [styles[int(stream(seed, i, "style").choice(60, 1, replace=False)[0])] for i in range(users)]
        if rare := set(drawn[64:]) - set(drawn[:64]):
            break
        seed += 1
    few = sorted(rare)[0]
    path = tmp_path / "texts.jsonl"
    path.write_text(lines(["0", *(s for s in styles if s != few)], 80) + lines([few], 9))

    class Unused(Inline):
        def send(self, node: int, order: object, ttl_s: float) -> str:
            pytest.fail("a job was sent")

    settings = ["corpus.source=jsonl", f"corpus.path={path}", "corpus.default=0", f"seed={seed}"]
    settings += [f"population.users={users}", f"population.styles={','.join(styles)}"]
    config = Config.load(None, [*tiny, *settings])
    with pytest.raises(UserError, match=f"'{few}'"):
        serve(config, tmp_path, Unused())


def spoil_card(pllm: Path) -> None:
    (pllm / "card.json").write_text("{")


def spoil_style(pllm: Path) -> None:
    card = json.loads((pllm / "card.json").read_text())
    (pllm / "card.json").write_text(json.dumps({**card, "style": "martian"}))


def spoil_weights(pllm: Path) -> None:
    (pllm / "adapter_model.safetensors").write_bytes(b"cut")


def spoil_values(pllm: Path) -> None:
    """Broken in what no header says: only who reads the weights can find it."""
    tensors = load_file(pllm / "adapter_model.safetensors")
    save_file({name: tensor * float("nan") for name, tensor in tensors.items()}, pllm / "adapter_model.safetensors")


def remove(name: str) -> Callable[[Path], None]:
    return lambda pllm: (pllm / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove("adapter_model.safetensors"), "adapter_model.safetensors"),
        (remove("adapter_config.json"), "adapter_config.json"),
        (remove("card.json"), "card.json"),
        (shutil.rmtree, "card.json"),
        (lambda pllm: (pllm.parent / "pool.json").unlink(), "pool.json"),
        (lambda pllm: (pllm.parent / "pool.json").write_text("{"), "pool.json"),
        (spoil_card, "card.json"),
        (spoil_style, "martian"),
        (spoil_weights, "adapter_model.safetensors"),
        (spoil_values, "not finite"),
    ],
    ids=[
        "weights",
        "config",
        "card",
        "pLLM",
        "index",
        "broken index",
        "broken card",
        "foreign style",
        "cut weights",
        "NaN",
    ],
)
def test_pool_folder_with_something_missing_or_broken(
    command: Command, tiny: list[str], tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    _, pool = provider_of(Config.load(None, tiny))
    folder = shutil.copytree(pool.folder, tmp_path / "pool", ignore=shutil.ignore_patterns(SEAL))
    spoil(folder / pool.ids[-1])
    check_refused(command("run", *tiny, f"pool.path={folder}"), str(folder), said)


def test_pool_of_another_rank(command: Command, tiny: list[str]) -> None:
    folder = provider_of(Config.load(None, tiny))[1].folder
    check_refused(command("run", *tiny, f"pool.path={folder}", "training.rank=4"), "rank 8", "training.rank is 4")


def test_pool_of_another_kind(command: Command, tiny: list[str]) -> None:
    folder = provider_of(Config.load(None, tiny))[1].folder
    said = ["adapter_config.json", "LORA", "training.adapter expects IA3"]
    check_refused(command("run", *tiny, f"pool.path={folder}", "training.adapter=ia3"), str(folder), *said)


def test_output_folder_that_cannot_be_written(command: Command, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_refused(command("run", *tiny, f"output={tmp_path / 'file' / 'below'}"), "output", str(tmp_path / "file"))
    check_refused(command("run", *tiny, f"output={tmp_path / 'file'}"), "output", str(tmp_path / "file"))


def test_folder_without_a_run(command: Command, tmp_path: Path) -> None:
    check_refused(command("report", str(tmp_path / "none")), "none", "no such folder")
    check_refused(command("report", str(tmp_path)), "no run")
    check_refused(command("explain", str(tmp_path), "0"), "no run")


def test_pool_commands_refuse_alike(command: Command, tiny: list[str]) -> None:
    for verb in ("build", "list"):
        check_refused(command("pool", verb, *tiny, "population.usres=3"), "Did you mean 'users'?")


def test_a_run_that_fails_exits_with_1_and_keeps_its_folder(command: Command, tiny: list[str], tmp_path: Path) -> None:
    code, out, err = command("run", *tiny, "engine.deadline_s=1e-9")
    assert "the run failed" in err
    assert "deadline" in err
    folder = Path(out.splitlines()[-1])
    assert folder.parent == tmp_path / "out" / "quickstart"
    assert (folder / "config.toml").is_file()
    assert code == 1


def test_a_run_that_ends_well_exits_with_0_and_names_its_folder_last(
    command: Command, tiny: list[str], tmp_path: Path
) -> None:
    code, out, err = command("run", *tiny, "--no-plots")
    assert (code, err) == (0, "")
    folder = Path(out.splitlines()[-1])
    assert (folder / "summary.csv").is_file()
    assert Config.load(folder / "config.toml").population.users == 2


def test_a_run_that_diverges_still_has_a_summary(command: Command, tiny: list[str]) -> None:
    code, _, err = command("run", *tiny, "training.lr=1e9", "training.max_grad_norm=0", "--no-plots")
    assert (code, err) == (0, "")


@pytest.mark.parametrize("case", ["unknown key", "broken text"])
def test_in_a_process_of_its_own(tiny: list[str], tmp_path: Path, case: str) -> None:
    (tmp_path / "bad.jsonl").write_text('{"prompt": oops\n')
    bad = {
        "unknown key": (["population.usres=3"], "Did you mean 'users'?"),
        "broken text": (["corpus.source=jsonl", f"corpus.path={tmp_path / 'bad.jsonl'}"], "bad.jsonl:1:"),
    }
    overrides, said = bad[case]
    line = [sys.executable, "-m", "sim.cli", "run", *tiny, *overrides]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    check_refused((done.returncode, done.stdout, done.stderr), said)


def test_version_is_that_of_the_package(command: Command) -> None:
    code, out, _ = command("--version")
    assert (code, out) == (0, f"headstart {metadata.version('headstart')}\n")
