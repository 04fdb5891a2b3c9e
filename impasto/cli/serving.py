"""The verb that opens the studio."""

import os
import signal
import threading
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.program import Quiet, app
from impasto.errors import OptionError
from impasto.outputs import STOPPED


@app.command
def studio(
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    user: str | None = None,
    workers: int = 1,
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
    quiet: Quiet = False,
) -> int:
    """Open impasto in the browser, on this machine; Ctrl-C closes it.

    Parameters
    ----------
    host
        The address to listen at. Any other than this machine's own needs --user, and a password in the
        environment variable IMPASTO_STUDIO_PASSWORD.
    port
        The port; 0: any that is free.
    user
        Ask who opens the page for this name, and for the password.
    workers
        Pictures that are painted at the same time; the others wait in line.
    browser
        Open a browser, too.
    """
    from rich.console import Console

    password = os.environ.get("IMPASTO_STUDIO_PASSWORD")
    if not 1 <= workers <= 16:
        raise OptionError(f"--workers is {workers}; it must be a whole number from 1 to 16.")
    try:
        from impasto.studio.server import check_access, launch
    except ModuleNotFoundError as error:
        raise OptionError(f"The studio needs {error.name}: pip install 'impasto[studio]'.") from error
    from impasto.studio.workshop import Workshop

    check_access(host, user, password)
    console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet)
    workshop, blocks = Workshop(workers), None
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # however it is ended, nothing is left behind
        blocks, address = launch(workshop, host, port or None, user, password, browser)
        console.print(f"The studio is open at {address} (Ctrl-C closes it)", soft_wrap=True, markup=False)
        threading.Event().wait()
    except KeyboardInterrupt:
        if blocks is not None:
            blocks.close(verbose=False)
    finally:
        workshop.close()
    return STOPPED
