"""One way to ONNX Runtime and to an open ONNX file, for the detector and the recogniser."""

from typing import Any

from fsrfer import telemetry
from fsrfer.errors import ModelError


def import_onnxruntime() -> Any:
    """ONNX Runtime, its telemetry switched off first; nothing else in the project imports it."""
    telemetry.switch_off()
    import onnxruntime  # here, so that `import fsrfer` stays quick

    return onnxruntime


def open_session(data: bytes, where: str, threads: int | None = None) -> Any:
    """An ONNX Runtime session on the CPU, from the bytes of a file (so nothing beside it is read).

    Args:
        data: the content of the ``.onnx`` file.
        where: names the file in messages.
        threads: how many to use; None leaves it to ONNX Runtime (one a core).

    Raises:
        ModelError: ONNX Runtime cannot load it.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if b"QuantizeLinear" not in data:
        # No activation has 8 bits, so kernels that have are made float32 once, on loading, and not again for each batch.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise ModelError(
            f"{where}: not a model that ONNX Runtime can load; check that it is a whole .onnx file"
        ) from error
