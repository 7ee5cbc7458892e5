"""The dashboard and the alerts of deploy/: they name metrics that there are, and Prometheus' own tool accepts and fires them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from wsrouter.api.causes import Reason
from wsrouter.observe.metrics import METRICS, PROCESS_METRICS

HERE = Path(__file__).parent
DEPLOY = HERE.parent.parent / "deploy"
ALERTS = DEPLOY / "alerts.yml"
KEYWORDS = {"sum", "rate", "increase", "by", "histogram_quantile", "label_values", "up", "le", "count", "avg", "max", "min", "for", "on"}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed")


def known_names() -> set[str]:
    """All names that a query may have: a histogram is asked by its parts."""
    parts = [f"{metric.name}{part}" for metric in METRICS if metric.type == "histogram" for part in ("_bucket", "_sum", "_count")]
    return {*(metric.name for metric in METRICS if metric.type != "histogram"), *parts, *PROCESS_METRICS}


def named(query: str) -> set[str]:
    """The metrics of a query: its words outside of braces, brackets and texts."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"|by \([^)]*\)", " ", query)
    if query.startswith("label_values("):
        bare = bare.partition(",")[0]
    return set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", bare)) - KEYWORDS


def promtool(*arguments: str) -> str:
    """What it says.

    Raises:
        AssertionError: if it does not like it.
    """
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60, cwd=HERE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_query_of_the_dashboard_names_metrics_that_there_are():
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]

    assert {query: named(query) - known_names() for query in queries if not named(query) or named(query) - known_names()} == {}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for query in queries for name in named(query)}
    forgotten = {metric.name for metric in METRICS} - shown
    assert forgotten == {"wsrouter_config_last_reload_success_timestamp_seconds"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_each_alert_names_metrics_that_there_are_and_words_of_their_lists():
    rules = [rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]]

    assert {rule["alert"]: named(rule["expr"]) - known_names() for rule in rules if named(rule["expr"]) - known_names()} == {}
    reasons = {reason for rule in rules for reason in re.findall(r'reason="([^"]*)"', rule["expr"])}
    assert reasons <= {reason.value for reason in Reason}
    assert all(rule["annotations"]["summary"] and rule["annotations"]["description"] for rule in rules)


def test_a_name_that_there_is_not_is_found():
    assert named('sum by (route) (rate(wsrouter_conections{route=~"$route"}[5m]))') - known_names() == {"wsrouter_conections"}


@needs_promtool
def test_promtool_accepts_the_alerts():
    assert "SUCCESS: 8 rules found" in promtool("check", "rules", str(ALERTS))


@needs_promtool
def test_promtool_fires_each_alert_and_none_for_a_daemon_that_is_well():
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")
    tested = set(re.findall(r"alertname=\"(\w+)\"", (HERE / "alerts_test.yml").read_text("utf-8")))
    assert tested == set(re.findall(r"- alert: (\w+)", ALERTS.read_text("utf-8")))
