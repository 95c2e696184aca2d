"""Options and values that the commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from realtime.errors import UsageError

if TYPE_CHECKING:
    from realtime.edits import TimedEdit

Command = TypeVar("Command", bound=Callable[..., Any])


class EditType(click.ParamType):
    """A click, X,Y or X,Y@TIME, or a box, X,Y,W,H or X,Y,W,H@TIME. name: "click", "no-click" or "box"."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TimedEdit:
        from realtime.edits import Subtract, TimedEdit, parse_box, parse_click

        if isinstance(value, TimedEdit):
            return value
        try:
            if self.name == "box":
                return parse_box(value)
            return parse_click(value, Subtract) if self.name == "no-click" else parse_click(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


def model_options(command: Command) -> Command:
    """Which networks work, where, and on what."""
    options = (
        click.option(
            "--segmenter",
            metavar="MODEL",
            default="swift",
            help="The model that finds the targets: a name, a folder or an .onnx file.",
        ),
        click.option(
            "--fill",
            metavar="MODEL",
            default="swift",
            help="The model that invents what no frame shows: a name, a folder, an .onnx file, or 'telea', "
            "the classical way.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            help="Where the models run; of several GPUs CUDA_VISIBLE_DEVICES chooses.",
        ),
        click.option(
            "--runtime",
            type=click.Choice(["auto", "onnxruntime", "tensorrt", "torch"]),
            default="auto",
            help="What runs the models.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def version_option(name: str) -> Callable[[Command], Command]:
    """--version of the command `name`."""

    def tell(context: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not context.resilient_parsing:
            from realtime.report import version

            click.echo(f"{name} {version()}")
            context.exit()

    return click.option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=tell, help="Print the version."
    )
