"""The words of a line that speak of time, French and English alike, as tokens. Pure.

A kind is a part of speech of ours, such as WEEKDAY; grammar.py is written in them. What stands in
no list is a WORD of the title.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import takewhile

# KIND=value and the words that mean it; KIND+value and groups, each of which means one more; *, the
# words that are kinds themselves.
_VOCABULARY = """
TODAY+0 aujourd'hui,aujourdhui,auj,ajd,today,2day
TODAY+1 demain,tomorrow,tmrw,tmr,tmw,2m1,2main,dmain,2moro,2morrow,2mrw,tomo apres-demain
WEEKDAY+0 lundi,lun,monday mardi,tuesday,tue,tues mercredi,wednesday,wed,weds,merc
WEEKDAY+3 jeudi,thursday,thu,thur
WEEKDAY+3 thurs vendredi,ven,friday,fri samedi,saturday dimanche,sunday
WEEKDAYS+0 lundis,mondays mardis,tuesdays mercredis,wednesdays jeudis,thursdays vendredis,fridays
WEEKDAYS+5 samedis,saturdays dimanches,sundays
SHORT+0 mon mar mer jeu
SHORT+4 vend sam,sat dim,sun
DOTTED+0 lun.,mon. mar.,tue.,tues. mer.,wed.,merc.,weds. jeu.,thu.,thur.,thurs.
DOTTED+4 ven.,fri.,vend. sam.,sat. dim.,sun.
MONTH+1 janvier,january,janv,jan fevrier,february,fevr,fev,feb mars,march avril,april,avr,apr
MONTH+5 mai,may juin,june,jun juillet,july,juil,jul aout,august,aug septembre,september,sep
MONTH+10 octobre,october,oct novembre,november,nov decembre,december,dec
PART+0 matin,morning,matins,mornings apres-midi,aprem,apm,afternoon,arvo,aprems,afternoons
PART+2 soir,evening,soirs,evenings night,nights
STRETCH+0 matinee journee soiree
TONIGHT=2 tonight,tonite,2nite,tnite,2night
NOON=12 midi midis noon midday
MIDNIGHT=0 minuit midnight
AMPM=0 am a.m
AMPM=12 pm p.m
MIN=1 min mins mn minute minutes
H=60 h
HEURE=60 heure heures
HOUR=60 hour hours hr hrs
DAYS=1 jour jours day days
WEEKS=7 semaine semaines week weeks
FORTNIGHT=14 fortnight
EIGHT+8 huitaine
EIGHT+15 quinzaine
MONTHS=1 mois month months
YEARS=12 ans annee annees year years
WEEKEND=0 week-end weekend
WORKDAY=0 weekday weekdays
WORKING=0 ouvre ouvres working business
HALF=30 demi demie half
HALFHOUR=30 demi-heure half-hour
QUARTER=15 quart quarts quarter quarters
MAT=0 mat
PRO=1 pro
DELAI=0 delai carat
ALL=0 all
QUE=0 que
SCHOOL=0 scolaire universitaire
OCLOCK=0 o'clock oclock
COUNT+1 un,une,one deux,two trois,three quatre,four cinq,five six seven huit,eight neuf,nine dix,ten
COUNT+11 onze,eleven douze,twelve treize,thirteen quatorze,fourteen quinze,fifteen seize,sixteen
COUNT+17 dix-sept,seventeen dix-huit,eighteen dix-neuf,nineteen
COUNT=20 vingt twenty
COUNT=30 trente thirty
COUNT=40 quarante forty
COUNT=50 cinquante fifty
COUNT=60 soixante sixty
COUNT=90 ninety
SEPT=7 sept
ORDINAL+1 premier,premiere,premiers,first deuxieme,second troisieme,third quatrieme,fourth
ORDINAL+5 fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
ORDINAL+15 fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
ORDINAL=30 thirtieth
ORDINAL=-1 dernier derniere derniers last
A=1 a
AN=1 an
EVERY=0 chaque tous toute toutes every each
OTHER=2 autre other
NEXT=1 next prochain prochaine coming vient
THIS=0 ce cet cette this
THE=0 le la les l'
ON=0 on the
IN=0 dans ds sous in within
DICI=0 d'ici
WHILE=0 time
DE=0 de du des d'
BETWEEN=0 entre between
AND=0 et and & +
AT=0 at @ vers around approx environ about
TO=0 to au aux
DASH=0 - -> => >
BY=0 by pour for due
TILL=0 until till til jusqu'a jusqu'au jusqu'en
BEFORE=0 avant avt before b4
END=0 fin end
TARD=0 tard later latest
LATEST=0 inclus inclusive
WITH=0 with avec chez via
AFTER=0 apres after
SPOIL=0 depuis since not pas ni than un',w/c
PARTIR=0 partir
OR=0 or ou sauf except excepte hormis but
LASTS=0 pendant durant lasts takes duree dormir travailler reviser courir marcher etudier bosser
LASTS=0 nager sleep work study run walk
DAILY+0 daily weekly monthly yearly,annually
FORTNIGHTLY=2 fortnightly
WEEKENDS=0 weekends week-ends
SHARP=0 sharp pile precises precise tapantes tapante ish
MAYBE=0 tot dem
EARLY=0 early debut start beginning
MID=0 mid mi middle milieu
LATE=0 late courant
OVER=0 over during
START=0 starting
COB=0 cob eob
LUNCH=0 lunchtime
HUNDRED=0 hundred
PASSE=0 passe passee
MAYBE=0 tantot nightly maintenant asap
ZONE=0 utc gmt pst pdt est edt bst cet cest pt ct mt ist jst aest
PERSON=0 tom
EVE=2 eve
HOLIDAY=2512 noel christmas xmas
HOLIDAY=0 year's easter paques halloween toussaint nye pentecote thanksgiving
MAYBE=0 nuit trimestre semestre seconds secondes sec secs ouvrable
MAYBE=0 ouvrables ferie feries
TIME=0 hier avant-hier yesterday ago lendemain surlendemain veille everyday hourly
TIME=0 biweekly bimonthly dawn dusk sunset sunrise noonish aube crepuscule
TIME=0 m/w/f mwf t/th tth
TIMES=0 once twice thrice times fois
ACT=0 call email text ask tell buy pay send finish submit clean pick meet bring take get fix
LABEL=0 tp td dm dst cc lab labo chapitre chapter ch chap exercice exo ex exercise partie part
LABEL=0 question q n numero number num room salle bat batiment etage floor version v step etape
LABEL=0 level niveau tome volume vol lot group groupe equipe team ligne line bus tram unit module
LABEL=0 cours lecture lesson lecon sprint issue ticket pr bug task tache homework devoir quiz
LABEL=0 assignment test projet project sujet section probleme problem article lettre phase form
LABEL=0 track season saison episode act acte a3 a4 h1 pset set chapitres chapters exercices exos
LABEL=0 exercises questions sections p page pages pp iphone ipad gate quai porte flight ue cm ds
LABEL=0 python ubuntu ios android note
AV=0 av
AROUND=0 autour alentours
ACT=0 write prepare appeler rappeler relancer voir inviter
*=0 eod eow eom eoy past moins sur en from now thing of qui plus no
"""


def _meanings(rows: str) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for row in rows.strip().splitlines():
        meaning, *groups = row.split()
        kind, sign, value = re.split(r"([=+])", meaning)
        for more, group in enumerate(groups):
            for name in group.split(","):
                named = name.upper() if kind == "*" else kind
                found.setdefault(name, (named, int(value) + (more if sign == "+" else 0)))
    return found


WORDS = _meanings(_VOCABULARY)
for _tens in ("vingt", "twenty", "trente", "thirty", "quarante", "forty", "cinquante", "fifty"):
    for _name, (_kind, _value) in tuple(WORDS.items()):
        if _kind in {"COUNT", "SEPT", "ORDINAL"} and _value < len("0123456789"):
            _sum = ("ORDINAL" if _kind == "ORDINAL" else "COUNT", WORDS[_tens][1] + _value)
            WORDS |= {f"{_tens}-{_name}": _sum, f"{_tens}-et-{_name}": _sum}
# What stands for the value of a word that is no number.
NO_VALUE = 0


def kind_of(name: str) -> str:
    return WORDS[name][0] if name in WORDS else ""


def kinds(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
# In a word that begins with a digit only.
_ENDINGS = _meanings("NTH=0 er ere re e eme st nd rd th\nDAYS=1 j\nCOLON=0 :\nDOT=0 .\nSLASH=0 /")
_ENDING_KINDS = kinds(
    "NOON MIDNIGHT AMPM MIN H HEURE HOUR DAYS WEEKS MONTHS YEARS MONTH SHARP DASH AT A"
)
# "mon-fri", "demain18h".
_GLUED = kinds("TODAY WEEKDAY SHORT NOON MIDNIGHT MONTH PART MID")
# Whoever writes these speaks of time.
STRONG = kinds(
    "TODAY WEEKDAY WEEKDAYS DOTTED TONIGHT H HEURE HOUR WEEKS FORTNIGHT MONTHS EOD EOW EOM EOY "
    "WEEKEND WORKDAY FORTNIGHTLY OCLOCK TIME MIDNIGHT EVERY HALFHOUR"
)
_LIKE_A_TIME = re.compile(
    r"\d ?h(?:\d|\b)|\d:\d\d|\d(?:am|pm|a\.m|p\.m)\b|^\d{1,2}(?::\d\d)?[ap]$|^\d{1,2}/\d{1,2}"
    r"|^\d+(?:-\d+)?-?(?:h|hrs?|mins?|mn|heures?|hours?|j|jours?|days?|weeks?|mois|ish)$"
    r"|^[jhd][-+]\d+$|^(?:utc|gmt)[-+]\d|-ish$"
)
_NO_TYPOS = {"domain", "sundae", "minute", "martins", "maintains"}
_OFTEN_MISSPELT: dict[str, list[str]] = defaultdict(list)
for _name, (_kind, _) in WORDS.items():
    is_long = len(_name) > len("lundi") or _name in {"lundi", "mardi", "jeudi"}
    if is_long and _kind in {"TODAY", "WEEKDAY", "MONTH", "MIDNIGHT", "PART"}:
        _OFTEN_MISSPELT[_name[:2]].append(_name)
# "Vendrdi", "wensday".
_LIKE_A_WEEKDAY = re.compile(r"(?:lu|ma|me|je|ve|di)\w{2,5}di$|(?:mo|tu|te|we|th|fr|sa)\w{2,6}day$")

Said = dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Of the words `first` up to, not including, `last`; `text` is without capitals and accents.
    A phrase that grammar.py has read is a token too: `said` is what it says of the deadline.
    """

    kind: str
    value: int
    text: str
    first: int
    last: int
    is_name: bool = False
    said: Said = field(default_factory=dict)
    rule: str = ""

    @property
    def is_time(self) -> bool:
        return bool(self.said or self.rule)


# Stands where no word does.
END = Token(kind="END", value=NO_VALUE, text="", first=NO_VALUE, last=NO_VALUE)


def tokens_of(words: list[str]) -> list[Token]:
    found: list[Token] = []
    for index, word in enumerate(words):
        for text in _pieces(_plain(word)):
            kind, value = _meaning_of(text, is_a="à" in word.lower())
            token = Token(kind=kind, value=value, text=text, first=index, last=index + 1)
            if text == "hr" and not (found and found[-1].kind in {"NUMBER", "COUNT", "A", "AN"}):
                token = replace(token, kind="WORD")  # human resources
            is_name = index > 0 and word[0].isupper() and not word.isupper()
            found.append(replace(token, is_name=is_name))
    return found


def _plain(word: str) -> str:
    """Without capitals, accents, and the punctuation around it; never empty."""
    letters = unicodedata.normalize("NFKD", word).lower()
    text = "".join(each for each in letters if unicodedata.category(each) not in {"Mn", "Cf"})
    text = re.sub("[’ʼ]", "'", re.sub("[–—−‑→]|[-=]>", "-", text))
    bare = text.strip("()[]{}\"'«»“”*_,;:!?…~").lstrip(".")
    if kind_of(bare) != "DOTTED":
        bare = bare.rstrip(".,;:!?)")
    return bare or text or "·"


def _pieces(word: str) -> list[str]:
    """ "18h30" is four of them with its unit, "l'apres-midi" two; most words are one."""
    if word in WORDS:
        return [word]
    if found := re.fullmatch(r"([ld]')(.+)", word):
        return [found[1], found[2]]
    if found := re.fullmatch(r"[a-z]+([-/][a-z]+)+|([a-z-]+?)([@-]?)(\d.*)", word):
        pieces = [piece for piece in found.groups()[1:] if piece] or re.split("([-/])", word)
        if all(kind_of(piece) in _GLUED for piece in pieces if piece[0].isalpha()):
            return [*pieces[:-1], *_pieces(pieces[-1])]
    if found := re.fullmatch(r"(\d{4}-\d\d-\d\d)t(\d\d:\d\d(?::\d\d)?)", word):
        return [*_pieces(found[1]), *_pieces(found[2])]
    if re.match(r"@?h?\d", word) and len(word) < len("2026-12-01T18:00+"):
        pieces = re.findall(r"\d+|[ap]\.m|[a-z]+|.", word)
        if all(_is_ending(piece) for piece in pieces):
            return pieces
    return [word]


def _is_ending(piece: str) -> bool:
    return piece.isdecimal() or piece in _ENDINGS or kind_of(piece) in _ENDING_KINDS


def _meaning_of(text: str, *, is_a: bool) -> tuple[str, int]:
    if re.fullmatch("[0-9]{1,4}", text):
        return "NUMBER" if len(text) < len("100") else "LARGE", int(text)
    if text == "a" and is_a:
        return "AT", NO_VALUE
    if text in WORDS or text in _ENDINGS:
        return WORDS.get(text) or _ENDINGS[text]
    pieces = [piece.removesuffix("'s") for piece in re.split(r"[^a-z0-9:.']+", text)]
    speaking = STRONG | ({"SHORT", "PART"} if pieces[1:] else set())
    is_time = _LIKE_A_TIME.search(text) or any(
        kind_of(piece) in speaking or corrected(piece) for piece in pieces
    )
    return ("TIME" if is_time else "WORD"), NO_VALUE


def respelt(word: str) -> str:
    """`word` as it was meant where it is misspelt or much shortened; else as it is."""
    plain = _plain(word)
    if kind_of(plain) == "SHORT":
        return _DAYS[WORDS[plain][1]]
    return {"tom": "tomorrow", "dem": "demain"}.get(plain) or corrected(plain) or word


def corrected(word: str) -> str:
    """The day, month or part of the day that was meant; "" where none is close enough. One letter
    is too many, missing or wrong, or some changed places or were doubled.
    """
    if word in WORDS or word in _NO_TYPOS or len(word) < len("lundi"):
        return ""
    for right in _OFTEN_MISSPELT.get(word[:2], ()):
        same = _begin_alike(word, right) + _begin_alike(word[::-1], right[::-1])
        if same >= max(len(word), len(right)) - 1 or set(word) == set(right):
            return right
    if _LIKE_A_WEEKDAY.match(word):
        alike = _OFTEN_MISSPELT.get(word[:2], ["tuesday"])  # "teusday"
        return next((right for right in alike if WORDS[right][0] == "WEEKDAY"), "tuesday")
    return ""


def _begin_alike(word: str, right: str) -> int:
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(word, right, strict=False))))
