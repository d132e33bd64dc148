"""Takes the pictures of docs/report.md: the report of synthetic weeks (tests/fakes/reporting.py) as a page and as the pages of its PDF.

python -m docs.images.report [--chromium PATH]
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from monitor.reporting import as_html, as_pdf
from monitor.reporting.building import build
from tests.fakes.reporting import full_facts

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1000, 1400


def main() -> None:
    """Write report.png and report-pdf.png beside this file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--chromium", default="chromium")
    chromium = arguments.parse_args().chromium
    report = build(full_facts())
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(as_html.render(report), encoding="utf-8")
        subprocess.run(
            [
                *(
                    chromium,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    f"--user-data-dir={folder}/profile",
                ),
                *(f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={HERE / 'report.png'}", f"file://{page}"),
            ],
            check=True,
            capture_output=True,
        )
    _side_by_side(as_pdf.pages(report, dots_per_inch=56), HERE / "report-pdf.png")


def _side_by_side(pages: list[bytes], path: Path, columns: int = 4) -> None:
    import io

    from PIL import Image

    drawn = [Image.open(io.BytesIO(page)) for page in pages]
    width, height = drawn[0].size
    rows = -(-len(drawn) // columns)
    whole = Image.new("RGB", (columns * (width + 8), rows * (height + 8)), "#8c959f")
    for number, page in enumerate(drawn):
        whole.paste(page, ((number % columns) * (width + 8) + 4, (number // columns) * (height + 8) + 4))
    whole.quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
