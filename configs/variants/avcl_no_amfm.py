# AVCL without AMFM: the fused feature is a linear map of the concatenated features.
system = "avcl"
method = dict(amfm="concatenation")
