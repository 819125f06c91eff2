"""`xinyu` and `python -m xinyu_services`: the command line."""

from __future__ import annotations

from xinyu_services.cli.app import main

if __name__ == "__main__":
    main()
