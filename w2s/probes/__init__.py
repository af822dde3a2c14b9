"""Linear probes on fixed features: factorise once, then weak models, students and ceilings under every filter and label rule.

Imported by studies and by finetunes that probe frozen encoders; imports the kernels. A new kind of head gets a module here.
"""
