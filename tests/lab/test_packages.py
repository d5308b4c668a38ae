"""Where the packages come from: this machine's own configuration, whatever its shape."""

from __future__ import annotations

import pytest

from lab.packages import (
    Source,
    debian_sources,
    machine_codename,
    mirror_uri,
    package_hosts,
    translate,
)

# What `apt-get indextargets` says of Debian's own repositories, whatever the format of their file.
TOLD = """\
http://mirror.example/debian/ bookworm
http://mirror.example/debian/ bookworm-updates
https://security.example/debian-security/ bookworm-security
"""


def test_another_release_is_taken_from_the_same_places():
    assert [source.line() for source in translate(TOLD, own="bookworm", release="trixie")] == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb https://security.example/debian-security trixie-security main",
    ]


@pytest.mark.parametrize("codename", ["sid", "bookworm-backports", "$(CODENAME)"])
def test_what_is_not_the_release_itself_is_left_out(codename):
    assert translate(f"http://x.example {codename}", own="bookworm", release="trixie") == ()


def test_a_repository_named_twice_is_taken_once():
    assert translate(TOLD + TOLD, own="bookworm", release="bookworm") == translate(
        TOLD, own="bookworm", release="bookworm"
    )


def test_this_machines_own_repositories_are_found():
    own = machine_codename()

    assert debian_sources(own)[0].suite == own


def test_a_mirror_list_gives_its_first_mirror(tmp_path):
    (tmp_path / "list").write_text("# mirrors\nhttps://one.example/debian\nhttps://two.example/d\n")

    assert mirror_uri(f"mirror+file:{tmp_path}/list") == "https://one.example/debian"


def test_hosts_are_named_once():
    uris = ["http://a.example/debian", "https://a.example:8443/security", "http://b.example/"]

    assert package_hosts(Source(uri, "x") for uri in uris) == ("a.example", "b.example")
