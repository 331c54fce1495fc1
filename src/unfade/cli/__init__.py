"""The command line: thin, one file a verb. Results go to standard output, messages to standard error."""

from __future__ import annotations

INTERRUPTED = 130


def main() -> None:
    """Run the command line; what a user can put right ends in one sentence and exit code 2."""
    from unfade.cli.app import app
    from unfade.cli.console import fail
    from unfade.errors import UnfadeError

    try:
        app(standalone_mode=True, prog_name="unfade")
    except UnfadeError as error:
        fail(str(error))
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what the toolkit makes of the keyboard's interruption
            fail("Interrupted; a run or a training goes on where it stopped when it is started again.", INTERRUPTED)
        raise
