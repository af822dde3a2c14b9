"""What a student minimises: losses by name, with checked options.

Imported by methods and by the trainer. A new loss is a registered function of about ten lines in `losses`.
"""
