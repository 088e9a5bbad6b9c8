import onnx
import pytest
from onnx import TensorProto, helper

from fsrfer.recognition.onnx_shapes import free_picture_size


def test_only_number_and_sizes_of_pictures_are_opened() -> None:
    nodes = [helper.make_node("Relu", ["picture"], ["between"]), helper.make_node("Abs", ["between"], ["answer"])]
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 640, 640])
        for name in ("picture", "between", "answer")
    }
    graph = helper.make_graph(
        nodes, "toy", [values["picture"]], [values["answer"]], value_info=[values["between"]], doc_string="é" * 200
    )
    model = helper.make_model(graph, producer_name="test", ir_version=8)
    freed = onnx.load_from_string(free_picture_size(model.SerializeToString()))
    onnx.checker.check_model(freed)
    assert [dimension.dim_value or None for dimension in freed.graph.input[0].type.tensor_type.shape.dim] == [
        None,
        3,
        None,
        None,
    ]
    assert not any(dimension.dim_value for dimension in freed.graph.output[0].type.tensor_type.shape.dim)
    assert len(freed.graph.output[0].type.tensor_type.shape.dim) == 4
    assert not freed.graph.value_info
    assert (list(freed.graph.node), freed.graph.doc_string, freed.producer_name) == (nodes, "é" * 200, "test")


@pytest.mark.parametrize("data", [b"not a model", b"\x3a\xff", b"\x3a\x05ab", b"\xff" * 20])
def test_what_is_no_protocol_buffer_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no protocol buffer"):
        free_picture_size(data)
