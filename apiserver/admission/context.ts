import type { Clock } from "@raft2kube/std/clock.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { NodeGraph } from "../authz/node/graph.ts";
import type { PodSecurityMetrics } from "../metrics/admission.ts";
import type { PolicyMetrics } from "../metrics/policies.ts";
import type { WebhookMetrics } from "../metrics/webhooks.ts";
import type { Resources } from "../resource/resources.ts";
import type { WebhookClient } from "../webhook/client.ts";
import type { AdmissionConfiguration } from "./configuration.ts";
import type { AdmissionPolicies } from "./policies/index.ts";
import type { WebhookConfigurations } from "./webhooks/configurations.ts";

/** The parts of the server that plugins read. */
export interface AdmissionContext {
  resources: Resources;
  clock: Clock;
  graph: NodeGraph;
  authorizer: Authorizer;
  configuration: AdmissionConfiguration;
  metrics: PodSecurityMetrics;
  webhooks: WebhookClient;
  webhookMetrics: WebhookMetrics;
  webhookConfigurations: WebhookConfigurations;
  admissionPolicies: AdmissionPolicies;
  policyMetrics: PolicyMetrics;
  /** Steps that all expressions about a request have; undefined where their costs alone count. */
  steps_max?: number | undefined;
}
