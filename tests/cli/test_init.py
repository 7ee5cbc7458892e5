"""`wsrouter init`: a folder that runs as it is, and never anything overwritten."""

from __future__ import annotations

import argparse
import json

import yaml

from wsrouter.cli import init


def parse(*argv):
    parser = argparse.ArgumentParser()
    init.add_arguments(parser)
    return parser.parse_args(argv)


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_makes_the_folder_with_a_site_a_plugin_and_its_test(tmp_path, capsys):
    folder = tmp_path / "new" / "site"

    assert init.run(parse(str(folder))) == 0
    assert {"site.yaml", "plugins/hello.py", "tests/test_hello.py", "tests/hello.yaml", "tests/site.yaml", "wsrouter.schema.json"} <= set(files_below(folder))
    assert "greeting" in (folder / "wsrouter.schema.json").read_text("utf-8"), "the schema does not know the plugin"
    assert f"wsrouter run --config {folder / 'site.yaml'}" in capsys.readouterr().out


def test_the_site_names_its_schema_first_and_routes_the_plugin(tmp_path):
    init.run(parse(str(tmp_path)))
    text = (tmp_path / "site.yaml").read_text("utf-8")

    assert text.startswith("# yaml-language-server: $schema=./wsrouter.schema.json\n")
    assert yaml.safe_load(text)["routes"]["/hello"] == "hello"


def test_it_writes_the_schema_with_the_options_of_the_new_plugin(tmp_path):
    init.run(parse(str(tmp_path)))
    definitions = json.loads((tmp_path / "wsrouter.schema.json").read_text("utf-8"))["definitions"]

    assert "history" in definitions["options of broadcast"]["properties"]
    assert definitions["options of hello"]["properties"]["greeting"]["default"] == "Message bien reçu"


def test_it_refuses_a_folder_that_holds_one_of_the_files(tmp_path, capsys):
    site = tmp_path / "site.yaml"
    site.write_text("mine")

    assert init.run(parse(str(tmp_path))) == 1
    assert capsys.readouterr().err == f"{site} exists; nothing was written\n"
    assert files_below(tmp_path) == ["site.yaml"]
