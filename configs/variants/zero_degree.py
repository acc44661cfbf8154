# Eq. 3 with degrees of 0 for classes of fewer than two update clips.
method = dict(unmeasured_weight="zero_degree")
