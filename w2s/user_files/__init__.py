"""Python files of the user's own: which files belong together, their digest, and how they are imported.

A study, an executor or a method that a grid names as ``file.py:Name`` is imported here, with the modules beside it. Rooms from
`artifacts` upward ask here what code a number depends on. Another place that a user's code may come from gets a module here.
"""

from w2s.user_files.code import code_files, code_of, is_outside, source_path
from w2s.user_files.load import import_file, is_file_reference, load_from_file, loaded_source, take_source
from w2s.user_files.place import in_package, place_of, plain_name, told
from w2s.user_files.source import Source, read_source, short_digest

__all__ = [
    "Source",
    "code_files",
    "code_of",
    "import_file",
    "in_package",
    "is_file_reference",
    "is_outside",
    "load_from_file",
    "loaded_source",
    "place_of",
    "plain_name",
    "read_source",
    "short_digest",
    "source_path",
    "take_source",
    "told",
]
