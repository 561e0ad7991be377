"""The golden model: numpy references, int64 inside, of every operation and of quantization.

``convolution``, ``elementwise``, ``pooling`` and ``softmax`` give what TFLite's reference kernels
give, bit by bit; ``einsum`` gives the result and the single steps of any operation; ``quantize``
and ``fixed_point`` hold the roundings. The integers of ``layer_norm`` and ``table`` are this
project's own. Nothing here knows of hardware, mappings or files.
"""
