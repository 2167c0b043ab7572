import type { RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import { containerStats, listContainerStats } from "../container/stats.ts";
import type { Base, DiskUse, Machine, Records } from "../ports.ts";
import { metricDescriptors, sandboxMetrics } from "../sandbox/metrics.ts";
import { listSandboxStats, sandboxStats } from "../sandbox/stats.ts";
import { inPieces } from "./pieces.ts";

/** CRI's calls about what pods and containers use. */
export const statsCalls = (
  runtime: Base & Records & Machine & DiskUse,
): Handlers<RuntimeServiceMethods> => ({
  async containerStats({ containerId }) {
    return { stats: await containerStats(runtime, runtime.containers.get(containerId)) };
  },
  async listContainerStats({ filter }) {
    return { stats: await listContainerStats(runtime, filter) };
  },
  async *streamContainerStats({ filter }) {
    const all = await listContainerStats(runtime, filter);
    for (const stats of inPieces(all)) yield { containerStats: stats };
  },
  async podSandboxStats({ podSandboxId }) {
    return { stats: await sandboxStats(runtime, runtime.sandboxes.get(podSandboxId)) };
  },
  async listPodSandboxStats({ filter }) {
    return { stats: await listSandboxStats(runtime, filter) };
  },
  async *streamPodSandboxStats({ filter }) {
    yield { podSandboxStats: await listSandboxStats(runtime, filter) };
  },
  async listMetricDescriptors() {
    return { descriptors: metricDescriptors() };
  },
  async listPodSandboxMetrics() {
    return { podMetrics: await sandboxMetrics(runtime) };
  },
  async *streamPodSandboxMetrics() {
    const all = await sandboxMetrics(runtime);
    for (const podSandboxMetrics of inPieces(all)) yield { podSandboxMetrics };
  },
});
