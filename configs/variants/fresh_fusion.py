# Fine-tuning starts from the encoders of pre-training and a new fusion MLP.
method = dict(initial_fusion="fresh")
