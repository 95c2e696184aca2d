"""The README is true: its commands exist, its Python runs, its links lead somewhere."""

from __future__ import annotations

import re

import click
import pytest

from realtime.cli import command as video
from realtime.live.cli import command as live
from tests.cli.command import ROOT
from tests.cli.media import clip

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = {"erase-video": video, "erase-live": live}
LINKS = [
    (page.relative_to(ROOT).as_posix(), *link)
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for link in dict.fromkeys(re.findall(r"\]\(([^)#]+)(#[^)]+)?\)", page.read_text(encoding="utf-8")))
]


def named(text: str) -> set[str]:
    """The options in a text."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def known(command: click.Command) -> set[str]:
    """The options that a command has."""
    return {name for parameter in command.params for name in parameter.opts} | {"--help"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_of_a_command_line_is_one_of_that_program(program):
    lines = re.findall(rf"^ +{program} .*$", README, re.MULTILINE)
    assert lines
    assert named("".join(lines)) <= known(PROGRAMS[program])


def test_every_option_that_the_readme_names_is_one_of_a_program():
    assert named(README) <= known(video) | known(live)


def test_the_python_example_runs(tmp_path, monkeypatch):
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    clip(tmp_path / "in.mp4", 6)
    monkeypatch.chdir(tmp_path)
    exec(compile(example.group(1), "README.md", "exec"), {})
    assert (tmp_path / "out.mp4").is_file()


@pytest.mark.parametrize(("page", "link", "heading"), LINKS)
def test_every_link_leads_to_a_file_and_a_heading_of_it(page, link, heading):
    target = (ROOT / page).parent / link
    assert target.exists()
    if heading:
        titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert heading in {"#" + re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_makefile_has_the_targets_that_the_readme_names():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^ +make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
