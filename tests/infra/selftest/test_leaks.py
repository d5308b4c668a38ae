"""Where the search for leaks looks: in a tree made here."""

from __future__ import annotations

import pytest

from tests.infra.on_host import leaks


@pytest.mark.parametrize(
    ("place", "mode", "is_searched"),
    [
        ("etc/motd", 0o644, True),
        ("etc/agenda/secret_key", 0o640, False),
        ("var/log/mysql/error.log", 0o640, True),
        # general_log writes each statement there, passwords and all.
        ("var/lib/mysql/ct-database.log", 0o660, True),
        ("var/lib/dpkg/status", 0o644, False),
    ],
)
def test_what_others_may_read_is_searched_and_every_log(tmp_path, place, mode, is_searched):
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.touch(mode)
    file.chmod(mode)
    assert list(leaks.to_search(str(tmp_path))) == [file] * is_searched


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 25])
def test_a_long_file_is_searched_to_its_end_and_across_the_pieces(tmp_path, monkeypatch, size):
    monkeypatch.setattr(leaks, "CHUNK_BYTES", 10)
    monkeypatch.setattr(leaks, "OVERLAP_BYTES", 4)
    file = tmp_path / "log"
    data = bytes(range(size))
    file.write_bytes(data)
    found = list(leaks.pieces(file))
    for start in range(max(0, size - 3)):
        assert any(data[start : start + 4] in piece for piece in found), start
