from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.certificates import Authority
from wsrouter.config.certificates import expires_at
from wsrouter.config.problems import Problems
from wsrouter.config.site_file import load_site_file


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def check(tmp_path):
    """The problems of a site in a folder whose listener has this `tls`."""

    class NoHandlers:
        def find(self, name):
            raise AssertionError(name)

    def check_tls(tls):
        path = tmp_path / "site.yaml"
        path.write_text(f"server:\n  listen: {{address: 127.0.0.1:0, tls: {{{tls}}}}}\nroutes: {{}}\n")
        problems = Problems()
        load_site_file(path, make_finder=lambda folders: NoHandlers(), pattern_params=lambda text: (), environ={}, problems=problems)
        return [str(problem).partition("site.yaml:")[2] for problem in problems if problem.place.line == 2]

    return check_tls


@pytest.fixture
def pair(authority, tmp_path):
    cert, key = authority.sign("site")
    cert.rename(tmp_path / "c.pem")
    key.rename(tmp_path / "k.pem")
    return tmp_path


def test_a_good_pair_beside_the_site_is_right(check, pair, authority):
    assert [] == check(f"cert: c.pem, key: k.pem, client_ca: {authority.path}")


def test_each_missing_file_is_a_problem_at_its_key(check, tmp_path):
    assert [
        f"2:46: cert: there is no file {tmp_path}/c.pem",
        f"2:58: key: there is no file {tmp_path}/k.pem",
        f"2:76: client_ca: there is no file {tmp_path}/ca.pem",
    ] == check("cert: c.pem, key: k.pem, client_ca: ca.pem")


def test_a_key_of_another_certificate_is_a_problem(check, pair, authority):
    _, other = authority.sign("other")
    assert [f"2:58: key: {other} does not belong to the certificate {pair}/c.pem"] == check(f"cert: c.pem, key: {other}")


def test_files_that_are_mixed_up_or_hold_something_else_are_problems(check, pair):
    (pair / "nonsense.pem").write_text("nonsense")
    (only,) = check("cert: nonsense.pem, key: k.pem")
    assert f"cert: {pair}/nonsense.pem holds no certificate in PEM" in only
    (only,) = check("cert: k.pem, key: c.pem")
    assert f"cert: {pair}/k.pem holds no certificate in PEM" in only
    (only,) = check("cert: c.pem, key: nonsense.pem")
    assert f"key: {pair}/nonsense.pem holds no private key in PEM" in only
    (only,) = check("cert: c.pem, key: k.pem, client_ca: nonsense.pem")
    assert f"client_ca: {pair}/nonsense.pem holds no certificate in PEM" in only
    (only,) = check("cert: c.pem, key: .")
    assert "key: " in only


def test_an_encrypted_key_is_a_problem_and_nobody_is_asked_for_its_password(check, pair):
    (pair / "e.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    (only,) = check("cert: c.pem, key: e.pem")
    assert "is encrypted" in only


@pytest.mark.parametrize(("days", "said"), [(-1, "expired on"), (3, "expires on")])
def test_a_certificate_that_has_expired_or_soon_will_is_a_warning(check, authority, tmp_path, days, said):
    try:
        cert, key = authority.sign("old", days=days)
    except Exception:
        pytest.skip("this openssl makes no certificate that has expired")
    (only,) = check(f"cert: {cert}, key: {key}")
    assert f"warning: cert: {cert} {said} 2" in only


def test_the_time_is_that_of_the_certificate(authority):
    import ssl

    cert, _ = authority.sign("dated", days=20)
    until = expires_at(ssl.PEM_cert_to_DER_cert(Path(cert).read_text()))
    assert abs(until - (datetime.now(UTC) + timedelta(days=20))) < timedelta(hours=1)
    der = ssl.PEM_cert_to_DER_cert(Path(cert).read_text())
    for size in range(0, len(der), 7):
        with pytest.raises(ValueError, match="certificate"):
            expires_at(der[:size])
