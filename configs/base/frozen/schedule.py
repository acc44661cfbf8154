# The epochs of the paper's scale. Batches are larger, because the networks are small: a batch of
# P x K has 64 classes.
schedule = dict(
    warmup=dict(epochs=20, batch_size=256, lr=1e-3, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=20, batch_size=256, lr=1e-3, weight_decay=0.0, steps=None),
    finetune=dict(epochs=30, batch_size=256, lr=1e-3, weight_decay=0.0, steps=None),
    eval_batch_size=1024,
    views=10,
    num_workers=0,
    precision="float32",
    compile=False,
    stream=0,  # another number: other initial weights, orders and augmentations
    base_batch_size=None,
)
