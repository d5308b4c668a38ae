import pytest

from speech.languages import language_of


@pytest.mark.parametrize(
    "title",
    [
        *("call the bank", "Buy milk and eggs", "Submit lab report 3", "dentist appointment"),
        *("finish homework", "Water plants", "Tom's birthday", "don’t forget", "essay due Fri 5pm"),
        *("Louis XIV essay", "laundry", "hand back worksheet", "21 tasks", "renew passport"),
        *("meeting with Anna", "lunch w/ Sarah", "study for final", "read The Great Gatsby"),
    ],
)
def test_an_english_title_is_known(title):
    assert language_of(title) == "en"


@pytest.mark.parametrize(
    "title",
    [
        *("appeler la banque", "Acheter du lait", "rendre le TP3", "rdv chez le dentiste"),
        *("réunion d'équipe", "Payer loyer", "l’UE 3", "vétérinaire", "soutenance", "CM de maths"),
        *("Appeler call center pour la carte", "meeting équipe", "feedback à Paul", "déjeuner"),
        *("brunch chez Nico", "deadline rapport de stage", "Lire The Hobbit pour lundi, le soir"),
    ],
)
def test_a_french_title_is_known(title):
    assert language_of(title) == "fr"


@pytest.mark.parametrize(
    "title",
    [
        *("", "TP3", "12/03", "Anna", "sport", "meeting", "deadline", "workshop design", "pain"),
        *("No. 12", "Python 3.11", "7pm-9pm", "call client", "sprint review", "tickets resto"),
        *("Lire the book", "garage", "漢字"),
    ],
)
def test_what_is_not_sure_is_left_to_the_page(title):
    assert language_of(title) is None


@pytest.mark.parametrize(
    ("title", "language"),
    [
        ("the the the la", "en"),
        ("the the la", None),
        ("la la la the", "fr"),
        ("la la the", None),
        ("the the the la la", None),
    ],
)
def test_three_words_of_one_language_outweigh_one_of_the_other(title, language):
    assert language_of(title) == language
