# Batches of P clusters x K clips in pre-training too.
method = dict(pretrain_batches="p_x_k")
