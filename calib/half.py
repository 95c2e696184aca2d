"""FP16 on a CPU: the graph in FP32 with every value rounded as FP16 rounds it.

onnxruntime runs an FP16 graph on a CPU in FP32 from one node to the next: hardly anything of FP16's error shows there.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from engines.graphs import IN_FULL

SPLIT = np.array(2**13 + 1, np.float32)  # leaves 11 of FP32's 24 bits
EXACT = ("Constant", "Reshape", "Transpose", "Identity", "Slice", "Concat", "Clip", "Relu")  # round nothing anew


def rounded_to_half(model: onnx.ModelProto) -> bytes:
    """The graph, with the result of each operator that FP16 graphs compute in FP16 rounded to 11 significant bits.

    By Dekker's splitting ("A floating-point technique for extending the available precision", 1971), in operators that
    no optimiser takes for a conversion. The range of FP16 is not simulated. model: in FP32, its weights within it.
    """
    graph = shape_inference.infer_shapes(model).graph
    kinds = {item.name: item.type.tensor_type.elem_type for item in (*graph.value_info, *graph.output)}
    nodes = []
    for node in model.graph.node:
        node = onnx.NodeProto.FromString(node.SerializeToString())
        nodes.append(node)
        for index, name in enumerate(node.output):
            if kinds.get(name) == TensorProto.FLOAT and node.op_type not in (*IN_FULL, *EXACT):
                node.output[index] = whole = f"{name}.whole"
                nodes += [
                    helper.make_node("Mul", [whole, "half.split"], [f"{name}.large"]),
                    helper.make_node("Sub", [f"{name}.large", whole], [f"{name}.rest"]),
                    helper.make_node("Sub", [f"{name}.large", f"{name}.rest"], [name]),
                ]
    made = onnx.ModelProto.FromString(model.SerializeToString())
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.append(numpy_helper.from_array(SPLIT, "half.split"))
    return made.SerializeToString()
