# Attn AV, of which we hold the abstract: each form is an open choice, see
# `configs/ambiguities.yaml`.
method = dict(
    initial_encoders="scratch",  # or `infonce`: pre-trained without labels
    gate="features",
    per_class=False,
    outputs="probabilities",
    train_models=False,
)
