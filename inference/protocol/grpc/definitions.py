"""The messages of `inference.GRPCInferenceService`, as data: numbers and types are its interface.

One line a field, as a `.proto` file has it without the semicolon. A field in brackets belongs to
the message's only `oneof`. The numbers are those of KServe's and Triton's `grpc_service.proto`
and `model_config.proto`; what the hub does not speak of is left out, which the wire allows.
"""

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_NAMED = "string name = 1\nstring version = 2"
_DURATIONS = "success fail queue compute_input compute_infer compute_output cache_hit cache_miss"
_TENSOR = """
    string name = 1
    string datatype = 2
    repeated int64 shape = 3
"""
_TENSOR_WITH_DATA = f"""{_TENSOR}
    map<InferParameter> parameters = 4
    InferTensorContents contents = 5
"""
_REPOSITORY_CHANGE = """
    string repository_name = 1
    string model_name = 2
    map<ModelRepositoryParameter> parameters = 3
"""

# The values of each, from 0.
ENUMS = {
    "DataType": (
        "TYPE_INVALID TYPE_BOOL TYPE_UINT8 TYPE_UINT16 TYPE_UINT32 TYPE_UINT64 TYPE_INT8 "
        "TYPE_INT16 TYPE_INT32 TYPE_INT64 TYPE_FP16 TYPE_FP32 TYPE_FP64 TYPE_STRING TYPE_BF16"
    ),
}

MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live = 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready = 1",
    "ModelReadyRequest": _NAMED,
    "ModelReadyResponse": "bool ready = 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": f"{_NAMED}\nrepeated string extensions = 3",
    "ModelMetadataRequest": _NAMED,
    "ModelMetadataResponse": """
        string name = 1
        repeated string versions = 2
        string platform = 3
        repeated ModelMetadataResponse.TensorMetadata inputs = 4
        repeated ModelMetadataResponse.TensorMetadata outputs = 5
    """,
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "InferParameter": """
        [bool bool_param = 1]
        [int64 int64_param = 2]
        [string string_param = 3]
        [double double_param = 4]
        [uint64 uint64_param = 5]
    """,
    "InferTensorContents": """
        repeated bool bool_contents = 1
        repeated int32 int_contents = 2
        repeated int64 int64_contents = 3
        repeated uint32 uint_contents = 4
        repeated uint64 uint64_contents = 5
        repeated float fp32_contents = 6
        repeated double fp64_contents = 7
        repeated bytes bytes_contents = 8
    """,
    "ModelInferRequest": """
        string model_name = 1
        string model_version = 2
        string id = 3
        map<InferParameter> parameters = 4
        repeated ModelInferRequest.InferInputTensor inputs = 5
        repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6
        repeated bytes raw_input_contents = 7
    """,
    "ModelInferRequest.InferInputTensor": _TENSOR_WITH_DATA,
    "ModelInferRequest.InferRequestedOutputTensor": """
        string name = 1
        map<InferParameter> parameters = 2
    """,
    "ModelInferResponse": """
        string model_name = 1
        string model_version = 2
        string id = 3
        map<InferParameter> parameters = 4
        repeated ModelInferResponse.InferOutputTensor outputs = 5
        repeated bytes raw_output_contents = 6
    """,
    "ModelInferResponse.InferOutputTensor": _TENSOR_WITH_DATA,
    "ModelStreamInferResponse": """
        string error_message = 1
        ModelInferResponse infer_response = 2
    """,
    "ModelConfigRequest": _NAMED,
    "ModelConfigResponse": "ModelConfig config = 1",
    "ModelConfig": """
        string name = 1
        string platform = 2
        int32 max_batch_size = 4
        repeated ModelInput input = 5
        repeated ModelOutput output = 6
        string backend = 17
    """,
    "ModelInput": "string name = 1\nenum DataType data_type = 2\nrepeated int64 dims = 4",
    "ModelOutput": "string name = 1\nenum DataType data_type = 2\nrepeated int64 dims = 3",
    "ModelStatisticsRequest": _NAMED,
    "ModelStatisticsResponse": "repeated ModelStatistics model_stats = 1",
    "ModelStatistics": """
        string name = 1
        string version = 2
        uint64 last_inference = 3
        uint64 inference_count = 4
        uint64 execution_count = 5
        InferStatistics inference_stats = 6
        repeated InferBatchStatistics batch_stats = 7
    """,
    "InferStatistics": "\n".join(
        f"StatisticDuration {name} = {number}" for number, name in enumerate(_DURATIONS.split(), 1)
    ),
    "InferBatchStatistics": """
        uint64 batch_size = 1
        StatisticDuration compute_input = 2
        StatisticDuration compute_infer = 3
        StatisticDuration compute_output = 4
    """,
    "StatisticDuration": "uint64 count = 1\nuint64 ns = 2",
    "RepositoryIndexRequest": "string repository_name = 1\nbool ready = 2",
    "RepositoryIndexResponse": "repeated RepositoryIndexResponse.ModelIndex models = 1",
    "RepositoryIndexResponse.ModelIndex": """
        string name = 1
        string version = 2
        string state = 3
        string reason = 4
    """,
    "ModelRepositoryParameter": """
        [bool bool_param = 1]
        [int64 int64_param = 2]
        [string string_param = 3]
        [bytes bytes_param = 4]
    """,
    "RepositoryModelLoadRequest": _REPOSITORY_CHANGE,
    "RepositoryModelLoadResponse": "",
    "RepositoryModelUnloadRequest": _REPOSITORY_CHANGE,
    "RepositoryModelUnloadResponse": "",
}
