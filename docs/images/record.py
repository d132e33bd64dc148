"""Takes the README's picture: runs the demo in a terminal of its own (tmux) and keeps one frame of it as SVG.

    python docs/images/record.py --when "! alert" docs/images/demo.svg

Nothing is drawn by hand: what the terminal shows at that second is what the picture shows. `--at 45` takes it 45 seconds after the
start, whatever it shows.
"""

from __future__ import annotations

import argparse
import io
import secrets
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 112, 26
LONGEST_S = 240.0
"""A text that isn't there by then never comes."""


def frame(command: str, at_s: float, when: str | None) -> str:
    """What the terminal shows `at_s` seconds after `command` was started, or once it shows `when`, with its escape sequences."""
    session = f"watchkeeper-{secrets.token_hex(4)}"
    subprocess.run(
        ["tmux", "new-session", "-d", "-s", session, "-x", str(COLUMNS), "-y", str(LINES), command],
        check=True,
    )
    try:
        if when is None:
            time.sleep(at_s)
            return _shown(session, "-e").rstrip()
        deadline_s = time.monotonic() + LONGEST_S
        while when not in _shown(session):
            if time.monotonic() > deadline_s:
                raise SystemExit(f"the terminal never showed {when!r}")
            time.sleep(0.2)
        time.sleep(0.3)
        return _shown(session, "-e").rstrip()
    finally:
        subprocess.run(["tmux", "send-keys", "-t", session, "C-c"], check=False)
        time.sleep(15)
        subprocess.run(["tmux", "kill-session", "-t", session], check=False, capture_output=True)


def _shown(session: str, *options: str) -> str:
    done = subprocess.run(
        ["tmux", "capture-pane", "-t", session, *options, "-p"], check=True, capture_output=True, text=True
    )
    return done.stdout


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--at", type=float, default=45, help="seconds after the start")
    parser.add_argument("--when", help="not then, but once the terminal shows this text")
    parser.add_argument("--command", default=f"{Path(sys.executable).parent / 'watchkeeper'} demo")
    parser.add_argument("--title", default="watchkeeper demo")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(frame(arguments.command, arguments.at, arguments.when)))
    # The system's monospace fonts: a reader's browser need fetch nothing.
    svg = console.export_svg(title=arguments.title)
    start, end = svg.find("@font-face"), svg.rfind("@font-face")
    if start >= 0:
        svg = svg[:start] + svg[svg.index("}", end) + 1 :]
    svg = svg.replace("Fira Code", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono'")
    arguments.out.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
