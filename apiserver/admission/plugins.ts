import type { Clock } from "@raft2kube/std/clock.ts";
import type { NodeGraph } from "../authz/node/graph.ts";
import type { Registry } from "../registry/registry.ts";
import type { AdmissionPlugin } from "./plugin.ts";

/** What plugins may look at. */
export interface AdmissionContext {
  registry: Registry;
  clock: Clock;
  graph: NodeGraph;
}

/** All plugins in the order in which they run, which is upstream's. */
export function admissionPlugins(_context: AdmissionContext): AdmissionPlugin[] {
  return [];
}
