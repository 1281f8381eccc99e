"""What a vLLM server says of itself at `/metrics`, in Prometheus' text form."""

from __future__ import annotations

import re

from engine.throttle import Metrics

# Newer name first: vLLM renamed some, and a counter's name may end in `_total`.
_NAMES = {
    "kv_use": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
    "running": ("vllm:num_requests_running",),
    "waiting": ("vllm:num_requests_waiting",),
    "preemptions": ("vllm:num_preemptions_total", "vllm:num_preemptions"),
    "prefix_queries": ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_queries"),
    "prefix_hits": ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_hits"),
}
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{[^}]*\})?\s+(?P<value>[-+.\w]+)", re.MULTILINE)


def parse_metrics(text: str) -> Metrics | None:
    """The server's metrics, or None where the text does not have them (another server's, or none at all).

    Several engines behind one endpoint have a line each: counts add up, of the caches the fullest counts.
    """
    found: dict[str, list[float]] = {}
    for sample in _SAMPLE.finditer(text):
        try:
            value = float(sample["value"])
        except ValueError:
            continue
        found.setdefault(sample["name"], []).append(value)
    values: dict[str, list[float]] = {}
    for field, names in _NAMES.items():
        known = next((found[name] for name in names if name in found), None)
        if known is not None:
            values[field] = known
    if not {"kv_use", "running", "waiting"} <= values.keys():
        return None
    counts = {field: int(sum(each)) for field, each in values.items() if field != "kv_use"}
    return Metrics(kv_use=max(values["kv_use"]), **counts)
