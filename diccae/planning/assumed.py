"""What is assumed of a GPU where none is at hand."""

# operations a second that a present GPU sustains; a tenth to a third of its peak
GPU_FLOPS = 1e14
