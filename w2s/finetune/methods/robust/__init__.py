"""Methods that change what a training asks of the student beside its labels: robustness, or a second aim against them.

Found by ``methods/registry.py``; a new one is a file here. They import the kit, and no other method.
"""
