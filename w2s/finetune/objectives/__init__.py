"""What a student minimises: losses by name, with checked options.

Imported by methods, by the trainer and by pretraining. A new loss is a registered function of about ten lines in `losses`.
"""
