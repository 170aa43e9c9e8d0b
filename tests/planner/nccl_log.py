"""Logs of nccl-tests, as its program prints them."""

HEAD = "#       size         count      type   redop    root     time   algbw   busbw #wrong"


def log(nodes: int, rows: list[tuple[int, float, float, float]], *, per_node: int = 8) -> str:
    """Return a log of all_reduce_perf."""
    ranks = nodes * per_node
    lines = [
        "# nThread 1 nGpus 1 minBytes 8 maxBytes 2147483648 step: 2(factor)",
        *(
            f"#  Rank {rank:2d} Group  0 Pid  {rank} on ip-10-0-0-{rank // per_node} device  "
            f"{rank % per_node} [0x10] NVIDIA A100-SXM4-40GB"
            for rank in range(ranks)
        ),
        HEAD,
        *(
            f"  {size:12d} {size // 4:12d}     float     sum      -1 {micros:8.1f} {alg:7.2f} "
            f"{bus:7.2f}      0 {micros:8.1f} {alg:7.2f} {bus:7.2f}      0"
            for size, micros, alg, bus in rows
        ),
    ]
    return "\n".join(lines)
