"""/api/v1 at the address of each serving host, asked as a program with a token of the probe's asks.

A web host answers it whether the release behind it is its own or a REST server's.
"""

from __future__ import annotations

import json

from tests.infra import mp3
from tests.infra.conftest import not_proved
from tests.infra.evidence import ERASED_WITHIN_S

PROBLEM = "application/problem+json"


def ask(evidence, server, path, **changes):
    request = {**evidence.site.server(server), "path": path, **changes}
    return evidence.requests(evidence.web_viewpoint(server), [request])[0]


def lived(evidence, host):
    """The life of a task there; not proved where no token is taken without TLS, which is shown."""
    life = evidence.api_life(host)
    made = life.begin["made"]
    if made["status"] == 403 and "plain-http" in made["body"]:
        not_proved("the life of a task over the API", "tokens are refused without TLS, and rightly")
    assert made["status"] == 201, made
    return life


def test_the_api_is_alive_and_describes_itself(answering, evidence):
    assert ask(evidence, answering, "/api/v1/health")["status"] == 200
    schema = ask(evidence, answering, "/api/v1/openapi.json")
    assert (schema["status"], schema["body"][:11]) == (200, '{"openapi":')
    assert ask(evidence, answering, "/api/v1/docs")["status"] == 200


def test_the_api_is_ready(answering, evidence):
    answer = ask(evidence, answering, "/api/v1/ready")
    assert (answer["status"], json.loads(answer["body"])["database"]) == (200, "ok")


def test_a_stranger_gets_a_problem_and_no_page(answering, evidence):
    for path, status in (("/api/v1/tasks", 401), ("/api/v1/nothing-here", 404)):
        answer = ask(evidence, answering, path)
        assert (answer["status"], answer["headers"]["content-type"]) == (status, PROBLEM)
        assert json.loads(answer["body"])["status"] == status
    wrong = ask(evidence, answering, "/api/v1/tasks", headers={"Authorization": "Bearer wrong"})
    assert wrong["status"] in {401, 403}


def test_an_unknown_host_header_gets_400_from_the_api_too(answering, evidence):
    assert ask(evidence, answering, "/api/v1/health", host="evil.example")["status"] == 400


def test_a_token_makes_a_task_and_reads_it(answering, evidence):
    begin = lived(evidence, answering).begin
    assert begin["again"] == {"status": 201, "id": begin["task"]}
    assert begin["read"]["status"] == 200
    assert {"etag", "sunset"} <= begin["read"]["headers"].keys()
    assert (begin["listed"], begin["dumped"]) == (True, True)


def test_without_its_token_a_task_cannot_be_read(answering, evidence):
    begin = lived(evidence, answering).begin
    assert begin["stranger"]["status"] == 401
    assert begin["stranger"]["headers"]["content-type"] == PROBLEM
    assert begin["in_the_address"] == 401


def test_a_task_is_heard_over_the_api(answering, evidence):
    life = lived(evidence, answering)
    assert life.begin["speech"] == {"status": 200, "type": "audio/mpeg"}
    assert mp3.parse(life.audio).seconds > 1


def test_a_task_is_gone_from_the_api_at_its_deadline(answering, evidence):
    watched = lived(evidence, answering).watched
    assert (watched["early"], watched["late"], watched["listed"]) == ([], [], False)
    assert watched["last"]["status"] == 410
    assert watched["last"]["headers"]["content-type"] == PROBLEM


def test_its_audio_is_erased_of_the_host_that_spoke(answering, evidence):
    life = lived(evidence, answering)
    assert life.audio_files, "the sound was found in no file of the cache while the task lived"
    assert life.audio_gone_s is not None, f"still there after {ERASED_WITHIN_S} s"
