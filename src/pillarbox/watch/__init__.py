"""Watching the server: what becomes of its events.

Rules: this package reads events and nothing else; nothing flows back into the server. Events themselves are in
`pillarbox.events`.
"""

from pillarbox.watch.clean import clean
from pillarbox.watch.render import HumanLines, JsonLines, LogSink, Renderer, open_target, renderer

__all__ = ["HumanLines", "JsonLines", "LogSink", "Renderer", "clean", "open_target", "renderer"]
