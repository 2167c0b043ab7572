import type { Clock } from "@raft2kube/std/clock.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { NodeGraph } from "../authz/node/graph.ts";
import type { PodSecurityFigures } from "../metrics/admission.ts";
import type { Registry } from "../resource/resources.ts";
import type { AdmissionConfiguration } from "./configuration.ts";

/** What plugins may look at. */
export interface AdmissionContext {
  registry: Registry;
  clock: Clock;
  graph: NodeGraph;
  authorizer: Authorizer;
  configuration: AdmissionConfiguration;
  figures: PodSecurityFigures;
}
