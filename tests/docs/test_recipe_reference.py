"""The reference of recipes is what its tool makes of the recipes."""

from recipe_reference import PAGE, page


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: make recipes"
