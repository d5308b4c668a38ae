import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.titles import spoken_title

TWELFTH = "the twelfth of March, twenty twenty-seven"
ALWAYS_FRENCH = "vingt-quatre heures sur vingt-quatre, sept jours sur sept"
ALWAYS_ENGLISH = "twenty-four seven"


@pytest.mark.parametrize(
    ("title", "french", "english"),
    [
        ("Rendre le TP3", "Rendre le TP trois", "Rendre le TP three"),
        ("TP 3", "TP trois", "TP three"),
        ("DS2", "DS deux", "DS two"),
        ("CC 02", "CC zéro deux", "CC oh two"),
        ("Salle B2.04", "Salle B deux zéro quatre", "Salle B two oh four"),
        ("B2.14", "B deux quatorze", "B two fourteen"),
        ("C0.07", "C zéro zéro sept", "C zero oh seven"),
        ("A14", "A quatorze", "A-fourteen"),
        (
            "B9999",
            "B neuf mille neuf cent quatre-vingt-dix-neuf",
            "B nine thousand nine hundred and ninety-nine",
        ),
        ("B10000", "B 10000", "B 10000"),
        ("12/03", "douze mars", "the twelfth of March"),
        ("01/12", "premier décembre", "the first of December"),
        (
            "12/03/2027",
            "douze mars deux mille vingt-sept",
            "the twelfth of March, twenty twenty-seven",
        ),
        (
            "2027-03-12",
            "douze mars deux mille vingt-sept",
            "the twelfth of March, twenty twenty-seven",
        ),
        ("31/02", "31 sur 02", "31 out of 02"),
        ("12/13", "12 sur 13", "12 out of 13"),
        ("12/00", "12 sur 00", "12 out of 00"),
        ("0/03", "0 sur 03", "0 out of 03"),
        ("3/4", "3 sur 4", "3 out of 4"),
        ("14h30", "quatorze heures trente", "two thirty p.m."),
        ("14 h 30", "quatorze heures trente", "two thirty p.m."),
        ("14H", "quatorze heures", "two p.m."),
        ("1h", "une heure", "one hour"),
        ("12h", "midi", "noon"),
        ("9:05", "neuf heures cinq", "nine oh five a.m."),
        ("6pm", "dix-huit heures", "six p.m."),
        ("6:30 a.m.", "six heures trente", "six thirty a.m."),
        ("12am", "minuit", "midnight"),
        ("13pm", "13pm", "13pm"),
        ("14h-16h", "quatorze heures à seize heures", "two p.m. to four p.m."),
        ("8:30–10:00", "huit heures trente à dix heures", "eight thirty a.m. to ten a.m."),
        ("23h", "vingt-trois heures", "eleven p.m."),
        ("24h", "vingt-quatre heures", "twenty-four hours"),
        ("41h", "quarante et une heures", "forty-one hours"),
        ("48h", "quarante-huit heures", "forty-eight hours"),
        ("48h30", "quarante-huit heures trente", "forty-eight hours thirty"),
        ("99h99", "99h99", "99h99"),
        ("21 min", "vingt et une minutes", "twenty-one minutes"),
        ("1mn", "une minute", "one minute"),
        ("2 min", "deux minutes", "two minutes"),
        ("10:20:30", "10:20:30", "10:20:30"),
        ("n°4", "numéro 4", "number 4"),
        ("50 %", "50 pour cent", "50 percent"),
        ("12 €", "12 euros", "12 euros"),
        ("R&D", "R et D", "R and D"),
        ("A -> B", "A vers B", "A to B"),
        ("A→B", "A vers B", "A to B"),
        ("et/ou", "et ou", "et ou"),
        ("#projet @paul", "projet paul", "projet paul"),
        ("1er rendu", "premier rendu", "first rendu"),
        ("1re séance", "première séance", "first séance"),
        ("RDV svp", "rendez-vous s'il vous plaît", "appointment please"),
        ("asap", "dès que possible", "as soon as possible"),
        ("tél. Paul", "téléphone Paul", "phone Paul"),
        ("a.b@insa.fr", "a point b arobase insa point fr", "a dot b at insa dot fr"),
        (
            "https://www.insa.fr/x?y=1#z lire",
            "lien vers insa point fr lire",
            "link to insa dot fr lire",
        ),
        ("<script>alert(1)</script>", "script alert(1) /script", "script alert(1) /script"),
        ("[[h@l]] `code` **gras**", "h@l code gras", "h@l code gras"),
        ("Vite !!!!!", "Vite !", "Vite !"),
        ("😀😀😀😀", "😀", "😀"),
        ("  deux\n lignes\t\x00 ", "deux lignes", "deux lignes"),
        ("!!!", "sans titre", "untitled"),
        ("", "sans titre", "untitled"),
        ("192.168.1.1", "192 point 168 point 1 point 1", "192 point 168 point 1 point 1"),
        ("tp3 et TD-4", "TP trois et TD quatre", "TP three et TD four"),
        ("CM1-CM3", "C M un à C M trois", "C M one to C M three"),
        ("b2.04", "b deux zéro quatre", "b two oh four"),
        ("v2.04", "version deux point zéro quatre", "version two point oh four"),
        ("0e essai", "0e essai", "0e essai"),
        ("1e essai", "1e essai", "1e essai"),
        ("UE 3.2", "U E trois point deux", "U E three point two"),
        ("le 12/3", "le douze mars", "le the twelfth of March"),
        ("12.03.2027", "douze mars deux mille vingt-sept", TWELFTH),
        ("10-12/03", "dix au douze mars", "the tenth to the twelfth of March"),
        ("1-12/03", "premier au douze mars", "the first to the twelfth of March"),
        ("31-12/03", "31-12 sur 03", "31-12 out of 03"),
        ("12-12/03", "12-12 sur 03", "12-12 out of 03"),
        ("0-12/03", "0-12 sur 03", "0-12 out of 03"),
        ("5.30pm", "dix-sept heures trente", "five thirty p.m."),
        ("call @ 5pm", "call à dix-sept heures", "call at five p.m."),
        ("1h30min", "une heure trente", "one hour thirty"),
        ("2h30min", "deux heures trente", "two hours thirty"),
        ("1,5 h", "1,5 h", "1.5 h"),
        ("24h/24, 7j/7", ALWAYS_FRENCH, ALWAYS_ENGLISH),
        ("24/7", ALWAYS_FRENCH, ALWAYS_ENGLISH),
        ("7j/7", "sept jours sur sept", "seven days a week"),
        ("le 2e étage", "le deuxième étage", "le second étage"),
        ("21ème", "vingt et unième", "twenty-first"),
        ("06.12.34.56.78", "06 12 34 56 78", "06 12 34 56 78"),
        ("02 32 95 97 00", "02 32 95 97 00", "02 32 95 97 00"),
        ("10 000 m", "10000 mètres", "10000 metres"),
        ("3.5 km", "3,5 kilomètres", "3.5 kilometres"),
        ("12,50 €", "12 euros 50", "12 euros 50"),
        ("€12", "12 euros", "12 euros"),
        ("5 °C", "5 degrés", "5 degrees"),
        ("C++ et C#", "C plus plus et C dièse", "C plus plus et C sharp"),
        ("bac+5", "bac plus 5", "bac plus 5"),
        ("pp. 3-5", "pages 3 à 5", "pages 3 to 5"),
        ("ex. 4, chap. 2", "exercice 4, chapitre 2", "exercise 4, chapter 2"),
        ("M. Dupont, Mme Martin", "monsieur Dupont, madame Martin", "M. Dupont, Mme Martin"),
        ("Dr House", "docteur House", "doctor House"),
        ("w/ Bob w/o Ann", "w/ Bob w o Ann", "with Bob without Ann"),
        ("α", "alpha", "alpha"),
        ("été", "été", "été"),
    ],
)
def test_titles_are_said_as_people_say_them(title, french, english):
    assert spoken_title(title, language="fr") == french
    assert spoken_title(title, language="en") == english


@pytest.mark.parametrize(
    ("month", "days"), [*enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1)]
)
def test_a_month_ends_with_its_last_day(month, days):
    assert "sur" not in spoken_title(f"{days}/{month:02}", language="fr")
    assert spoken_title(f"{days + 1}/{month:02}", language="fr").startswith(f"{days + 1} sur ")


def test_three_hundred_characters_are_said_whole():
    title = "mot " * 74 + "mots"

    assert spoken_title(title, language="fr") == title


def test_a_longer_title_is_cut_between_words():
    assert spoken_title("un " * 99 + "deux trois", language="fr") == ("un " * 99).strip()


def test_a_word_without_end_is_cut_too():
    assert spoken_title("x" * 10_000, language="fr") == "x" * 300


@given(st.text(max_size=400), st.sampled_from(["fr", "en"]))
def test_whatever_is_written_something_harmless_is_said(title, language):
    spoken = spoken_title(title, language=language)

    assert spoken
    assert "[[" not in spoken
    assert not re.search(r"[\x00-\x1f]", spoken)


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "1h",
        "12/",
        "-",
        "A1 ",
        "@a.",
        "=",
        "1:",
        "http://",
        "&",
        "1 000",
        "1.",
        "1-",
        "+",
        "€1",
    ],
)
def test_a_hostile_title_costs_no_time(piece):
    began_s = time.thread_time()

    spoken_title(piece * 10_000, language="fr")

    assert time.thread_time() - began_s < 0.5  # of this thread's processor, whoever else is busy
