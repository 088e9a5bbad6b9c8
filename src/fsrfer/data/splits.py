"""The parts of a data set, and how people write them."""

_SPELLINGS = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation"),
    "test": ("test", "testing"),
}


def spellings(split: str) -> tuple[str, ...]:
    """All usual names of a split, in lower case; a name of the user's own is its only one.

    Example:
        >>> spellings("val")
        ('valid', 'val', 'validation')
    """
    word = split.strip().lower()
    return next((words for words in _SPELLINGS.values() if word in words), (word,))


def usual_name(split: str) -> str:
    """The package's own name of a split.

    Example:
        >>> usual_name(" Validation "), usual_name("fold 3")
        ('valid', 'fold 3')
    """
    return spellings(split)[0]
