"""Threads and instruction sets of the default plan, for tests that train in this process."""

from diccae import kernels

kernels.fix()
