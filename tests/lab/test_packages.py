"""Where the packages come from: this machine's own configuration, whatever its shape."""

from __future__ import annotations

import pytest

from lab.packages import (
    Source,
    mirror_uri,
    package_hosts,
    parse_sources,
    translate,
)

DEB822 = """\
# A comment, with a colon: in it
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://security.example/debian-security
Suites: bookworm-security
Components: main
Enabled: yes

Types: deb
URIs: https://vendor.example/apt
Suites: bookworm
Components: main
Signed-By: /etc/apt/keyrings/vendor.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""
LINES = """\
# deb http://old.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib # a comment
deb [arch=amd64 signed-by=/x/debian-archive-keyring.gpg] http://s.example/d bookworm-security main
deb [signed-by=/etc/apt/keyrings/vendor.gpg] https://vendor.example/apt bookworm main
deb-src http://mirror.example/debian bookworm main
"""


def test_deb822_gives_debians_own_binary_repositories():
    found = parse_sources(DEB822, deb822=True)

    assert [(source.uri, source.suite) for source in found] == [
        ("http://mirror.example/debian", "bookworm"),
        ("http://mirror.example/debian", "bookworm-updates"),
        ("https://security.example/debian-security", "bookworm-security"),
    ]
    assert found[0].components == ("main", "contrib")


def test_one_line_format_gives_the_same():
    found = parse_sources(LINES, deb822=False)

    assert [(source.uri, source.suite) for source in found] == [
        ("http://mirror.example/debian", "bookworm"),
        ("http://s.example/d", "bookworm-security"),
    ]


def test_another_release_is_taken_from_the_same_places():
    found = translate(parse_sources(DEB822, deb822=True), own="bookworm", release="trixie")

    assert [source.line() for source in found] == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb https://security.example/debian-security trixie-security main",
    ]


@pytest.mark.parametrize(
    "source",
    [
        Source("http://vendor.example", "stable", ("main",)),
        Source("http://vendor.example", "bookworm", ("nginx",)),
        Source("http://vendor.example", "bookworm-backports", ("main",)),
    ],
    ids=["another suite", "another component", "backports"],
)
def test_what_is_not_the_release_itself_is_left_out(source):
    assert translate([source], own="bookworm", release="trixie") == ()


def test_a_repository_named_twice_is_taken_once():
    twice = [Source("http://mirror.example/debian", "bookworm", ("main",))] * 2

    assert len(translate(twice, own="bookworm", release="bookworm")) == 1


def test_a_mirror_list_gives_its_first_mirror(tmp_path):
    (tmp_path / "list").write_text("# mirrors\nhttps://one.example/debian\nhttps://two.example/d\n")

    assert mirror_uri(f"mirror+file:{tmp_path}/list") == "https://one.example/debian"


def test_hosts_are_named_once():
    uris = ["http://a.example/debian", "https://a.example:8443/security", "http://b.example/"]

    assert package_hosts(Source(uri, "x", ()) for uri in uris) == ("a.example", "b.example")
