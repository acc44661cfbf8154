# Adam at 1e-4 for a batch of 32, cosine decay. The batch size counts clips a process; with G processes
# the step sees 32 G clips, and the rate grows in proportion (lr x G), the rule that the runner applies
# from `base_batch_size`.
schedule = dict(
    warmup=dict(epochs=2, batch_size=32, lr=1e-4, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=20, batch_size=32, lr=1e-4, weight_decay=0.0, steps=None),
    finetune=dict(epochs=30, batch_size=32, lr=1e-4, weight_decay=0.0, steps=None),
    eval_batch_size=64,
    views=10,
    num_workers=8,
    precision="bfloat16",
    compile=False,  # torch.compile of the encoders: minutes at the start of a run, faster steps after it
    base_batch_size=32,
)
