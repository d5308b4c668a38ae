"""The contract is exact: what it allows is accepted, what is answered it names."""

from __future__ import annotations

import json

import pytest
import schemathesis

from api.v1 import api as v1
from tests.app.api.program import task

pytestmark = pytest.mark.django_db
ALWAYS = {"400", "401", "403", "406", "429", "503"}
OF_A_BODY = {"411", "413", "415", "422"}


@pytest.fixture
def operations():
    return {o["operationId"]: o for path in v1.contract["paths"].values() for o in path.values()}


def test_it_is_openapi_and_names_nothing_that_is_not_used():
    schemathesis.openapi.from_dict(v1.contract, config=schemathesis.Config()).validate()
    text = json.dumps(v1.contract)
    for name in v1.contract["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


@pytest.mark.parametrize(
    ("operation", "errors"),
    [
        ("list_tasks", ALWAYS | {"404", "414", "422"}),
        ("create_task", ALWAYS | OF_A_BODY | {"409", "410"}),
        ("read_task", ALWAYS | {"404", "410"}),
        ("replace_task", ALWAYS | OF_A_BODY | {"404", "410", "412", "428"}),
        ("change_task", ALWAYS | OF_A_BODY | {"404", "410", "412", "428"}),
        ("keep_task", ALWAYS | OF_A_BODY | {"404", "410", "412", "428"}),
        ("finish_task", ALWAYS | {"404", "410", "412", "428"}),
        ("undo_task", ALWAYS | {"404", "410"}),
        ("remove_task", ALWAYS | {"404", "410", "412", "428"}),
        ("dump_tasks", ALWAYS | {"422"}),
        ("hear_task", ALWAYS | {"404", "410", "416"}),
        ("hear_day", ALWAYS | {"416"}),
        ("read_me", ALWAYS),
        ("list_tokens", ALWAYS),
        ("revoke_token", ALWAYS | {"404", "409"}),
        ("health", {"400", "406"}),
        ("ready", {"400", "406", "503"}),
    ],
)
def test_an_operation_names_the_errors_it_answers_and_no_other(operations, operation, errors):
    assert {status for status in operations[operation]["responses"] if status >= "400"} == errors


def test_a_parameter_is_left_out_and_never_null_or_empty(operations):
    schemas = {
        f"{name} {parameter['name']}": parameter["schema"]
        for name, operation in operations.items()
        for parameter in operation["parameters"]
    }
    assert {kind for kind, schema in schemas.items() if "type" not in schema} == set()
    defaults = {name: schema["default"] for name, schema in schemas.items() if "default" in schema}
    assert defaults == {"list_tasks limit": 50, "list_tasks sort": "deadline"}
    assert "Range" in {parameter["name"] for parameter in operations["hear_day"]["parameters"]}


def test_headers_that_clients_need_are_named(operations, api, add):
    add(), add()
    made = api.post("/tasks", task())
    for name, status, answer in (
        ("create_task", "201", made),
        ("read_task", "200", api.get(made["Location"])),
        ("change_task", "200", api.patch(made["Location"], {}, If_Match="*")),
        ("list_tasks", "200", api.get("/tasks?limit=1")),
        ("hear_task", "206", api.get(f"{made['Location']}/speech", Range="bytes=0-3")),
        ("hear_task", "416", api.get(f"{made['Location']}/speech", Range="bytes=9999999-")),
        ("change_task", "412", api.patch(made["Location"], {}, If_Match='"x"')),
        ("create_task", "415", api.post("/tasks", {}, Content_Type="text/plain")),
        ("read_me", "401", api.get("/me", Authorization="")),
    ):
        named = set(operations[name]["responses"][status]["headers"])
        assert str(answer.status_code) == status
        assert named - {"Idempotent-Replayed"} <= set(answer.headers), name
        useful = {"ETag", "Link", "Location", "Sunset", "Content-Range", "WWW-Authenticate"}
        assert useful & set(answer.headers) <= named, name


@pytest.mark.parametrize("tag", [" projet", "projet ", "pro jet", "\tprojet", "#", "_projet", ""])
def test_a_tag_is_refused_that_the_contract_refuses(api, tag):
    assert api.post("/tasks", task(tags=[tag])).status_code == 422
