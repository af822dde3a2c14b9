"""x."""

CLAIMS = ()
