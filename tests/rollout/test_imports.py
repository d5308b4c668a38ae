"""`make import`: whatever form the old agenda comes in, the same people and tasks are sent."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import nullcontext

import pytest
import yaml

from provision.errors import OperatorError
from rollout import imports
from rollout.old_tables import tables_of
from tests.rollout.old_agenda import FORMS, PBKDF2, TASKS, USERS, dumpdata, mysql


def proposal(tables):
    return yaml.safe_load(imports.proposed(tables, "old"))


def sent(file, folder, **changes):
    tables = tables_of(file)
    told = proposal(tables)
    told["tasks"]["priorities"] = {"high": 2}
    told["tasks"] |= changes
    (folder / "map.yml").write_text(yaml.safe_dump(told))
    return imports.records(imports.read_plan(folder / "map.yml", tables), tables)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_of_one_agenda_gives_the_same_people_and_tasks(form, tmp_path):
    given = sent(form(tmp_path), tmp_path)
    assert [one["username"] for one in given["users"]] == ["Alice", "bob", "élodie", "two words"]
    assert given["users"][0] == {
        **{"key": "1", "username": "Alice", "password": PBKDF2, "email": "alice@example.org"},
        **{"is_active": True, "date_joined": "2019-09-02T07:00:00+00:00"},
    }
    assert given["users"][2]["is_active"] is False
    first, done, *_ = given["tasks"]
    assert first == {
        **{"key": "10", "owner": "1", "title": TASKS[0][2], "notes": "a\tb\r\nc", "tags": []},
        **{"deadline_at": "2035-01-02T17:00:00+00:00", "is_done": False, "priority": 2},
    }
    assert (done["is_done"], done["priority"]) == (True, 0)
    # A date alone is a day on people's own wall clock.
    assert given["tasks"][3]["deadline_at"] == "2035-06-30T23:59:00"
    assert given["tasks"][4]["deadline_at"] is None
    assert (len(given["users"]), len(given["tasks"])) == (len(USERS), len(TASKS))


def test_what_is_missing_in_the_old_agenda_is_said_in_the_mapping(tmp_path):
    given = sent(mysql(tmp_path), tmp_path, otherwise="2036-01-01T12:00", day_ends="18:00")
    assert given["tasks"][4]["deadline_at"] == "2036-01-01T12:00:00"
    assert given["tasks"][3]["deadline_at"] == "2035-06-30T18:00:00"


def test_an_owner_by_name_is_found_too(tmp_path):
    file = dumpdata(tmp_path)
    objects = json.loads(file.read_text())
    for one in objects:
        if one["model"] == "todo.task":
            one["fields"]["user"] = ["Alice"]
    file.write_text(json.dumps(objects))
    assert {one["owner"] for one in sent(file, tmp_path)["tasks"]} == {"Alice"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": {"deadline": "nope"}}, "tasks.deadline: todo_task has no column 'nope' (id, "),
        ({"users": {"table": "people"}}, "users.table: no rows in 'people'; there are: auth_user"),
        ({"zone": "Europe/Atlantis"}, "Atlantis"),
        ({"tasks": {"colour": "x"}}, "tasks.colour: Extra inputs"),
        ({"tasks": {"day_ends": "25:00"}}, "tasks.day_ends"),
    ],
)
def test_a_mistaken_mapping_is_refused_with_what_there_is(changes, said, tmp_path):
    tables = tables_of(mysql(tmp_path))
    told = proposal(tables)
    for name, value in changes.items():
        told[name] = {**told[name], **value} if isinstance(value, dict) else value
    (tmp_path / "map.yml").write_text(yaml.safe_dump(told))
    with pytest.raises(OperatorError) as refused:
        imports.read_plan(tmp_path / "map.yml", tables)
    assert said in refused.value.problem
    assert PBKDF2 not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PGDMP\x01\x0e\x00\xff",
        b"[{]",
        b"[1]",
        b"hello",
        b"INSERT INTO t VALUES (now());\n",
        b"CREATE TABLE `t` (\n  `a` int\n) ;\nINSERT INTO `t` VALUES (1,2);\n",
        b"PRAGMA foreign_keys=OFF;\nATTACH 'x.db' AS x;\n",
        b"SQLite format 3\0 and no more",
    ],
)
def test_what_is_no_dump_is_said_in_two_lines(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "dump.sql"
    file.write_bytes(content)
    with pytest.raises(OperatorError) as refused:
        tables_of(file)
    assert len(str(refused.value).splitlines()) == 2
    assert not (tmp_path / "x.db").exists()
    with pytest.raises(OperatorError, match="cannot be read"):
        tables_of(tmp_path)


class Site:
    """Stands for the hosts: answers as agenda_import does, and notes what it was asked."""

    def __init__(self, *, lost=0):
        self.asked, self.lost = [], lost

    def first(self, group):
        return group

    def run(self, _host, *command, stdin, **_):
        self.asked.append(command[2:])
        there = len(json.loads(stdin)["tasks"])
        told = {"accounts": {"new": 4}, "tasks": {"new": there}, "remarks": ["task 14: none"]}
        told["counted"] = [4, there - self.lost]
        return Namespace(stdout=json.dumps(told), stderr="", returncode=0)


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = mysql(tmp_path)
    words = {"env": "lab", "source": str(file), "yes": True, "confirm": ""}
    return Namespace(map="", **words)


def test_without_a_mapping_one_is_proposed_and_never_written_over(asked, tmp_path):
    mapping = tmp_path / "mysql.sql.mapping.yml"
    with pytest.raises(OperatorError, match=r"auth_user \(4\), todo_task \(8\)"):
        imports.act(asked)
    assert yaml.safe_load(mapping.read_text())["tasks"] == {
        **{"table": "todo_task", "owner": "user_id", "title": "title", "deadline": "due_date"},
        **{"notes": "description", "done": "completed", "priority": "priority"},
    }
    mapping.write_text("mine")
    with pytest.raises(OperatorError):
        imports.act(asked)
    assert mapping.read_text() == "mine"


@pytest.mark.parametrize("lost", [0, 1])
def test_it_is_tried_first_and_counted_after(asked, tmp_path, monkeypatch, capsys, lost):
    site = Site(lost=lost)
    monkeypatch.setattr(imports, "Hosts", lambda _: nullcontext(site))
    with pytest.raises(OperatorError):
        imports.act(asked)
    asked.map = "mysql.sql.mapping.yml"
    if lost:
        with pytest.raises(OperatorError, match="were to be added"):
            imports.act(asked)
    else:
        assert imports.act(asked) == "4 accounts and 8 tasks added, and counted there"
    assert site.asked == [("--dry-run",), ()]
    assert "tasks     8 in the old agenda: 8 new\n  task 14: none" in capsys.readouterr().out


def test_nothing_is_written_where_nobody_says_yes(asked, monkeypatch):
    site = Site()
    monkeypatch.setattr(imports, "Hosts", lambda _: nullcontext(site))
    with pytest.raises(OperatorError):
        imports.act(asked)
    asked.map, asked.yes = "mysql.sql.mapping.yml", False
    with pytest.raises(OperatorError, match="nobody is here to ask"):
        imports.act(asked)
    assert site.asked == [("--dry-run",)]
