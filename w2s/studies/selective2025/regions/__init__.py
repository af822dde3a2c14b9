"""A strong model that knows a region, and a student that learns its own answers there and weak labels elsewhere."""
