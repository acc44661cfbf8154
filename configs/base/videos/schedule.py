# Nothing here was tuned: the rate is the one that Adam's authors suggest, and fine-tuning has the
# epochs of the scale sounds. Warm-up and pre-training have equal epochs, as at the scale embedded.
# Plans set method.refine_every to 8: clips are clustered again after every eighth epoch, five times
# in all.
schedule = dict(
    warmup=dict(epochs=48, batch_size=64, lr=1e-3, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=48, batch_size=64, lr=1e-3, weight_decay=0.0, steps=None),
    finetune=dict(epochs=60, batch_size=32, lr=1e-3, weight_decay=0.0, steps=None),
    eval_batch_size=128,
    views=2,
    num_workers=0,
    precision="float32",
    compile=False,
    stream=0,  # another number: other initial weights, orders and augmentations
    base_batch_size=None,
)
