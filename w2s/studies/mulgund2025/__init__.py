"""Mulgund and Pabbaraju 2025: gain and misfit of students by Bregman divergences."""
