/** The types of coordination.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { ListMeta, ObjectMeta } from "../meta/v1.ts";
import type { MicroTime } from "../../scalars.ts";

export type CoordinatedLeaseStrategy = string;

export interface Lease {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec: LeaseSpec;
}

export interface LeaseList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: Lease[];
}

export interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: MicroTime;
  renewTime?: MicroTime;
  leaseTransitions?: number;
  strategy?: CoordinatedLeaseStrategy;
  preferredHolder?: string;
}
