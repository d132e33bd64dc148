"""Each platform's own custom decides where things lie."""

from __future__ import annotations

from pathlib import Path

from monitor.embedded.folders import Folders, user_folders


def test_linux_follows_the_xdg_variables() -> None:
    environ = {"HOME": "/h", "XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"}
    assert user_folders(environ, "linux") == Folders(
        data=Path("/d/watchkeeper"), cache=Path("/c/watchkeeper"), running=Path("/s/watchkeeper/running")
    )


def test_linux_without_them_or_with_relative_ones_uses_the_home_folder() -> None:
    assert user_folders({"HOME": "/h", "XDG_DATA_HOME": "relative"}, "linux") == Folders(
        data=Path("/h/.local/share/watchkeeper"),
        cache=Path("/h/.cache/watchkeeper"),
        running=Path("/h/.local/state/watchkeeper/running"),
    )


def test_macos_uses_its_library() -> None:
    assert user_folders({"HOME": "/Users/u"}, "darwin") == Folders(
        data=Path("/Users/u/Library/Application Support/watchkeeper/data"),
        cache=Path("/Users/u/Library/Caches/watchkeeper"),
        running=Path("/Users/u/Library/Application Support/watchkeeper/running"),
    )
