import type { Fairness } from "@raft2kube/fairness/fairness.ts";
import type { PolicyObject } from "../authz/rbac/policy.ts";
import type { DefinitionsServer } from "../customresources/controller.ts";
import type { ApiserverOptions } from "../options.ts";
import type { ServiceWriter } from "../registry/services/service-writer.ts";

/** The parts of the server that bootstrap steps use. */
export interface BootstrapServer extends ServiceWriter, DefinitionsServer {
  readonly fairness: Fairness;
  /** The roles and bindings that every cluster has. */
  readonly policy: readonly PolicyObject[];
  readonly options: Pick<
    ApiserverOptions,
    | "advertiseAddress"
    | "advertisePort"
    | "clientCa"
    | "listen"
    | "machineName"
    | "nodePortRange"
    | "policyStatuses"
    | "requestHeader"
    | "serviceCidr"
  >;
}
