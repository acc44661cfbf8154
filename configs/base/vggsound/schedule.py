# Adam with a learning rate of 1e-4 for a batch of 32, cosine decay. batch_size is that of each
# process: with G processes a step has 32 G clips, and the runner scales the rate to lr x G
# (base_batch_size). Warm-up and pre-training have equal epochs, see the schedule of `embedded`.
schedule = dict(
    warmup=dict(epochs=20, batch_size=32, lr=1e-4, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=20, batch_size=32, lr=1e-4, weight_decay=0.0, steps=None),
    finetune=dict(epochs=30, batch_size=32, lr=1e-4, weight_decay=0.0, steps=None),
    eval_batch_size=64,
    views=10,
    num_workers=8,
    precision="bfloat16",
    compile=False,  # torch.compile of the encoders: slow start of a run, then faster steps
    stream=0,  # another number: other initial weights, orders and augmentations
    base_batch_size=32,
)
