/** The types of componentconfig/v1alpha1, made from facts by scripts/api-gen.ts. */

import type { Duration } from "../../scalars.ts";

export interface ClientConnectionConfiguration {
  kubeconfig: string;
  acceptContentTypes: string;
  contentType: string;
  qps: number;
  burst: number;
}

export interface DebuggingConfiguration {
  enableProfiling?: boolean;
  enableContentionProfiling?: boolean;
}

export interface LeaderElectionConfiguration {
  leaderElect: boolean;
  leaseDuration: Duration;
  renewDeadline: Duration;
  retryPeriod: Duration;
  resourceLock: string;
  resourceName: string;
  resourceNamespace: string;
}
