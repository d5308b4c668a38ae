"""docs/voice.md is the table of what is said of a title."""

from pathlib import Path

import pytest

from speech.titles import spoken_title

PAGE = Path(__file__).parents[3] / "docs/voice.md"
HEADINGS = {"French": "fr", "English": "en"}


def rows():
    """Title and what is said of it, by language."""
    language = None
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            language = HEADINGS.get(line.removeprefix("## "))
        elif language and line.startswith("| ") and not line.startswith("| title |"):
            title, said = (cell.strip() for cell in line.strip("|").split("|"))
            yield pytest.param(language, title, said, id=f"{language}: {title}")


ROWS = list(rows())


@pytest.mark.parametrize(("language", "title", "said"), ROWS)
def test_a_title_is_said_as_the_table_says(language, title, said):
    assert spoken_title(title, language=language) == said


@pytest.mark.parametrize("language", HEADINGS.values())
def test_the_table_has_more_than_120_titles_a_language(language):
    titles = {row.values[1] for row in ROWS if row.values[0] == language}
    assert len(titles) > 120
