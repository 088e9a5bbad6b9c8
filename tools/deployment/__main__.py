"""``python -m deployment WHAT``: tries the files in ``deploy`` with the programs that they are written for; run from ``tools``.

``image`` needs docker or podman, a network, and the extras ``demo`` and ``video``; ``nginx`` and ``caddy`` need the program of
that name, openssl and strace. Each says what it sees, and ends with 1 at the first thing that is not as documented.
"""

import argparse
import shutil
import sys

from deployment import container, proxies
from deployment.client import CheckError


def main() -> int:
    """Try what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m deployment", description=__doc__)
    parser.add_argument("what", choices=("image", "nginx", "caddy"))
    parser.add_argument("--engine", default="podman" if shutil.which("podman") else "docker", help="(%(default)s)")
    parser.add_argument("--base", metavar="IMAGE", help="in the place of the Dockerfile's, where that cannot be had")
    parser.add_argument("--built", action="store_true", help="try the image that was built before")
    parser.add_argument("--run-option", action="append", default=[], help="one more of the engine's run")
    parser.add_argument("--port", type=int, default=18000, help="the first of three that are free here (%(default)s)")
    options = parser.parse_args()
    try:
        if options.what == "image":
            if not options.built:
                container.build(options.engine, options.base)
            container.check(options.engine, options.port, options.run_option)
        else:
            proxies.check(options.what, options.port)
    except CheckError as error:
        print(f"{options.what}: {error}", file=sys.stderr)
        return 1
    print(f"{options.what}: all as documented")
    return 0


if __name__ == "__main__":
    sys.exit(main())
