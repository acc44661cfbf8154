"""What is assumed of a GPU where none is at hand."""

# Operations a second that a present GPU sustains, a tenth to a third of its peak. An H100 reached
# 1.7e14 in training as it is and 3.1e14 with compiled encoders (benchmarks/RESULTS.md).
GPU_FLOPS = 1e14
