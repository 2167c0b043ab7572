/** The types of metrics.k8s.io/v1beta1, made from facts by scripts/api-gen.ts. */

import type { ResourceList } from "../core/v1.ts";
import type { ListMeta, ObjectMeta } from "../meta/v1.ts";
import type { Duration, Time } from "../../scalars.ts";

export interface ContainerMetrics {
  name: string;
  usage: ResourceList;
}

export interface NodeMetrics {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  timestamp: Time;
  window: Duration;
  usage: ResourceList;
}

export interface NodeMetricsList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: NodeMetrics[];
}

export interface PodMetrics {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  timestamp: Time;
  window: Duration;
  containers: ContainerMetrics[];
}

export interface PodMetricsList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: PodMetrics[];
}
