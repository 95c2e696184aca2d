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


def test_every_option_that_the_readme_names_is_in_the_help():
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) - {"--help"}
    known = "".join(command.get_help(click.Context(command)) for command in (video, live))
    assert used
    assert all(option in known for option in used)


def test_the_python_example_runs(tmp_path, monkeypatch):
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    clip(tmp_path / "in.mp4", 6)
    monkeypatch.chdir(tmp_path)
    exec(compile(example.group(1), "README.md", "exec"), {})
    assert (tmp_path / "out.mp4").is_file()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_every_link_leads_to_a_file(link):
    assert (ROOT / link).exists()


def test_the_makefile_has_the_targets_that_the_readme_names():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^ +make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
