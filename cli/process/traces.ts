import { SAMPLING_RATE_MAX } from "@raft2kube/observe/limits.ts";
import { RecentSpans } from "@raft2kube/observe/trace/recent-spans.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { exporterTo, startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import type { ClusterConfig } from "../spec/config.ts";
import type { Parts } from "./started-parts.ts";

/** The tracers of a process, by component; undefined where nothing is traced. */
export interface ProcessTraces {
  /** Returns the tracer of a component that decides what is traced: everything. */
  all(service: string): Tracer | undefined;
  /** Returns the tracer of a component that follows its callers. */
  asked(service: string): Tracer | undefined;
}

/**
 * Starts the traces of a cluster's process, by `--traces`: to a receiver, or kept in memory for the
 * page. They end after the parts that are started later.
 */
export async function startTraces(
  { traces, nodeName }: ClusterConfig,
  parts: Parts,
): Promise<ProcessTraces> {
  if (!traces) return { all: () => undefined, asked: () => undefined };
  const { endpoint } = traces;
  const sink = await parts.start("traces", async () =>
    endpoint === undefined ? new RecentSpans() : exporterTo(endpoint),
  );
  const tracer = (name: string, samplingRatePerMillion: number) =>
    startTracing({ name, instance: nodeName }, { samplingRatePerMillion }, sink);
  return {
    all: (service) => tracer(service, SAMPLING_RATE_MAX),
    asked: (service) => tracer(service, 0),
  };
}
