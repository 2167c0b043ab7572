/** The types of audit.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { UserInfo } from "../authentication/v1.ts";
import type { ListMeta, ObjectMeta, Status } from "../meta/v1.ts";
import type { MicroTime, RawExtension } from "../../scalars.ts";

export interface AuthenticationMetadata {
  impersonationConstraint?: string;
}

export interface Event {
  apiVersion?: string;
  kind?: string;
  level: Level;
  auditID: string;
  stage: Stage;
  requestURI: string;
  verb: string;
  user: UserInfo;
  impersonatedUser?: UserInfo;
  authenticationMetadata?: AuthenticationMetadata;
  sourceIPs?: string[];
  userAgent?: string;
  objectRef?: ObjectReference;
  responseStatus?: Status;
  requestObject?: RawExtension;
  responseObject?: RawExtension;
  requestReceivedTimestamp: MicroTime;
  stageTimestamp: MicroTime;
  annotations?: { [key: string]: string };
}

export interface EventList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: Event[];
}

export interface GroupResources {
  group?: string;
  resources?: string[];
  resourceNames?: string[];
}

export type Level = string;

export interface ObjectReference {
  resource?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  apiGroup?: string;
  apiVersion?: string;
  resourceVersion?: string;
  subresource?: string;
}

export interface Policy {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  rules: PolicyRule[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

export interface PolicyList {
  apiVersion?: string;
  kind?: string;
  metadata: ListMeta;
  items: Policy[];
}

export interface PolicyRule {
  level: Level;
  users?: string[];
  userGroups?: string[];
  verbs?: string[];
  resources?: GroupResources[];
  namespaces?: string[];
  nonResourceURLs?: string[];
  omitStages?: Stage[];
  omitManagedFields?: boolean;
}

export type Stage = string;
