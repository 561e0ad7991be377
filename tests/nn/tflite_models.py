"""Small TensorFlow Lite files, made tensor by tensor."""

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite

CODES = tflite.BuiltinOperator
TYPES = {
    np.dtype(np.int8): tflite.TensorType.INT8,
    np.dtype(np.uint8): tflite.TensorType.UINT8,
    np.dtype(np.int32): tflite.TensorType.INT32,
    np.dtype(np.float32): tflite.TensorType.FLOAT32,
    np.dtype(np.bool_): tflite.TensorType.BOOL,
}
UNION = {
    "Pool2DOptions": tflite.BuiltinOptions.Pool2DOptions,
    "Conv2DOptions": tflite.BuiltinOptions.Conv2DOptions,
    "DepthwiseConv2DOptions": tflite.BuiltinOptions.DepthwiseConv2DOptions,
    "FullyConnectedOptions": tflite.BuiltinOptions.FullyConnectedOptions,
    "AddOptions": tflite.BuiltinOptions.AddOptions,
    "ConcatenationOptions": tflite.BuiltinOptions.ConcatenationOptions,
    "SoftmaxOptions": tflite.BuiltinOptions.SoftmaxOptions,
    "GeluOptions": tflite.BuiltinOptions.GeluOptions,
    "LeakyReluOptions": tflite.BuiltinOptions.LeakyReluOptions,
    "BatchMatMulOptions": tflite.BuiltinOptions.BatchMatMulOptions,
    "SplitOptions": tflite.BuiltinOptions.SplitOptions,
    "SplitVOptions": tflite.BuiltinOptions.SplitVOptions,
    "StridedSliceOptions": tflite.BuiltinOptions.StridedSliceOptions,
    "TransposeConvOptions": tflite.BuiltinOptions.TransposeConvOptions,
}


@dataclass
class File:
    """A file that is being made; ``bytes()`` is what stands in it."""

    tensors: list[tuple] = field(default_factory=list)
    operators: list[tuple] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    subgraphs: int = 1

    def tensor(
        self, shape, *, type=np.int8, scale=1.0, zero=0, axis=0, data=None, name=None, open=False
    ):
        """Add a tensor; returns its number. ``open``: its first dimension is."""
        scales = np.atleast_1d(np.asarray(scale, np.float32))
        zeros = np.broadcast_to(np.asarray(zero, np.int64), scales.shape)
        name = name or f"t{len(self.tensors)}"
        self.tensors.append((name, tuple(shape), np.dtype(type), scales, zeros, axis, data, open))
        return len(self.tensors) - 1

    def constant(self, data, **others):
        data = np.asarray(data)
        return self.tensor(data.shape, type=data.dtype, data=data, **others)

    def operator(self, kind, inputs, outputs, options=None, **fields):
        """Add an operator; ``fields`` are of the options' table, named as in the schema."""
        self.operators.append((kind, inputs, outputs, options, fields))

    def bytes(self) -> bytes:
        b = flatbuffers.Builder(1024)
        buffers = [self._buffer(b, None)]
        tensors = []
        for name, shape, kind, scales, zeros, axis, data, is_open in self.tensors:
            if data is not None:
                buffers.append(self._buffer(b, data.tobytes()))
            quantization = self._quantization(b, scales, zeros, axis)
            text = b.CreateString(name)
            dims = b.CreateNumpyVector(np.array(shape, np.int32))
            signature = b.CreateNumpyVector(np.array([-1, *shape[1:]] if is_open else shape, "i4"))
            tflite.TensorStart(b)
            tflite.TensorAddShape(b, dims)
            tflite.TensorAddShapeSignature(b, signature)
            tflite.TensorAddType(b, TYPES[kind])
            tflite.TensorAddBuffer(b, 0 if data is None else len(buffers) - 1)
            tflite.TensorAddName(b, text)
            tflite.TensorAddQuantization(b, quantization)
            tensors.append(tflite.TensorEnd(b))
        kinds = list(dict.fromkeys(one[0] for one in self.operators))
        codes = [self._code(b, kind) for kind in kinds]
        operators = [self._operator(b, kinds, *one) for one in self.operators]
        tensors, operators = _vector(b, tensors), _vector(b, operators)
        inputs = b.CreateNumpyVector(np.array(self.inputs, np.int32))
        outputs = b.CreateNumpyVector(np.array(self.outputs, np.int32))
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators)
        graph = tflite.SubGraphEnd(b)
        codes, buffers = _vector(b, codes), _vector(b, buffers)
        graphs = _vector(b, [graph] * self.subgraphs)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
        return bytes(b.Output())

    def _buffer(self, b, data):
        content = b.CreateByteVector(data) if data is not None else None
        tflite.BufferStart(b)
        if content is not None:
            tflite.BufferAddData(b, content)
        return tflite.BufferEnd(b)

    def _quantization(self, b, scales, zeros, axis):
        scales = b.CreateNumpyVector(scales)
        zeros = b.CreateNumpyVector(np.array(zeros))
        tflite.QuantizationParametersStart(b)
        tflite.QuantizationParametersAddScale(b, scales)
        tflite.QuantizationParametersAddZeroPoint(b, zeros)
        tflite.QuantizationParametersAddQuantizedDimension(b, axis)
        return tflite.QuantizationParametersEnd(b)

    def _code(self, b, kind):
        number = getattr(CODES, kind)
        tflite.OperatorCodeStart(b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(b, number)
        return tflite.OperatorCodeEnd(b)

    def _operator(self, b, kinds, kind, inputs, outputs, options, fields):
        inputs = b.CreateNumpyVector(np.array(inputs, np.int32))
        outputs = b.CreateNumpyVector(np.array(outputs, np.int32))
        table = None
        if options:
            getattr(tflite, f"{options}Start")(b)
            for name, value in fields.items():
                getattr(tflite, f"{options}Add{name}")(b, value)
            table = getattr(tflite, f"{options}End")(b)
        tflite.OperatorStart(b)
        tflite.OperatorAddOpcodeIndex(b, kinds.index(kind))
        tflite.OperatorAddInputs(b, inputs)
        tflite.OperatorAddOutputs(b, outputs)
        if options:
            tflite.OperatorAddBuiltinOptionsType(b, UNION[options])
            tflite.OperatorAddBuiltinOptions(b, table)
        return tflite.OperatorEnd(b)


def _vector(b, offsets):
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def convolution(file: File, x: int, *, k=4, r=3, s=3, c=3, out=(1, 6, 6, 4), stride=1, **others):
    """Add a convolution with weights of 1 and SAME padding; returns what it makes."""
    data = np.ones((k, r, s, c), np.int8)
    weight = file.constant(data, scale=np.full(k, 0.01), axis=0)
    bias = file.constant(np.arange(k, dtype=np.int32))
    y = file.tensor(out, scale=0.1, zero=-3)
    fields = {"Padding": 0, "StrideH": stride, "StrideW": stride} | others
    file.operator("CONV_2D", [x, weight, bias], [y], "Conv2DOptions", **fields)
    return y
