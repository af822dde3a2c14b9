"""Methods that choose between labels or weigh them: which items the student learns from, or whose answer it learns.

Each is one module with its word in ``METHODS`` of the registry above; ``answers`` holds what several of them ask for.
"""
