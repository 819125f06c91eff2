"""`python -m tests.simulation FROM [TO]`: run these seeds; one alone prints its log."""

from __future__ import annotations

import sys
import time
import traceback

from tests.simulation.schedule import run_seed


def main(arguments: list[str]) -> int:
    first = int(arguments[0])
    last = int(arguments[1]) if len(arguments) > 1 else first + 1
    failed, started_s = [], time.monotonic()
    for seed in range(first, last):
        try:
            log = run_seed(seed)
        except Exception as error:
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
            if last - first == 1:
                traceback.print_exc()
        else:
            if last - first == 1:
                print("\n".join(log))
    print(f"{last - first} seeds, {len(failed)} fail {failed}, {time.monotonic() - started_s:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
