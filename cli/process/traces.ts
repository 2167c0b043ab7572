import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { recentSpans } from "@raft2kube/observe/trace/recent-spans.ts";
import { exporterTo, startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import type { ClusterConfig } from "../spec/config.ts";
import type { Parts } from "./started-parts.ts";

/**
 * Starts the traces of a cluster's process, by `--traces`: to a receiver, or kept in memory for the
 * page. They end after the parts that are started later. Returns what makes the tracer of a
 * component that decides what is traced (everything), and of one that follows its callers.
 */
export async function startTraces({ traces, nodeName: instance }: ClusterConfig, parts: Parts) {
  const { endpoint } = traces || {};
  const start = async () => (endpoint === undefined ? recentSpans() : exporterTo(endpoint));
  const sink = traces ? await parts.start("traces", start) : undefined;
  const tracer = (samplingRatePerMillion: number) => (name: string) =>
    sink && startTracing({ name, instance }, { samplingRatePerMillion }, sink);
  return { all: tracer(SAMPLING_RATE_MAX), asked: tracer(0) };
}
