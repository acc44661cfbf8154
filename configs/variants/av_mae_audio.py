# Pre-training reconstructs spectrograms alone, so that only a model of audio can start from it.
system = "av_mae"
method = dict(pretrain_on="audio")
