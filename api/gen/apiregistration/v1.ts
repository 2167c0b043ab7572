/** The types of apiregistration.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { ListMeta, ObjectMeta } from "../meta/v1.ts";
import type { Bytes, Time } from "../../scalars.ts";

export interface APIService {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec: APIServiceSpec;
  status?: APIServiceStatus;
}

export interface APIServiceCondition {
  type: APIServiceConditionType;
  status: ConditionStatus;
  lastTransitionTime?: Time;
  reason?: string;
  message?: string;
}

export type APIServiceConditionType = string;

export interface APIServiceList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: APIService[];
}

export interface APIServiceSpec {
  service?: ServiceReference;
  group?: string;
  version?: string;
  insecureSkipTLSVerify?: boolean;
  caBundle?: Bytes;
  groupPriorityMinimum: number;
  versionPriority: number;
}

export interface APIServiceStatus {
  conditions?: APIServiceCondition[];
}

export type ConditionStatus = string;

export interface ServiceReference {
  namespace?: string;
  name?: string;
  port?: number;
}
