"""Rules over the hyperparameters of a training job, for each engine.

Names and exact values: SageMaker SDK 2.257.1 and the model parallel library's reference as noted in
the training facts (c.1, read 2026-11-23); DeepSpeed's mics_utils.py; training/mesh.py for our own.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue import sharding
from ultracluster.catalogue.sharding import Cluster
from ultracluster.catalogue.torchtitan import Fault, Layout, model_faults
from ultracluster.catalogue.training_parts import path_problems
from ultracluster.catalogue.training_request import MODEL_PARALLEL, SHARDED, TrainingRequest
from ultracluster.catalogue.training_settings import (
    OWN,
    TITAN,
    known_settings,
    recipe_problems,
    recipe_values,
    setting_problems,
)
from ultracluster.catalogue.values import document, number, part, table, text
from ultracluster.problem import MISSING, Problem, choices

ENGINE: Final = "engine"
SETTINGS: Final = "settings"
RECIPE: Final = "recipe"
PROGRAM: Final = "program"
ARGUMENTS: Final = "arguments"
DEEPSPEED_CONFIG: Final = "deepspeed_config"
TORCH_DISTRIBUTED: Final = "sagemaker_torch_distributed_enabled"
DATA_PARALLEL: Final = "sagemaker_distributed_dataparallel_enabled"
MPI: Final = "sagemaker_mpi_enabled"
MPI_PROCESSES: Final = "sagemaker_mpi_num_of_processes_per_host"
INSTANCE_TYPE: Final = "sagemaker_instance_type"
HYBRID: Final = "hybrid_shard_degree"

DOCUMENTS: Final[Mapping[str, tuple[type, str]]] = {
    SETTINGS: (dict, 'an object, as in {"parallel.partition_size": "16"}'),
    DEEPSPEED_CONFIG: (dict, 'an object, as in {"zero_optimization": {"stage": 3}}'),
    MODEL_PARALLEL: (dict, f'an object, as in {{"{HYBRID}": 128}}'),
    ARGUMENTS: (list, 'a list of texts, as in ["--lr", "1e-4"]'),
}
"""Hyperparameters that are JSON."""

LAID_OUT: Final = ("model.family", "model.flavor", "model.sequence", "parallel.partition_size")
"""Settings of torchtitan without which nothing can be said of its layout."""

PARAMETERS: Final = {
    number: tuple(table("training")["model_parallel"][f"version_{number}"]) for number in (1, 2)
}
"""Of SageMaker's model parallel library, by its version."""

Values = Mapping[str, Any]


def engine_problems(request: TrainingRequest) -> Iterator[Problem]:
    """Yield what cannot be in the hyperparameters of a request, for the engine they name."""
    given = request.hyperparameters
    gpus = request.efa_type.accelerator.count if request.efa_type else 0
    nodes = request.instance_count
    cluster = Cluster(nodes, gpus) if gpus and nodes > 0 else None
    ours = given.get(ENGINE) == OWN or request.has_own_entry_point
    yield from _documents(given, ours=ours)
    if given.get(ENGINE) == TITAN:
        yield from _titan(request, cluster)
    else:
        yield from _own(request, given, cluster, ours=ours)
    yield from _deepspeed(request, cluster)
    yield from _model_parallel(request, cluster)
    yield from _launchers(request, cluster)


def _documents(given: Values, *, ours: bool) -> Iterator[Problem]:
    for name, (kind, words) in DOCUMENTS.items():
        own = ours or name == MODEL_PARALLEL
        if own and name in given and not isinstance(document(given[name]), kind):
            yield Problem(_at(name), given[name], f"not valid JSON; write {words}")
    arguments = document(given.get(ARGUMENTS)) if ours else None
    for index, argument in enumerate(arguments if isinstance(arguments, list) else ()):
        if not isinstance(argument, str):
            fix = f'the command line is a list of strings; write "{argument}"'
            yield Problem(f"{_at(ARGUMENTS)}[{index}]", argument, fix)


def _own(
    request: TrainingRequest, given: Values, cluster: Cluster | None, *, ours: bool
) -> Iterator[Problem]:
    own, stated = given.get(ENGINE) == OWN, request.hyperparameter(SETTINGS)
    if own:
        yield from recipe_problems(_at(RECIPE), given.get(RECIPE))
        if isinstance(stated, Mapping):
            yield from path_problems(_at(SETTINGS), stated, request)
        stated = {} if stated is None else stated
    if not isinstance(stated, Mapping) or not (ours or set(known_settings()) & set(stated)):
        return
    yield from setting_problems(_at(SETTINGS), stated)
    # What a job does not say is its recipe's.
    whole = {**(recipe_values(given.get(RECIPE)) if own else {}), **stated}
    if cluster is not None:
        yield from _layout(whole, cluster, request)


def _layout(settings: Values, cluster: Cluster, request: TrainingRequest) -> Iterator[Problem]:
    """Yield why groups, batch and state of our own program do not fit a job's GPUs."""
    own = _at(SETTINGS)
    partition = number(settings.get("parallel.partition_size"))
    ways = number(settings.get("parallel.tensor_parallel"))
    node = number(settings.get("parallel.gpus_per_node"))
    if node and node != cluster.gpus_per_node:
        fix = f"an instance has {cluster.gpus_per_node}; write that, or leave it out"
        yield Problem(f"{own}.parallel.gpus_per_node", node, fix)
    group = f"{own}.parallel.partition_size"
    if partition is not None:
        yield from sharding.partition_problems(group, partition, cluster)
    if ways is not None:
        where = f"{own}.parallel.tensor_parallel"
        yield from sharding.tensor_problems(where, ways, cluster, partition=partition)
    if partition and _true(settings.get("parallel.hierarchical_gather")):
        yield from sharding.hierarchical_problems(
            f"{own}.parallel.hierarchical_gather", partition, cluster
        )
    batch, micro = (number(settings.get(f"data.{name}_batch")) for name in ("global", "micro"))
    if batch and micro:
        yield from sharding.batch_problems(
            f"{own}.data.global_batch", batch, micro, ways or 1, cluster
        )
    names = ("layers", "width", "vocabulary")
    layers, width, vocabulary = (number(settings.get(f"model.{name}")) for name in names)
    if layers and width and vocabulary and request.efa_type:
        parameters = 12 * layers * width**2 + vocabulary * width
        memory, size = request.efa_type.accelerator.memory_mib, min(partition or 1, cluster.world)
        yield from sharding.memory_problems(group, size, parameters=parameters, memory_mib=memory)


def _titan(request: TrainingRequest, cluster: Cluster | None) -> Iterator[Problem]:
    yield from recipe_problems(_at(RECIPE), request.hyperparameters.get(RECIPE), TITAN)
    settings = request.hyperparameter(SETTINGS)
    if not isinstance(settings, Mapping):
        return
    yield from path_problems(_at(SETTINGS), settings, request)
    found = list(setting_problems(_at(SETTINGS), settings, TITAN))
    yield from found
    if found or not all(name in settings for name in LAID_OUT):
        return  # the recipe has the rest, and the program itself judges the whole
    for fault in _faults(settings, cluster):
        yield Problem(f"{_at(SETTINGS)}.{fault.field}", fault.got, f"{fault.why}; {fault.fix}")


def _faults(settings: Values, cluster: Cluster | None) -> Iterator[Fault]:
    model = text(settings["model.family"]), text(settings["model.flavor"])
    whole = {name: number(settings.get(name)) for name in settings}
    unknown = list(model_faults(*model, whole["model.sequence"] or 0))
    yield from unknown
    if not unknown:
        yield from Layout(
            family=model[0],
            flavor=model[1],
            sequence=whole["model.sequence"] or 0,
            partition=whole["parallel.partition_size"] or 1,
            tensor=whole.get("parallel.tensor_parallel") or 1,
            context=whole.get("parallel.context_parallel") or 1,
            pipeline=whole.get("parallel.pipeline_parallel") or 1,
            schedule=text(settings.get("parallel.pipeline_schedule", "1F1B")),
            expert=whole.get("parallel.expert_parallel") or 1,
            batch=whole.get("data.global_batch") or 0,
            micro=whole.get("data.micro_batch") or 1,
            world=cluster.world if cluster else 0,
            node=cluster.gpus_per_node if cluster else 0,
        ).faults()


def _deepspeed(request: TrainingRequest, cluster: Cluster | None) -> Iterator[Problem]:
    config = request.hyperparameter(DEEPSPEED_CONFIG)
    zero, where = part(config, "zero_optimization"), f"{_at(DEEPSPEED_CONFIG)}.zero_optimization"
    size = part(zero, "mics_shard_size")
    if size is None or size == -1:  # -1 switches MiCS off
        return
    if part(zero, "stage") != 3:  # noqa: PLR2004 - ZeRO-3
        fix = "MiCS partitions weights, which is stage 3; write 3"
        yield Problem(f"{where}.stage", part(zero, "stage"), fix)
    for name in ("offload_param", "offload_optimizer"):
        if part(zero, name, "device") not in (None, "none"):
            fix = "MiCS does not support offloading; remove it"
            yield Problem(f"{where}.{name}", part(zero, name), fix)
    if number(size) is None:
        yield Problem(f"{where}.mics_shard_size", size, "write a whole number of GPUs")
    elif cluster is not None and (wanted := number(size)) is not None:
        yield from sharding.partition_problems(f"{where}.mics_shard_size", wanted, cluster)
        if part(zero, "mics_hierarchical_params_gather") is True:
            field = f"{where}.mics_hierarchical_params_gather"
            yield from sharding.hierarchical_problems(field, wanted, cluster)
    yield from _deepspeed_batch(config, cluster)


def _deepspeed_batch(config: Values, cluster: Cluster | None) -> Iterator[Problem]:
    names = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
    whole, micro, steps = (number(config.get(name)) for name in names)
    if cluster is None or whole is None or micro is None or steps is None:
        return
    if whole != (total := micro * steps * cluster.world):
        fix = f"it is {names[1]} x {names[2]} x GPUs, {micro} x {steps} x {cluster.world}"
        yield Problem(f"{_at(DEEPSPEED_CONFIG)}.{names[0]}", whole, f"{fix}; write {total}")


def _model_parallel(request: TrainingRequest, cluster: Cluster | None) -> Iterator[Problem]:
    parameters = request.model_parallel
    if parameters is None:
        return
    archived, where = request.library == 1, _at(MODEL_PARALLEL)
    known = PARAMETERS[1 if archived else 2]
    for name in parameters:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            if archived and not near:
                continue  # its reference is gone from SageMaker's documentation; some may lack
            near = near or list(known)
            fix = f"version {1 if archived else 2} of the library has no such parameter"
            yield Problem(f"{where}.{name}", parameters[name], f"{fix}; write {choices(near)}")
    if archived and HYBRID in parameters:
        fix = f"it is of version 2, and {SHARDED} or ddp of version 1; keep one of them"
        yield Problem(f"{where}.{HYBRID}", parameters[HYBRID], fix)
    yield from (_version_1 if archived else _version_2)(parameters, cluster)


def _version_1(parameters: Values, cluster: Cluster | None) -> Iterator[Problem]:
    where, degree = _at(MODEL_PARALLEL), parameters.get(SHARDED)
    if degree is None:
        return
    for name in ("tensor_parallel_degree", "pipeline_parallel_degree", "partitions"):
        if parameters.get(name) not in (None, 1):
            fix = "sharded data parallelism excludes other parallelism; write 1"
            yield Problem(f"{where}.{name}", parameters[name], fix)
    if parameters.get("ddp") is not True:
        fix = "sharded data parallelism is part of ddp; write true"
        yield Problem(f"{where}.ddp", parameters.get("ddp", MISSING), fix)
    if parameters.get("bf16") is True and parameters.get("fp16") is True:
        yield Problem(f"{where}.fp16", True, "weights have one type; keep bf16 or fp16")
    if number(degree) is None:
        yield Problem(f"{where}.{SHARDED}", degree, "write a whole number of GPUs")
    elif cluster is not None:
        yield from sharding.partition_problems(f"{where}.{SHARDED}", number(degree) or 0, cluster)


def _version_2(parameters: Values, cluster: Cluster | None) -> Iterator[Problem]:
    where = _at(MODEL_PARALLEL)
    named = [name for name in parameters if name.endswith("_degree")]
    degrees = {name: number(parameters[name]) for name in named}
    for name, degree in degrees.items():
        if degree is None:
            yield Problem(f"{where}.{name}", parameters[name], "write a whole number of GPUs")
    ways = degrees.get("tensor_parallel_degree")
    if cluster is None:
        return
    if ways is not None:
        yield from sharding.tensor_problems(f"{where}.tensor_parallel_degree", ways, cluster)
    # 0 hands the choice to PyTorch, which shards over the GPUs of a node.
    if degree := degrees.get(HYBRID):
        yield from sharding.partition_problems(f"{where}.{HYBRID}", degree, cluster)
        if ways and cluster.world % (ways * degree) and not cluster.world % degree:
            fix = f"with {ways} GPUs to a layer they do not divide the {cluster}"
            yield Problem(f"{where}.{HYBRID}", degree, f"{fix}; write {cluster.world // ways}")


def _launchers(request: TrainingRequest, cluster: Cluster | None) -> Iterator[Problem]:
    library, given = request.library, request.hyperparameters
    on = [name for name in (TORCH_DISTRIBUTED, MPI, DATA_PARALLEL) if _true(given.get(name))]
    for name in on[1:]:
        yield Problem(_at(name), given[name], f"{on[0]} starts the processes already; write false")
    wanted = {1: MPI, 2: TORCH_DISTRIBUTED}.get(library or 0)
    # An entry point passes SageMaker's launchers by, as SDK 3's own driver script does.
    if wanted and not request.entrypoint and not _true(given.get(wanted)):
        fix = f"version {library} of the library is started by it; write true"
        yield Problem(_at(wanted), given.get(wanted, MISSING), fix)
    processes = number(given.get(MPI_PROCESSES))
    gpus = cluster.gpus_per_node if cluster else None
    # Fewer are a choice, of Horovod's users for example; version 1 takes all of them.
    if gpus and processes is not None and (processes > gpus or (library == 1 and processes < gpus)):
        fix = f"an instance has {gpus} GPUs; write that"
        yield Problem(_at(MPI_PROCESSES), processes, fix)
    stated, actual = given.get(INSTANCE_TYPE), request.configured.instance_type
    if stated is not None and actual and document(stated) != actual:
        fix = f'it is a JSON text; write "{actual}" with quotes'
        yield Problem(_at(INSTANCE_TYPE), stated, fix)
    stranger = given.get(ENGINE) not in (None, OWN, TITAN)
    if given.get(PROGRAM) is None and stranger and request.has_own_entry_point:
        fix = "this engine starts your own program; write its path in the image"
        yield Problem(_at(PROGRAM), MISSING, fix)


def _true(value: object) -> bool:
    return value is True or text(value).lower() == "true"


def _at(name: str) -> str:
    return f"HyperParameters.{name}"
