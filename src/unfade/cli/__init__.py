"""The command line: thin, one file a verb. Results go to standard output, messages to standard error."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; what a user can put right ends in one sentence and exit code 2."""
    from unfade.cli.app import app
    from unfade.cli.console import fail
    from unfade.errors import UnfadeError

    try:
        app(standalone_mode=True)
    except UnfadeError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("Interrupted; the same command goes on where this one stopped.", code=130)
    sys.exit(0)
