"""A task as its user knows it: added, heard, gone at its deadline, erased soon after."""

from __future__ import annotations

from tests.infra import mp3
from tests.infra.evidence import ERASED_WITHIN_S

SPOKEN_WITHIN_S = 4.0


def test_a_task_is_heard(web, evidence):
    begin = evidence.life(web).begin
    assert (begin["status"], begin["type"]) == (200, "audio/mpeg")
    assert begin["voice"] in {"google", "local"}
    assert mp3.parse(evidence.life(web).audio).seconds > 1
    assert begin["seconds"] <= SPOKEN_WITHIN_S


def test_a_task_is_gone_from_every_answer_at_its_deadline(web, evidence):
    life = evidence.life(web)
    assert "/agenda" in life.begin["paths"]
    assert any(life.begin["task"] in path for path in life.begin["paths"])
    assert (life.watched["early"], life.watched["late"]) == ([], [])


def test_its_row_is_erased(web, evidence):
    life = evidence.life(web)
    assert life.row_was_there
    assert life.row_gone_s is not None, f"still there after {ERASED_WITHIN_S} s"
    # -1, now and then: more than can be searched (on_host/rows.py).
    assert life.rows_that_held_it != 0, "the search does not find the words while the row is there"
    assert life.rows_that_hold_it <= 0


def test_its_audio_is_erased(web, evidence):
    life = evidence.life(web)
    assert life.audio_files, "the sound was found in no file of the cache while the task lived"
    assert life.audio_gone_s is not None, f"still there after {ERASED_WITHIN_S} s"


def test_no_row_of_the_probe_is_left(web, evidence):
    assert evidence.life(web).probe_rows_left <= 0


def test_no_log_and_no_open_file_holds_the_tasks_words(host, site, evidence):
    for web in site.of("web"):
        evidence.life(web)
    for serving in site.answering_the_api:
        evidence.api_life(serving)
    assert evidence.traces(host) == []
