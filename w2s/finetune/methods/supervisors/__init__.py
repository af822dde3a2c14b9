"""Methods that keep several supervisors apart: who is believed about which item, and how much.

Found by the registry. Another one is a module here, with its word in ``registry.METHODS``.
"""
