"""A group of commands that imports the module of a command when the command is called or its help is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup

from services.cli.extras import missing_extra_reported


class LazyCommand(TyperCommand):
    """A command's name and its line in the list of commands, without its code."""

    def __init__(self, entry: EntryPoint, line: str) -> None:
        super().__init__(entry.name, help=line)
        self._entry = entry

    def load(self) -> Any:
        """Import the command and return it, a single command or a group."""
        parent = typer.Typer(add_completion=False)
        parent.callback()(lambda: None)  # with a callback, Typer makes a group also of a single command
        code = self._entry.load()
        if isinstance(code, typer.Typer):
            parent.add_typer(code, name=self._entry.name)
        else:
            parent.command(name=self._entry.name)(code)
        group: Any = typer.main.get_command(parent)
        return group.commands[self._entry.name]


class LazyGroup(TyperGroup):
    """A group whose commands are known by name and help line, and loaded one at a time."""

    def __init__(self, lazy_commands: Iterable[LazyCommand], **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in lazy_commands:
            self.add_command(command)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if isinstance(command, LazyCommand):
            command = self.commands[cmd_name] = command.load()
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help text from the names and help lines alone."""
        listing = TyperGroup(
            name=self.name,
            help=self.help,
            params=self.params,
            commands=dict(self.commands),
            rich_markup_mode=self.rich_markup_mode,
        )
        listing.format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        with missing_extra_reported():
            return super().invoke(ctx)
