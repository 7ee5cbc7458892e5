"""`wsrouter completion`: scripts that know the subcommands."""

from __future__ import annotations

import argparse
import shutil
import subprocess

import pytest

from wsrouter.cli import completion


def make_parser():
    parser = argparse.ArgumentParser(prog="wsrouter")
    commands = parser.add_subparsers()
    for name in ("check", "completion"):
        commands.add_parser(name)
    return parser


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_script_of_each_shell_knows_the_subcommands(shell, capsys):
    assert completion.run(argparse.Namespace(shell=shell, make_parser=make_parser)) == 0
    out = capsys.readouterr().out
    assert "wsrouter" in out
    assert "check" in out


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_completes_a_subcommand_with_it(capsys):
    completion.run(argparse.Namespace(shell="bash", make_parser=make_parser))
    script = capsys.readouterr().out + '\nCOMP_WORDS=(wsrouter che); COMP_CWORD=1; _shtab_wsrouter; echo "${COMPREPLY[@]}"\n'

    assert subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True).stdout == "check\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_accepts_the_script_of_the_whole_command_line(wsrouter):
    code, out, err = wsrouter("completion", "bash")

    assert (code, err) == (0, "")
    assert subprocess.run(["bash", "-n"], input=out, capture_output=True, text=True, check=True).stderr == ""
    complete = out + '\nCOMP_WORDS=(wsrouter run --l); COMP_CWORD=2; _shtab_wsrouter; echo "${COMPREPLY[@]}"\n'
    assert subprocess.run(["bash"], input=complete, capture_output=True, text=True, check=True).stdout == "--listen\n"
