"""`python -m monitor.cli`: the command line where its console script isn't installed."""

from __future__ import annotations

from monitor.cli.main import main

if __name__ == "__main__":
    main()
