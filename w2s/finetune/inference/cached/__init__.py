"""What a training sees in the place of texts when the lower part of its model does not change: computed once for all of them.

A head alone sees features, the last layers see the states of every token before them.
"""
