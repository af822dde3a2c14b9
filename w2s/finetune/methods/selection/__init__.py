"""Methods that choose or weigh the items that a student learns from, without truth.

Found by the registry. Another one is a module here, with its word in ``registry.METHODS``.
"""
