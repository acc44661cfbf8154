# Rate and epochs of fine-tuning: those of the plan kitchen20-frozen-tuning, chosen with the model
# from scratch on validation recordings of tuning rotations; see
# results/reference/kitchen20-frozen-tuning/tuning.csv. Warm-up and pre-training were not tuned:
# they have this rate, and equal epochs as at the scale embedded. Clips are clustered again after
# every fourth epoch, five times in all (method.refine_every).
schedule = dict(
    warmup=dict(epochs=24, batch_size=64, lr=5e-4, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=24, batch_size=64, lr=5e-4, weight_decay=0.0, steps=None),
    finetune=dict(epochs=30, batch_size=32, lr=5e-4, weight_decay=0.0, steps=None),
    eval_batch_size=128,
    views=1,
    num_workers=0,
    precision="float32",
    compile=False,
    stream=0,  # another number: other initial weights, orders and augmentations
    base_batch_size=None,
)
