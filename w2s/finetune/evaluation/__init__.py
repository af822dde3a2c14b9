"""What predictions say: from what the models of a cell give for test items to the columns of a row.

Studies import it, and a method that scores texts; it imports data, choices and measures. Another kind of prediction gets a
module here.
"""
