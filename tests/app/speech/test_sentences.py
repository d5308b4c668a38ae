from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from speech import sentences
from speech.sentences import Part, Spoken

PARIS = ZoneInfo("Europe/Paris")


def text(sentence):
    return "".join(part.text for part in sentence)


AT = datetime(2026, 11, 24, 9, 0, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("code", "language"),
    [("fr", "fr"), ("fr-ca", "fr"), ("FR", "fr"), ("en-gb", "en"), ("de", "en"), (None, "en")],
)
def test_what_is_not_french_is_spoken_in_english(code, language):
    assert sentences.spoken_language(code) == language


@pytest.mark.parametrize(
    ("title", "left", "language", "sentence"),
    [
        pytest.param(
            "rendre le TP3",
            timedelta(hours=9),
            "fr",
            "Rendre le TP trois, aujourd'hui à dix-huit heures.",
            id="a task of today",
        ),
        pytest.param(
            "rendre le TP3",
            timedelta(minutes=20),
            "fr",
            "Rendre le TP trois, aujourd'hui à neuf heures vingt, dans vingt minutes.",
            id="in the last hour the time left is said",
        ),
        pytest.param(
            "Réviser",
            timedelta(hours=1),
            "fr",
            "Réviser, aujourd'hui à dix heures, dans une heure.",
            id="exactly one hour is near",
        ),
        pytest.param(
            "Réviser",
            timedelta(hours=1, seconds=1),
            "fr",
            "Réviser, aujourd'hui à dix heures.",
            id="a second more is not",
        ),
        pytest.param(
            "Prêt ?",
            timedelta(days=1),
            "fr",
            "Prêt ? Demain à neuf heures.",
            id="a question stays one",
        ),
        pytest.param(
            "call the bank",
            timedelta(hours=5, minutes=30),
            "en",
            "Call the bank, today at two thirty p.m.",
            id="English does not double the full stop",
        ),
        pytest.param(
            "", timedelta(hours=9), "en", "Untitled, today at six p.m.", id="nothing to say"
        ),
    ],
)
def test_task_sentences(title, left, language, sentence):
    said = sentences.task_sentence(title=title, deadline_at=AT + left, at=AT, language=language)

    assert text(said) == sentence


def tasks(*titles):
    return [
        Spoken(title=title, deadline_at=AT.replace(hour=14, minute=30) + timedelta(hours=i))
        for i, title in enumerate(titles)
    ]


@pytest.mark.parametrize(
    ("titles", "language", "sentence"),
    [
        ([], "fr", "Aujourd'hui mardi vingt-quatre novembre, aucune tâche."),
        ([], "en", "Today, Tuesday the twenty-fourth of November, no tasks."),
        (
            ["TP3"],
            "fr",
            "Aujourd'hui mardi vingt-quatre novembre, une tâche."
            " À quatorze heures trente : TP trois.",
        ),
        (
            ["TP3"],
            "en",
            "Today, Tuesday the twenty-fourth of November, one task. At two thirty p.m.: TP three.",
        ),
        (
            ["TP3", "Prêt ?"],
            "fr",
            "Aujourd'hui mardi vingt-quatre novembre, deux tâches."
            " À quatorze heures trente : TP trois. À quinze heures trente : Prêt ?",
        ),
    ],
)
def test_day_sentences(titles, language, sentence):
    assert text(sentences.day_sentence(tasks=tasks(*titles), at=AT, language=language)) == sentence


@pytest.mark.parametrize(
    ("language", "opening", "ending"),
    [
        ("fr", "vingt et une tâches.", "Et encore une tâche."),
        ("en", "twenty-one tasks.", "And one task more."),
    ],
)
def test_a_full_day_is_told_in_part_and_counted_whole(language, opening, ending):
    full = [Spoken(title=f"t{i}", deadline_at=AT) for i in range(21)]

    said = text(sentences.day_sentence(tasks=full, at=AT, language=language))

    assert opening in said
    assert "t19." in said
    assert "t20" not in said
    assert said.endswith(ending)


def test_a_day_that_is_just_full_is_told_whole():
    full = [Spoken(title=f"t{i}", deadline_at=AT) for i in range(20)]

    said = text(sentences.day_sentence(tasks=full, at=AT, language="en"))
    assert said.endswith(": t19.")


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("fr", "Rappel : TP trois, demain à neuf heures, dans un jour."),
        ("en", "Reminder: TP three, tomorrow at nine a.m., in one day."),
    ],
)
def test_reminders(language, sentence):
    said = sentences.reminder_sentence(
        title="TP3", deadline_at=AT + timedelta(days=1), at=AT, language=language
    )

    assert text(said) == sentence


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "fr",
            "Dernier rappel : « TP trois » sera oubliée dans dix minutes. Touche G pour garder.",
        ),
        (
            "en",
            'Last reminder: "TP three" will be forgotten in ten minutes. Press G to keep it.',
        ),
    ],
)
def test_the_last_call_says_how_to_keep(language, sentence):
    said = sentences.last_call_sentence(
        title="TP3", deadline_at=AT + timedelta(minutes=10), at=AT, language=language
    )

    assert text(said) == sentence


@pytest.mark.parametrize(
    ("reminders", "forgotten", "french", "english"),
    [
        (0, 0, "", ""),
        (
            2,
            1,
            "Pendant l'arrêt, deux rappels ont été manqués et une tâche a été oubliée.",
            "While I was away, two reminders were missed and one task was forgotten.",
        ),
        (
            1,
            0,
            "Pendant l'arrêt, un rappel a été manqué.",
            "While I was away, one reminder was missed.",
        ),
        (
            0,
            3,
            "Pendant l'arrêt, trois tâches ont été oubliées.",
            "While I was away, three tasks were forgotten.",
        ),
    ],
)
def test_what_was_missed_is_one_sentence(reminders, forgotten, french, english):
    def said(language):
        return text(
            sentences.missed_sentence(reminders=reminders, forgotten=forgotten, language=language)
        )

    assert said("fr") == french
    assert said("en") == english


@pytest.mark.parametrize(
    ("priority", "language", "sentence"),
    [
        (0, "fr", "Rendre le TP trois, demain à midi."),
        (1, "fr", "Important : Rendre le TP trois, demain à midi."),
        (2, "fr", "Urgent : Rendre le TP trois, demain à midi."),
        (2, "en", "Urgent: Rendre le TP trois, tomorrow at noon."),
    ],
)
def test_what_is_important_begins_with_that(priority, language, sentence):
    noon = datetime(2026, 11, 25, 12, 0, tzinfo=PARIS)
    found = sentences.task_sentence(
        title="rendre le TP3", deadline_at=noon, at=AT, language=language, priority=priority
    )
    assert text(found) == sentence


def test_the_day_says_what_is_urgent():
    tasks = [Spoken(title="réunion", deadline_at=AT.replace(hour=14, minute=30), priority=2)]
    found = sentences.day_sentence(tasks=tasks, at=AT, language="fr")
    assert text(found).endswith("À quatorze heures trente, urgent : réunion.")


ENGLISH_CALL = Part("en", "Call the bank,")


@pytest.mark.parametrize(
    ("title", "language", "parts"),
    [
        ("call the bank", "fr", (ENGLISH_CALL, Part("fr", " demain à midi."))),
        (
            "appeler la banque",
            "en",
            (Part("fr", "Appeler la banque,"), Part("en", " tomorrow at noon.")),
        ),
        ("call the bank", "en", (Part("en", "Call the bank, tomorrow at noon."),)),
        ("sport", "fr", (Part("fr", "Sport, demain à midi."),)),
        (
            "7pm-9pm: call the bank",
            "fr",
            (Part("en", "Seven p.m. to nine p.m.: call the bank,"), Part("fr", " demain à midi.")),
        ),
    ],
)
def test_a_title_is_said_in_its_own_language(title, language, parts):
    noon = datetime(2026, 11, 25, 12, 0, tzinfo=PARIS)
    said = sentences.task_sentence(title=title, deadline_at=noon, at=AT, language=language)

    assert said == parts


def test_each_title_of_a_day_is_said_in_its_own_language():
    said = sentences.day_sentence(tasks=tasks("TP3", "call the bank"), at=AT, language="fr")

    assert said[0].text.endswith("À quatorze heures trente : TP trois. À quinze heures trente : ")
    assert said[1:] == (Part("en", "call the bank."),)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("fr", "C'est l'heure : « |call the bank| » va être oubliée. Touche G pour garder."),
        ("en", 'It is time: "call the bank" is about to be forgotten. Press G to keep it.'),
    ],
)
def test_at_the_deadline_the_title_is_said_in_its_own_language(language, sentence):
    said = sentences.end_sentence(title="call the bank", language=language)

    assert "|".join(part.text for part in said) == sentence


def test_the_last_call_names_a_title_in_its_own_language():
    said = sentences.last_call_sentence(
        title="call the bank", deadline_at=AT + timedelta(minutes=10), at=AT, language="fr"
    )

    assert [part.language for part in said] == ["fr", "en", "fr"]
    assert said[1].text == "call the bank"
