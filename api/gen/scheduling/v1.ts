/** The types of scheduling.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { PreemptionPolicy } from "../core/v1.ts";
import type { ListMeta, ObjectMeta } from "../meta/v1.ts";

export interface PriorityClass {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  value: number;
  globalDefault?: boolean;
  description?: string;
  preemptionPolicy?: PreemptionPolicy;
}

export interface PriorityClassList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: PriorityClass[];
}
