"""Small networks with layers of the vector unit, of random numbers."""

import numpy as np

from rtl_gen.golden.layer_norm import layer_norm_factors
from rtl_gen.golden.softmax import softmax_factor
from rtl_gen.golden.table import FUNCTIONS, function_table
from rtl_gen.nn.graph import Graph, Node, Port, Tensor
from rtl_gen.nn.operators import LayerNormNode, PoolNode, SoftmaxNode, TableNode
from rtl_gen.spec.layer import Quantization, conv2d

__all__ = ["Networks"]


class Networks:
    """Builds a graph node by node: each reads the one before, unless it is told otherwise."""

    def __init__(self, image: tuple[int, ...], seed: int, batch: int = 1):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.batch = [], batch
        self.shapes = {"x": image}
        self.last = "x"

    def add(self, make, gives, source=None, **fields) -> str:
        name = f"layer{len(self.nodes)}"
        node = make(name=name, input=source or self.last, output=name, **fields)
        self.nodes.append(node)
        self.shapes[name], self.last = gives, name
        return name

    def shape(self, source=None) -> tuple[int, ...]:
        return self.shapes[source or self.last]

    def convolution(self, k: int, size: int, *, source=None) -> str:
        h, w, c = self.shape(source)
        pad = (size // 2,) * 4
        layer = conv2d(
            name=f"layer{len(self.nodes)}",
            n=self.batch,
            k=k,
            c=c,
            h=h,
            w=w,
            r=size,
            s=size,
            pad=pad,
            quantization=Quantization(input_zero=3, output_zero=-2),
        )
        output = f"layer{len(self.nodes)}"
        self.nodes.append(
            Node(
                layer=layer,
                weight=self.rng.integers(-128, 128, (k, size, size, c)).astype(np.int8),
                bias=self.rng.integers(-1000, 1000, k).astype(np.int32),
                multiplier=self.rng.integers(1 << 30, (1 << 31) - 1, k).astype(np.int32),
                shift=np.full(k, -9, np.int32),
                input=source or self.last,
                output=output,
            )
        )
        self.shapes[output], self.last = (h, w, k), output
        return output

    def pool(self, kind, kernel, stride, pad, *, source=None, act_min=-128) -> str:
        h, w, c = image = self.shape(source)
        p = (h + pad[0] + pad[2] - kernel[0]) // stride[0] + 1
        q = (w + pad[1] + pad[3] - kernel[1]) // stride[1] + 1
        fields = {"kind": kind, "image": image, "kernel": kernel, "stride": stride, "pad": pad}
        return self.add(PoolNode, (p, q, c), source, **fields, act_min=act_min, act_max=127)

    def table(self, function="gelu", *, source=None) -> str:
        scales = {"input_scale": 0.03, "input_zero": 2, "output_scale": 0.02, "output_zero": -9}
        table = function_table(FUNCTIONS[function], **scales)
        return self.add(TableNode, self.shape(source), source, table=table)

    def softmax(self, *, source=None, scale=0.05) -> str:
        names = ("multiplier", "left_shift", "diff_min")
        shape = self.shape(source)
        fields = dict(zip(names, softmax_factor(scale)))
        return self.add(SoftmaxNode, shape, source, shape=shape, **fields)

    def layer_norm(self, *, source=None) -> str:
        shape = self.shape(source)
        gamma, beta = self.rng.normal(0, 1, shape[-1]), self.rng.normal(0, 1, shape[-1])
        factors = layer_norm_factors(gamma, beta, epsilon=1e-5, input_scale=0.05, output_scale=0.03)
        fields = factors._asdict() | {"shape": shape, "output_zero": 5}
        return self.add(LayerNormNode, shape, source, **fields)

    def graph(self) -> Graph:
        tensors = {
            name: Tensor(name=name, shape=(self.batch, *shape), scale=1.0, zero=0)
            for name, shape in self.shapes.items()
        }

        def port(name):
            shape = self.shapes[name]
            return Port(name=name, tensor=name, index=np.arange(int(np.prod(shape))).reshape(shape))

        read = {name for node in self.nodes for name in node.inputs}
        outputs = [node.output for node in self.nodes if node.output not in read]
        return Graph(
            name="vectors",
            nodes=tuple(self.nodes),
            tensors=tensors,
            inputs=(port("x"),),
            outputs=tuple(port(name) for name in outputs),
        )

    def inputs(self) -> dict[str, np.ndarray]:
        shape = (self.batch, *self.shapes["x"])
        return {"x": self.rng.integers(-128, 128, shape).astype(np.int8)}
