"""The seven expressions' colours, the same on pictures, charts and pages."""

COLOURS = {
    "surprise": "#6CC3FF",
    "fear": "#B23FA0",
    "disgust": "#087450",
    "happiness": "#FFE14A",
    "sadness": "#3B48F2",
    "anger": "#D65A0C",
    "neutral": "#F4F4F4",
}
"""Okabe and Ito's hues, moved apart until people with any colour vision can tell them on a thin line.

Each stands out from black by 3:1 or more, so that a black rim makes it readable on any background.
"""

DARK, LIGHT = "#000000", "#FFFFFF"


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of a colour written as ``#RRGGBB``, 0..1.

    Example:
        >>> luminance("#FFFFFF"), luminance("#000000")
        (1.0, 0.0)
    """
    values = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast (WCAG 2.2) of two colours, 1..21.

    Example:
        >>> contrast("#000000", "#FFFFFF")
        21.0
    """
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on a colour."""
    return max((DARK, LIGHT), key=lambda ink: contrast(ink, colour))
