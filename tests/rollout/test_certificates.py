"""Our own authority: made once; certificates made when needed, and only then."""

from __future__ import annotations

import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from provision.errors import OperatorError
from rollout import certificates

AT = datetime.now(UTC)
ADDRESSES = ["198.18.28.156", "198.18.112.156"]


@pytest.fixture
def state(tmp_path):
    assert certificates.authority(tmp_path, name="Agenda test", at=AT)
    return tmp_path


def issue(state, *, addresses=ADDRESSES, at=AT):
    return certificates.host(state, name="web", addresses=addresses, at=at)


def test_the_authority_is_made_once_and_its_key_is_closed(state):
    before = (state / "tls/ca.pem").read_bytes()
    assert not certificates.authority(state, name="another", at=AT)
    assert (state / "tls/ca.pem").read_bytes() == before
    assert (state / "tls/ca.key").stat().st_mode & 0o777 == 0o600


def test_openssl_accepts_the_certificate_for_its_addresses_and_for_no_other(state):
    issue(state)
    check = ["openssl", "verify", "-x509_strict", "-CAfile", f"{state}/tls/ca.pem"]

    def verified(address):
        command = [*check, "-verify_ip", address, f"{state}/tls/web.pem"]
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0

    assert [verified(address) for address in (*ADDRESSES, "198.18.28.157")] == [True, True, False]
    assert (state / "tls/web.key").stat().st_mode & 0o777 == 0o600


def test_certificate_and_key_belong_together(state):
    issue(state)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state / "tls/web.pem", state / "tls/web.key")


@pytest.mark.parametrize(
    ("change", "made"),
    [
        pytest.param({}, False, id="the same again"),
        pytest.param({"addresses": ADDRESSES[:1]}, True, id="another address"),
        pytest.param({"at": AT + timedelta(days=330)}, False, id="67 days before its end"),
        pytest.param({"at": AT + timedelta(days=340)}, True, id="57 days before its end"),
    ],
)
def test_a_certificate_is_made_anew_when(state, change, made):
    issue(state)
    assert issue(state, **change) is made


def test_another_authority_means_another_certificate(state):
    issue(state)
    for name in ("ca.pem", "ca.key"):
        (state / "tls" / name).unlink()
    certificates.authority(state, name="Agenda test", at=AT)
    assert issue(state)


def test_a_missing_key_of_the_authority_is_said_in_two_lines(state):
    (state / "tls/ca.key").unlink()
    with pytest.raises(OperatorError, match=r"ca\.key is missing\n  Next: "):
        issue(state)


@pytest.mark.parametrize(
    ("file", "content", "addresses"),
    [
        ("ca.pem", "garbage", ADDRESSES),
        ("ca.key", "garbage", ADDRESSES),
        ("ca.key", "another's", ADDRESSES),
        ("unrelated", "", ["nonsense"]),
    ],
)
def test_what_cannot_be_signed_is_said_in_two_lines(state, tmp_path, file, content, addresses):
    """A key of another authority would sign what nobody accepts, and anew at each run."""
    certificates.authority(tmp_path / "else", name="Another", at=AT)
    another = (tmp_path / "else/tls/ca.key").read_text()
    (state / "tls" / file).write_text(another if content == "another's" else content)
    with pytest.raises(OperatorError) as error:
        issue(state, addresses=addresses)
    _first, second = str(error.value).splitlines()
    assert second.startswith("  Next: ")


@pytest.mark.parametrize("file", ["web.pem", "web.key"])
@pytest.mark.parametrize("content", ["garbage", "another's", ""])
def test_a_broken_or_strange_half_of_a_pair_is_made_anew(state, file, content):
    """As a run leaves it that was killed between the two."""
    certificates.host(state, name="other", addresses=ADDRESSES, at=AT)
    issue(state)
    another = (state / "tls" / file.replace("web", "other")).read_text()
    (state / "tls" / file).write_text(another if content == "another's" else content)
    assert issue(state)
    assert not issue(state)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state / "tls/web.pem", state / "tls/web.key")


def test_a_state_folder_that_cannot_be_written_is_said_in_two_lines(tmp_path):
    (tmp_path / "file").touch()
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "rollout.certificates",
            "--state",
            tmp_path / "file",
            "--authority",
            "x",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    assert [line[:8] for line in ended.stderr.splitlines()] == ["certific", "  Next: "]


def test_a_certificate_without_names_names_nothing(state):
    """The authority's own has none."""
    assert certificates.names_of(state / "tls/ca.pem") == []


def test_no_host_is_signed_by_another_authority_than_the_inventory_knows(state, tmp_path):
    """A second machine may have made its own before the inventory knew the first."""
    other = tmp_path / "other"
    certificates.authority(other, name="Agenda test", at=AT)
    known = tmp_path / "certificate-authority.txt"
    certificates.record(other, file=known)
    before = sorted((state / "tls").iterdir())

    with pytest.raises(OperatorError, match="\n  Next: ") as error:
        certificates.host(state, name="web", addresses=ADDRESSES, at=AT, known_in=known)

    assert len(str(error.value).splitlines()) == 2
    assert sorted((state / "tls").iterdir()) == before
    certificates.record(state, file=known)
    assert certificates.host(state, name="web", addresses=ADDRESSES, at=AT, known_in=known)


def test_an_inventory_that_knows_no_authority_yet_is_deployed_as_before(state, tmp_path):
    known = tmp_path / "certificate-authority.txt"
    assert certificates.host(state, name="web", addresses=ADDRESSES, at=AT, known_in=known)


@pytest.mark.parametrize("whose", ["known", "another"])
def test_the_program_says_whether_this_machine_has_the_authority(state, tmp_path, whose):
    other = tmp_path / "other"
    certificates.authority(other, name="Agenda test", at=AT)
    known = tmp_path / "certificate-authority.txt"
    certificates.record(state if whose == "known" else other, file=known)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "rollout.certificates",
            "--state",
            str(state),
            "--known",
            str(known),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode == 0) is (whose == "known"), ended.stderr
    assert len(ended.stderr.splitlines()) == (0 if whose == "known" else 2)


@pytest.mark.parametrize("book", ["site", "redeploy"])
def test_a_machine_with_another_authority_is_stopped_before_a_host_is_changed(root, book):
    first = yaml.safe_load((root / f"ansible/{book}.yml").read_text())[0]
    asked = {"name": "certificate", "tasks_from": "known"}
    assert first["tasks"][0]["ansible.builtin.import_role"] == asked


def test_without_an_authority_the_next_step_is_make_secrets(tmp_path):
    with pytest.raises(OperatorError, match="make secrets"):
        issue(tmp_path)


@pytest.fixture
def pair(state):
    """A certificate of our own authority stands for one from elsewhere."""
    certificates.host(state, name="agenda.example.org", addresses=["192.0.2.7"], at=AT)
    return state / "tls/agenda.example.org.pem", state / "tls/agenda.example.org.key"


def test_a_pair_from_elsewhere_that_fits_may_serve(pair):
    certificates.judge(*pair, names=["127.0.0.1", "agenda.example.org"], at=AT)
    certificates.judge(*pair, names=["192.0.2.7"], at=AT)


@pytest.mark.parametrize(
    ("change", "asked", "said"),
    [
        pytest.param("", ("192.0.2.7", 400), "ended on", id="ended"),
        pytest.param("", ("192.0.2.7", -2), "begins only on", id="not yet"),
        pytest.param("", ("192.0.2.8", 0), "this host answers to 192.0.2.8", id="another name"),
        pytest.param("other key", ("192.0.2.7", 0), "does not belong to", id="another's key"),
        pytest.param("open key", ("192.0.2.7", 0), "chmod 600", id="a key that others read"),
        pytest.param("no key", ("192.0.2.7", 0), "No such file", id="no key"),
        pytest.param("no file", ("192.0.2.7", 0), "No such file", id="no certificate"),
        pytest.param("der", ("192.0.2.7", 0), "is not PEM", id="not PEM"),
        pytest.param("not a key", ("192.0.2.7", 0), "no PEM key", id="not a key"),
    ],
)
def test_a_pair_that_would_fail_is_refused_in_two_lines(pair, change, asked, said):
    (file, key), (name, days) = pair, asked
    state = file.parents[1]
    certificates.host(state, name="other", addresses=["192.0.2.7"], at=AT)
    if change == "other key":
        key = state / "tls/other.key"
    elif change == "open key":
        key.chmod(0o644)
    elif change == "no key":
        key.unlink()
    elif change == "no file":
        file.unlink()
    elif change == "der":
        file.write_bytes(b"\x30\x82")
    elif change == "not a key":
        key.write_text("hello")
    with pytest.raises(OperatorError) as refused:
        certificates.judge(file, key, names=[name], at=AT + timedelta(days=days))
    lines = str(refused.value).splitlines()
    assert said in str(refused.value)
    assert len(lines) == 2
    assert lines[1].startswith("  Next: ")


def test_a_name_by_which_a_host_reaches_only_itself_is_not_enough(state):
    """Every host of ours answers to 127.0.0.1 and localhost; nobody else comes by them."""
    own = ["127.0.0.1", "127.8.9.10", "::1"]
    certificates.host(state, name="localhost", addresses=own, at=AT)
    file, key = state / "tls/localhost.pem", state / "tls/localhost.key"
    for_both = r"this host answers to 192\.0\.2\.7, a\.example\.org\n"
    with pytest.raises(OperatorError, match=for_both):
        certificates.judge(
            file, key, names=[*own, "192.0.2.7", "a.example.org", "LOCALHOST"], at=AT
        )


def test_a_wildcard_is_for_one_label():
    assert certificates._covers("*.example.org", "Agenda.example.org")
    assert not certificates._covers("*.example.org", "example.org")
    assert not certificates._covers("*.example.org", "a.b.example.org")
