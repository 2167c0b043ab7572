import type { Clock } from "@raft2kube/std/clock.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { NodeGraph } from "../authz/node/graph.ts";
import type { PodSecurityMetrics } from "../metrics/admission.ts";
import type { Resources } from "../resource/resources.ts";
import type { AdmissionConfiguration } from "./configuration.ts";

/** The parts of the server that plugins read. */
export interface AdmissionContext {
  resources: Resources;
  clock: Clock;
  graph: NodeGraph;
  authorizer: Authorizer;
  configuration: AdmissionConfiguration;
  metrics: PodSecurityMetrics;
}
