"""x"""

FIGURES = ()
