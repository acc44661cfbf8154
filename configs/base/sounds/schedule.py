# Rate and epochs of fine-tuning: those of the plan kitchen20-tuning, chosen with the model from
# scratch on validation recordings of tuning rotations; see
# results/reference/kitchen20-tuning/tuning.csv. 60 epochs are at the edge of the grid: more would
# double the cost of fine-tuning for less than a point. Warm-up and pre-training were not tuned:
# they have the same rate, and equal epochs as at the scale embedded. Clips are clustered again
# after every fourth epoch, five times in all (method.refine_every).
schedule = dict(
    warmup=dict(epochs=24, batch_size=64, lr=2e-3, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=24, batch_size=64, lr=2e-3, weight_decay=0.0, steps=None),
    finetune=dict(epochs=60, batch_size=32, lr=2e-3, weight_decay=0.0, steps=None),
    eval_batch_size=128,
    views=1,
    num_workers=0,
    precision="float32",
    compile=False,
    stream=0,  # another number: other initial weights, orders and augmentations
    base_batch_size=None,
)
