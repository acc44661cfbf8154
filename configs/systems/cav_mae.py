# The choices of the released code, at a smaller size on the embedded benchmark.
method = dict(
    joint_depth=1,
    mask_ratio=0.75,
    reconstruction_weight=1.0,
    contrast_weight=0.01,
    temperature=0.05,
    norm_pixels=True,
    decoder_width=512,
    decoder_depth=8,
    decoder_heads=16,
    released_weights=None,
)
# Pre-training has the epochs of warm-up and pre-training of DICCAE together.
scales = dict(
    embedded=dict(
        # patches of motion hardly vary: normalising them would amplify noise
        method=dict(norm_pixels=False, decoder_width=36, decoder_depth=2, decoder_heads=3),
        schedule=dict(pretrain=dict(epochs=24, batch_size=64)),
    ),
    vggsound=dict(schedule=dict(pretrain=dict(epochs=40, batch_size=64))),
)
