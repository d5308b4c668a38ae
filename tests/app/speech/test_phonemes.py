"""What espeak-ng will say, sound by sound, is what it says of the words that a person reads.

The table has titles and those words: letters as they are called, numbers written out. Phonemes are
compared without stress and pauses, which spelling changes.
"""

import re
import subprocess
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from speech import local, sentences

AT = datetime(2026, 11, 24, 9, 0, tzinfo=ZoneInfo("Europe/Paris"))
ENDING = {"fr": ", demain à midi.", "en": ", tomorrow at noon."}
FRENCH = {
    "CM de maths": "cé hème de maths",
    "TD3 d'algo": "té dé trois d'algo",
    "règle de 30 cm": "règle de trente centimètres",
    "Exposé Louis XIV": "Exposé Louis quatorze",
    "François Ier": "François premier",
    "le XXIe siècle": "le vingt et unième siècle",
    "Rendre le 2nd devoir": "Rendre le second devoir",
    "pommes à 3,99 €/kg": "pommes à trois euros quatre-vingt-dix-neuf le kilo",
    "TVA 5,5 %": "té vé a cinq virgule cinq pour cent",
    "Tél. 0612345678": "téléphone zéro six douze trente-quatre cinquante-six soixante-dix-huit",
    "Poser 1/2 journée": "Poser une demi-journée",
    "RDV bât. C": "rendez-vous bâtiment cé",
    "Inscription à l'UE 3": "Inscription à l'u e trois",
    "21 tâches": "vingt et une tâches",
    "Lire 81 pages": "Lire quatre-vingt-une pages",
    "Payer 22 euros": "Payer vingt-deux euros",
    "Réunion 8h-10h": "Réunion huit heures à dix heures",
    "Dîner 19h30-21h": "Dîner dix-neuf heures trente à vingt et une heures",
    "No. 12": "numéro douze",
    "rue St. Jacques": "rue Saint Jacques",
    "Salle B2.04": "Salle bé deux zéro quatre",
    "Partiel le 12/03": "Partiel le douze mars",
    "Vacances 20/12-04/01": "Vacances vingt décembre au quatre janvier",
    "lun. 1er déc.": "lundi premier décembre",
    "J-3": "ji moins trois",
    "Loyer 485,50 €": "Loyer quatre cent quatre-vingt-cinq euros cinquante",
    "Budget 30k€": "Budget trente mille euros",
    "Virement de 1 250 €": "Virement de mille deux cent cinquante euros",
    "90 km/h": "quatre-vingt-dix kilomètres heure",
    "45 m² à visiter": "quarante-cinq mètres carrés à visiter",
    "Four à 200 °C": "Four à deux cents degrés",
    "2x/semaine": "deux fois par semaine",
    "lire p. 12-15": "lire page douze à quinze",
    "note 12/20": "note douze sur vingt",
    "AG du BDE": "a gé du bé dé e",
    "CV en PDF": "cé vé en pé dé èfe",
    "Rendre à la BU": "Rendre à la bé u",
    "contact@insa.fr": "contact arobase insa point èfe ère",
    "M. et Mme Dupont": "monsieur et madame Dupont",
    "12 bd Voltaire": "douze boulevard Voltaire",
    "~20 pers.": "environ vingt personnes",
    "Année 2025-2026": "Année deux mille vingt-cinq deux mille vingt-six",
    "Python 3.11": "Python trois point onze",
    "🎉 Fête": "Fête",
}
ENGLISH = {
    "Call the bank": "Call the bank",
    "Louis XIV essay": "Louis the fourteenth essay",
    "World War II": "World War two",
    "King Charles III": "King Charles the third",
    "the 2nd draft": "the second draft",
    "the 21st century": "the twenty-first century",
    "apples at $3.99/kg": "apples at three dollars ninety-nine a kilo",
    "rent $850": "rent eight hundred and fifty dollars",
    "$1,250.75": "one thousand two hundred and fifty dollars seventy-five",
    "5.5% rate": "five point five percent rate",
    "dentist 7pm-9pm": "dentist seven pee em to nine pee em",
    "gym 7-9pm": "gym seven pee em to nine pee em",
    "11am-1pm": "eleven a.m. to one pee em",
    "study 2h": "study two hours",
    "10-15 min": "ten to fifteen minutes",
    "No. 12": "number twelve",
    "PR #482": "pee ar number four hundred and eighty-two",
    "St. Mary's": "Saint Mary's",
    "12 Oxford St.": "twelve Oxford Street",
    "Rm 12": "room twelve",
    "room B204": "room bee two oh four",
    "Lecture hall A": "Lecture hall A",
    "CS101 midterm": "see ess one oh one midterm",
    "appt w/ Dr. Smith": "appointment with doctor Smith",
    "dept. meeting": "department meeting",
    "math HW p. 45": "math homework page forty-five",
    "Mon-Fri": "Monday to Friday",
    "Fri 5pm": "Friday five pee em",
    "Dec 5": "the fifth of December",
    "report 2026": "report twenty twenty-six",
    "since 1905": "since nineteen oh five",
    "the 1990s": "the nineteen nineties",
    "1/2 day off": "half a day off",
    "3/4 cup": "three quarters of a cup",
    "call 555-1234": "call five five five one two three four",
    "3x a week": "three times a week",
    "5 kg": "five kilos",
    "70 mph": "seventy miles an hour",
    "32 GB of memory": "thirty-two gigabytes of memory",
    "72 °F": "seventy-two degrees Fahrenheit",
    "email IT": "email eye tee",
    "AI essay": "A-eye essay",
    "A4 paper": "A-four paper",
    "Python 3.12": "Python three point twelve",
    "john@example.com": "john at example dot com",
    "R&D": "ar and dee",
}
# Said of digits, and of the same number in words: people say either.
SAME = {"katr@?vE~t?": "katrvE~", "hVndrI2dand": "hVndrI2d@n", "fO@ti": "fo@ti"}
TABLE = [("fr", *row) for row in FRENCH.items()] + [("en", *row) for row in ENGLISH.items()]


def phonemes(text, language):
    command = ["espeak-ng", "-q", "-x", "-v", local.VOICES[language], "--stdin"]
    said = subprocess.run(
        command, input=text.encode(), capture_output=True, check=True, timeout=30
    ).stdout.decode()
    sounds = re.sub(r"[^a-zA-Z0-9@~&*#?^{}/]", "", re.sub(r"_[:!|]", "", said))
    for digits, written in SAME.items():
        sounds = re.sub(digits, written, sounds)
    return sounds


@pytest.mark.parametrize(("language", "title", "words"), TABLE, ids=[row[1] for row in TABLE])
def test_the_voice_says_the_sounds_of_the_words_a_person_reads(language, title, words):
    noon = AT.replace(day=25, hour=12)
    said = sentences.task_sentence(title=title, deadline_at=noon, at=AT, language=language)
    text = "".join(part.text for part in said)

    assert phonemes(text, language) == phonemes(words + ENDING[language], language)


def test_the_tables_have_more_than_40_sentences():
    assert min(len(FRENCH), len(ENGLISH)) > 40


def test_other_words_have_other_sounds():
    assert phonemes("vingt et une tâches", "fr") != phonemes("vingt et un tâches", "fr")
    assert phonemes("C M", "fr") != phonemes("CM", "fr")
