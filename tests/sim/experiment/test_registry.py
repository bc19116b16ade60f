"""What a config names is checked before anything of it is called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import pytest

from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.registry import Registry
from sim.experiment.strategies import STRATEGIES, make_strategy
from strategies.xpert import Xpert


class Base(ABC):
    """What the tests' registry holds."""

    called: ClassVar[list[str]] = []

    @abstractmethod
    def answer(self) -> str: ...


class Whole(Base):
    def __init__(self) -> None:
        self.called.append("Whole")

    def answer(self) -> str:
        return "42"


class Other:
    def __init__(self) -> None:
        Base.called.append("Other")


def function() -> Base:
    Base.called.append("function")
    return Whole()


THINGS: Registry[Base] = Registry("headstart.things", "things.kind", "thing", Base)  # type: ignore[type-abstract]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{__name__}:Other", "is no subclass of .*Base"),
        (f"{__name__}:function", "is no subclass of .*Base"),
        (f"{__name__}:Base", "lacks answer"),
        ("builtins:exit", "'builtins:exit' is no subclass"),
        ("builtins:dict", "is no subclass"),
        ("nowhere:Class", "cannot import 'nowhere:Class'"),
        (f"{__name__}:Missing", "cannot import"),
        (":Class", "cannot import ':Class'"),
        (".relative:Class", "cannot import"),
        ("this_one_is_broken:Class", "cannot import .*invalid syntax"),
        ("thing", "nothing is registered under 'headstart.things'"),
    ],
)
def test_anything_but_a_whole_subclass_is_refused_and_not_called(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "this_one_is_broken.py").write_text("class Class::")
    monkeypatch.syspath_prepend(tmp_path)
    Base.called.clear()
    with pytest.raises(UserError, match=rf"^things\.kind: .*{said}") as caught:
        THINGS.load(name)
    assert "\n" not in str(caught.value)
    assert Base.called == []


def test_a_class_is_found_by_import_path_and_not_called() -> None:
    Base.called.clear()
    assert THINGS.load(f"{__name__}:Whole") is Whole
    assert Base.called == []


def test_registered_names_are_found_or_the_nearest_is_said() -> None:
    assert STRATEGIES.load("xpert") is Xpert
    with pytest.raises(UserError, match=r"^strategies: unknown strategy 'xprt'\. Did you mean 'xpert'\?$"):
        STRATEGIES.load("xprt")


@pytest.mark.parametrize("use", ["builtins:exit", "builtins:quit", "sys:exit", "os:abort"])
def test_a_strategy_that_is_none_is_refused_without_being_called(use: str) -> None:
    """It was called first, with the settings: `exit` ended the run with status 0."""
    with pytest.raises(UserError, match=rf"^strategies: '{use}' is no subclass of strategies\.base\.Strategy\.$"):
        make_strategy("mine", Config.load(None, [f"options.mine.use={use}"]))
