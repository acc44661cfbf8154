# Smallest circles that enclose the central 95 % of a class.
method = dict(circle="min_enclosing")
