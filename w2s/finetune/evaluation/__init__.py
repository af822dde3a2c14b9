"""What predictions say: from what the models of a cell give for test items to the columns of a row.

Studies import it; it imports data and measures. Another kind of prediction gets a module here.
"""
