# The open choices of Perceiver IO; `configs/ambiguities.yaml` has the alternatives.
method = dict(
    initial_encoders="scratch",  # or `infonce`: pre-trained without labels
    latents=32,
    latent_width=64,
    layers=4,
    repeats=1,
    heads=4,
    cross_heads=1,
    decoder_heads=1,
    widening=1,
    attention_dropout=0.0,
    # tokens with learned positions, as in the other systems on tokens; or the values of each patch
    # and the Fourier features of its position, in this number of bands an axis
    positions="learned",
    fourier_bands=8,
    modality_channels=4,
    # `scratch`, or the path of a released checkpoint
    init="scratch",
)
scales = dict(
    vggsound=dict(
        method=dict(latents=512, latent_width=1024, layers=8, heads=8, fourier_bands=64),
    ),
)
