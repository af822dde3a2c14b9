"""How figures look, by which symbols they call fields, and what their titles say of the fields that are held fixed.

Imported by studies that draw; Matplotlib is loaded with the first figure. A new building block that figures share goes here.
"""

from w2s.figures.held import fullest, heading_over_seeds, hold, seeds_text, unshown_fields
from w2s.figures.style import COLORS, band, beside, canvas, few_digits, heading, level, panels

__all__ = [
    "COLORS",
    "band",
    "beside",
    "canvas",
    "few_digits",
    "fullest",
    "heading",
    "heading_over_seeds",
    "hold",
    "level",
    "panels",
    "seeds_text",
    "unshown_fields",
]
