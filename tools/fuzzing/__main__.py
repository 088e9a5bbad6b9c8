"""``python -m fuzzing``: damaged inputs by the thousand; those that fail are kept with their seed, to be tried again.

Run from ``tools``, or with ``make fuzz``.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from fsrfer.recognition.runtime import granted_processors
from fuzzing.kinds import KINDS
from fuzzing.running import PATIENCE, Failure, failure_of, input_of, seeds_of, tried

EVERY = 5.0
"""Seconds between two lines on how far it is."""


def main() -> int:
    """Fuzz, or try kept inputs again; 0 if nothing failed, 1 if anything did."""
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all damage (%(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="what to damage (all)")
    parser.add_argument("--count", type=int, metavar="N", help="inputs of each kind")
    parser.add_argument("--workers", type=int, default=granted_processors(), help="processes (%(default)s)")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds an input may take (%(default)g)")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-failures"), help="folder of failing inputs (%(default)s)"
    )
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="only try these kept inputs again")
    options = parser.parse_args()
    if options.replay:
        return max(_replay(path) for path in options.replay)
    failed = sum(_fuzz(kind, options) for kind in options.kinds)
    return 1 if failed else 0


def _fuzz(kind: str, options: argparse.Namespace) -> int:
    total = options.count or KINDS[kind].count
    began = said = time.monotonic()
    done = failed = 0
    for one in tried(kind, options.seed, range(total), options.workers, options.patience):
        done += 1
        if isinstance(one, Failure):
            failed += 1
            print(f"{kind}: {_keep(one, options.keep)}: {one.reason.strip().splitlines()[-1]}", flush=True)
        if time.monotonic() - said > EVERY:
            said = time.monotonic()
            print(f"{kind}: {done:,} of {total:,}, {failed} failed, {said - began:.0f} s", flush=True)
    print(
        f"{kind}: {done:,} inputs of seed {options.seed} in {time.monotonic() - began:.0f} s, {failed} failed",
        flush=True,
    )
    return failed


def _keep(failure: Failure, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{failure.kind}-{failure.seed}-{failure.number}{KINDS[failure.kind].suffix}"
    with tempfile.TemporaryDirectory() as scratch:
        seeds = seeds_of(failure.kind, Path(scratch))
    path.write_bytes(input_of(failure.kind, failure.seed, failure.number, seeds))
    path.with_name(path.name + ".txt").write_text(failure.reason, encoding="utf-8")
    return path


def _replay(path: Path) -> int:
    kind = path.name.partition("-")[0]
    with tempfile.TemporaryDirectory() as folder:
        reason = failure_of(kind, path.read_bytes(), Path(folder) / f"input{KINDS[kind].suffix}")
    print(f"{path}: {reason or 'went well'}")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
