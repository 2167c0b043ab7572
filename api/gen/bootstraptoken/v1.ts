/** The types of kubeadm.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { Duration, Time } from "../../scalars.ts";

export interface BootstrapToken {
  token: string;
  description?: string;
  ttl?: Duration;
  expires?: Time;
  usages?: string[];
  groups?: string[];
}
