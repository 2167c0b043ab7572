/** The types of node.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { ResourceList, Toleration } from "../core/v1.ts";
import type { ListMeta, ObjectMeta } from "../meta/v1.ts";

export interface Overhead {
  podFixed?: ResourceList;
}

export interface RuntimeClass {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  handler: string;
  overhead?: Overhead;
  scheduling?: Scheduling;
}

export interface RuntimeClassList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: RuntimeClass[];
}

export interface Scheduling {
  nodeSelector?: { [key: string]: string };
  tolerations?: Toleration[];
}
