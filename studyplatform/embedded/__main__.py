"""`python -m studyplatform.embedded --data-dir DIR`: the two servers alone, until Ctrl-C."""

import argparse
import shlex
import signal
import sys
from pathlib import Path

from studyplatform.embedded import EmbeddedError, Servers


def main() -> int:
    """Start the servers, print their addresses as shell lines, and stay until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m studyplatform.embedded", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path(".data"), help="where the data stays (default .data)")
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us in the background, without SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        with Servers(parser.parse_args().data_dir) as servers:
            for name, value in servers.environment.items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            print("# Running until Ctrl-C.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
