"""Which characters a title may consist of. Pure."""

from __future__ import annotations

import re

# What utf8mb4_unicode_ci gives no weight: a title of nothing else equals '' for the database, and
# is nothing to a reader or listener. tests/app/test_tasks.py compares this with the server's own.
WEIGHTLESS = (
    r"\x00-\x08\x0e-\x1f\x7f-\xa0\u0300-\u0357\u035d-\u0362\u0483-\u0486\u0488\u0489\u0591-\u05a1"
    r"\u05a3-\u05b9\u05bb-\u05bd\u05bf\u05c1\u05c2\u05c4\u0600-\u0603\u0610-\u0615\u064b-\u0658"
    r"\u0670\u06d6-\u06e4\u06e7\u06e8\u06ea-\u06ed\u070f\u0711\u0730-\u074a\u0901-\u0903\u093c"
    r"\u0951-\u0954\u0981-\u0983\u09bc\u0a01-\u0a03\u0a3c\u0a70\u0a71\u0a81-\u0a83\u0abc"
    r"\u0b01-\u0b03\u0b3c\u0b82\u0c01-\u0c03\u0c82\u0c83\u0cbc\u0d02\u0d03\u0d82\u0d83"
    r"\u0e47-\u0e4b\u0e4e\u0ec8-\u0ecb\u0f18\u0f19\u0f35\u0f37\u0f39\u0f7e\u0f7f\u0f82\u0f83"
    r"\u0f86\u0f87\u0fc6\u1036-\u1038\u17c6-\u17d1\u17d3\u17dd\u180b-\u180e\u1939-\u193b"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u2063\u206a-\u206f\u20d0-\u20ea\u3000\u302a-\u302f"
    r"\u3099\u309a\ufb1e\ufc5e-\ufc63\ufcf2-\ufcf4\ufe00-\ufe0f\ufe20-\ufe23\ufe70-\ufe74"
    r"\ufe76-\ufe7f\ufeff\uff9e\uff9f\ufff9-\ufffb"
)
_WEIGHTY = re.compile(rf"[^\s{WEIGHTLESS}]")


def says_something(title: str) -> bool:
    return bool(_WEIGHTY.search(title))
