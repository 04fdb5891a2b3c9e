"""The page and its address: tabs, theme, limits, and who may open it."""

import os
import secrets
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from impasto import machine
from impasto.errors import OptionError
from impasto.shipped import DEMO
from impasto.studio import look
from impasto.studio.dialing import dial_tab
from impasto.studio.gallery import gallery_tab
from impasto.studio.instant import stylize_tab
from impasto.studio.limits import UPLOAD_BYTES
from impasto.studio.painting import paint_tab
from impasto.studio.pictures import REFUSING
from impasto.studio.service import serve
from impasto.studio.single import reconstruct_tab, texture_tab
from impasto.studio.teaching import train_tab
from impasto.studio.videos import video_tab
from impasto.studio.workshop import Workshop

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OWN = Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"], www_redirect=False)
TITLE = "impasto studio"

# What is on the page: a tab's name and what builds it
TABS: dict[str, Callable[[Workshop, gr.BrowserState, gr.Blocks, gr.Tab], Any]] = {
    "Paint": paint_tab,
    "Dial": dial_tab,
    "Stylize": stylize_tab,
    "Texture": texture_tab,
    "Reconstruct": reconstruct_tab,
    "Video": video_tab,
    "Train": train_tab,
    "Gallery": gallery_tab,
}
HEADER = """
<header class="head"><h1>impasto</h1><p>Paint one picture in the manner of another. Nothing leaves this machine.</p>
<button type="button" class="light" aria-label="Light or dark" title="Light or dark"
onclick="document.body.classList.toggle('dark')">◐</button></header>
"""


def page(workshop: Workshop) -> gr.Blocks:
    """The whole page."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as blocks:
        tickets = gr.BrowserState([], storage_key="impasto-tickets", secret=secrets.token_hex(16))
        gr.HTML(HEADER, elem_classes="head-place", js_on_load=REFUSING)
        built = {}
        with gr.Tabs(elem_classes="tabs") as tabs:
            for name, build in TABS.items():
                with gr.Tab(name, id=name) as tab:
                    built[name] = build(workshop, tickets, blocks, tab)
        built["Dial"].carry_over(built["Paint"], tabs)
        built["Train"](built["Stylize"], tabs)
        serve(workshop)
    return blocks.queue(default_concurrency_limit=4, max_size=400)


def check_access(host: str, user: str | None, password: str | None) -> None:
    """Raises OptionError where others could reach the studio and nobody would ask who they are."""
    if host not in LOOPBACK and not (user and password):
        raise OptionError(
            f"With --host {host} others can reach the studio, so it needs --user NAME and a password in the environment "
            "variable IMPASTO_STUDIO_PASSWORD. Give both, or leave --host out."
        )
    if bool(user) != bool(password):
        raise OptionError(
            "A user needs a password and a password a user: --user and IMPASTO_STUDIO_PASSWORD. Give both."
        )


def launch(
    workshop: Workshop,
    host: str = "127.0.0.1",
    port: int | None = 7860,
    user: str | None = None,
    password: str | None = None,
    browser: bool = False,
) -> tuple[gr.Blocks, str]:
    """Open the page; returns it and its address. The server runs in threads of its own. Raises OptionError."""
    check_access(host, user, password)
    # Without a password a page of somebody else's, whose name was made to lead here, could ask in its visitor's browser
    middleware = [] if user else [OWN]
    os.environ["GRADIO_TEMP_DIR"] = str(workshop.folder / "uploads")
    machine.keep_freed_memory()
    blocks = page(workshop)
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port,
            app_kwargs={"middleware": middleware},
            auth=(user, password) if user and password else None,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            show_error=False,
            footer_links=[],
            max_file_size=UPLOAD_BYTES,
            state_session_capacity=1000,
            theme=look.theme(),
            css_paths=[look.CSS],
            allowed_paths=[str(DEMO)],
            favicon_path=str(Path(__file__).with_name("icon.svg")),
        )
    except OSError as error:
        raise OptionError(f"Port {port} is taken. Choose another --port, or close the studio that has it.") from error
    if browser:
        webbrowser.open(address)
    return blocks, address
