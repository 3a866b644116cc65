"""The verbs of `prsctl admin`: for whoever runs a daemon."""

from pathlib import Path
from typing import Annotated

import typer

from prsctl.arguments import APP_OPTIONS, Data, Form, Server, end
from prsctl.options import Format, Whereabouts

admin = typer.Typer(help="For whoever runs a daemon: its condition, backup, restore.", **APP_OPTIONS)  # type: ignore[arg-type]


@admin.command("condition")
def admin_condition(output: Form = Format.TABLE, server: Server = None, data: Data = None) -> None:
    """Show whether the daemon takes new work, and how far its log goes."""
    from prsctl.admin import show_condition

    end(show_condition(Whereabouts(server, data), output))


@admin.command("backup")
def admin_backup(
    to: Annotated[Path, typer.Argument(metavar="TO", help="The folder to make; it must not exist yet.")],
    server: Server = None,
    data: Data = None,
) -> None:
    """Copy the daemon's state while it works: its log and the code snapshots, but no outputs, segments or logs."""
    from prsctl.admin import backup

    end(backup(to, Whereabouts(server, data)))


@admin.command("restore")
def admin_restore(
    backup: Annotated[Path, typer.Argument(metavar="FROM", help="A folder made by `prsctl admin backup`.")],
    data: Annotated[Path, typer.Option(help="The data folder to restore; no daemon may run on it.")],
) -> None:
    """Put a backup in the place of a data folder's state; what was recorded since then runs again."""
    from prsctl.admin import restore

    end(restore(backup, data))
