# The learning rates have the highest mean validation accuracy, over A, V and A-V and over a
# from-scratch and an InfoNCE-only model, of the values in configs/plans/tuning.yaml; the results
# are in results/reference/tuning/tuning.csv. The epochs keep a pre-training below 45 core-seconds,
# including evaluation.
schedule = dict(
    warmup=dict(epochs=6, batch_size=64, lr=2e-3, weight_decay=0.0, steps=None),
    pretrain=dict(epochs=9, batch_size=64, lr=2e-3, weight_decay=0.0, steps=None),
    finetune=dict(epochs=30, batch_size=32, lr=2e-3, weight_decay=0.0, steps=None),
    eval_batch_size=128,
    views=2,
    num_workers=0,
    precision="float32",
    compile=False,
    base_batch_size=None,
)
