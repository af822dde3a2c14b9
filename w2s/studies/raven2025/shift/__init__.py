"""Linear students of several supervisors, drawn with given errors or trained on other data than the student's."""
