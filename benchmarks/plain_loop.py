"""A service's work without one: ``python benchmarks/plain_loop.py SECONDS THREADS PHOTO`` looks at a photo again and again.

Prints photos a second by the clock and processor seconds a photo, as JSON; threads 0 takes the default.
"""

import json
import sys
import time
from pathlib import Path

from fsrfer import Recognizer


def main() -> None:
    """Look until time is up."""
    seconds, threads, photo = float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_bytes()
    recognizer = Recognizer(threads=threads or None)
    recognizer.predict(photo).to_dict()
    began, worked, done = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        json.dumps(recognizer.predict(photo).to_dict())
        done += 1
    took = time.perf_counter() - began
    print(json.dumps({"rate": done / took, "processor_seconds": (time.process_time() - worked) / done}))


if __name__ == "__main__":
    main()
