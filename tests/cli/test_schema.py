"""`wsrouter schema`: JSON Schema on stdout or in a file, with the plugins of folders."""

from __future__ import annotations

import json

PLUGIN = "print('noise')\n\nasync def greeter(websocket, *, greeting: str = 'hello'): ...\n"


def test_it_is_json_on_stdout(wsrouter):
    code, out, err = wsrouter("schema")

    assert (code, err) == (0, "")
    assert json.loads(out)["title"] == "A site of wsrouter"


def test_plugins_are_in_it_and_what_they_print_is_not(wsrouter, write):
    write("plugins/greeter.py", PLUGIN)
    code, out, err = wsrouter("schema", "--plugins", "plugins")

    assert (code, err) == (0, "noise\n")
    json.loads(out)
    assert "greeting" in out


def test_it_goes_to_a_file(wsrouter, here):
    assert wsrouter("schema", "-o", "out.json") == (0, "", "")
    assert json.loads((here / "out.json").read_text("utf-8"))["title"] == "A site of wsrouter"


def test_a_file_that_cannot_be_written_and_a_folder_that_is_not_there_are_one_line(wsrouter):
    assert wsrouter("schema", "-o", "no/out.json") == (1, "", "cannot write no/out.json: No such file or directory\n")
    assert wsrouter("schema", "--plugins", "no").code == 1


def test_a_plugin_that_cannot_be_had_is_told_of_and_left_out(wsrouter, write):
    write("plugins/broken.py", "1/0\n")
    code, out, err = wsrouter("schema", "--plugins", "plugins")

    assert code == 0
    json.loads(out)
    assert err == "plugins/broken.py:1:1: importing it raised ZeroDivisionError: division by zero\n"
