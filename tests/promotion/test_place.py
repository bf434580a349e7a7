"""A bundle is put in place in one step; whatever interrupts it, one whole bundle is in place and none is lost."""

import ctypes
from pathlib import Path
from typing import Any

import pytest

from models.promotion import place
from models.promotion.place import PlaceError, previous_of, put, put_back

NAMES = ("model.txt", "manifest.json", "sample.f64")


def bundle(word: str) -> dict[str, bytes]:
    return {name: f"{word} {name}".encode() for name in NAMES}


def written(folder: Path, word: str) -> Path:
    folder.mkdir()
    for name, content in bundle(word).items():
        (folder / name).write_bytes(content)
    return folder


def word_in(folder: Path) -> str:
    """Say which bundle a folder holds, whole."""
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    word = files["manifest.json"].decode().split()[0]
    assert files == bundle(word)
    return word


def left(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in tmp_path.iterdir())


def test_the_one_before_is_kept_and_comes_back_in_one_step(tmp_path: Path) -> None:
    current = written(tmp_path / "now", "a")
    put(current, bundle("b"))
    assert (word_in(current), word_in(previous_of(current))) == ("b", "a")
    put(current, bundle("c"))
    assert (word_in(current), word_in(previous_of(current))) == ("c", "b")
    put_back(current)
    assert (word_in(current), word_in(previous_of(current))) == ("b", "c")
    put_back(current)
    assert word_in(current) == "c"
    assert left(tmp_path) == ["now", "now.previous"]


def test_a_link_to_the_folder_is_followed(tmp_path: Path) -> None:
    current = written(tmp_path / "now", "a")
    (tmp_path / "link").symlink_to(current)
    put(tmp_path / "link", bundle("b"))
    assert (tmp_path / "link").is_symlink()
    assert (word_in(current), word_in(tmp_path / "now.previous")) == ("b", "a")


class StoppedError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", range(12))
def test_an_interruption_anywhere_leaves_one_whole_bundle_and_the_next_run_loses_none(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = written(tmp_path / "now", "a")
    put(current, bundle("b"))
    steps = iter(range(100))

    def stopping(call: Any) -> Any:
        def stopped(*given: Any, **more: Any) -> Any:
            if next(steps) >= step:
                raise StoppedError
            return call(*given, **more)

        return stopped

    with monkeypatch.context() as patch:
        patch.setattr(place, "_write", stopping(place._write))
        patch.setattr(place, "_exchange", stopping(place._exchange))
        patch.setattr(place, "_sync", stopping(place._sync))
        patch.setattr(Path, "rename", stopping(Path.rename))
        patch.setattr(place.shutil, "rmtree", stopping(place.shutil.rmtree))
        try:
            put(current, bundle("c"))
            is_done = True
        except StoppedError:
            is_done = False
    found = word_in(current)
    assert found in ("b", "c")
    assert not is_done or found == "c"
    place.settle(current)
    assert word_in(current) == found
    assert word_in(previous_of(current)) == {"b": "a", "c": "b"}[found]
    assert left(tmp_path) == ["now", "now.previous"]


def test_nothing_is_changed_where_folders_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current = written(tmp_path / "now", "a")

    class Library:
        def renameat2(self, *_: Any) -> int:
            ctypes.set_errno(22)
            return -1

    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
        with pytest.raises(PlaceError, match=r"now: cannot be exchanged .*: Invalid argument; it must be a folder"):
            put(current, bundle("b"))
        patch.setattr(ctypes, "CDLL", lambda *_, **__: object())
        with pytest.raises(PlaceError, match="no renameat2"):
            put(current, bundle("b"))
    assert word_in(current) == "a"
    assert left(tmp_path) == ["now"]


def test_what_cannot_be_put_in_place_is_named(tmp_path: Path) -> None:
    current = written(tmp_path / "now", "a")
    with pytest.raises(PlaceError, match="this bundle is there already"):
        put(current, bundle("a"))
    with pytest.raises(PlaceError, match=r"now\.previous: no previous bundle is kept there"):
        put_back(current)
    with pytest.raises(PlaceError, match="none: cannot be exchanged"):
        put(tmp_path / "none", bundle("b"))
    assert left(tmp_path) == ["now"]
