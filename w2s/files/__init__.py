"""Files: written whole or not at all, named by their content, read as tables, kept in the cache folder.

A leaf that every room may import. A new kind of file that is not one study's own gets a module here.
"""
