/** The types of admission.k8s.io/v1, made from facts by scripts/api-gen.ts. */

import type { UserInfo } from "../authentication/v1.ts";
import type { GroupVersionKind, GroupVersionResource, Status } from "../meta/v1.ts";
import type { Bytes, RawExtension } from "../../scalars.ts";

export interface AdmissionRequest {
  uid: string;
  kind: GroupVersionKind;
  resource: GroupVersionResource;
  subResource?: string;
  requestKind?: GroupVersionKind;
  requestResource?: GroupVersionResource;
  requestSubResource?: string;
  name?: string;
  namespace?: string;
  operation: Operation;
  userInfo: UserInfo;
  object?: RawExtension;
  oldObject?: RawExtension;
  dryRun?: boolean;
  options?: RawExtension;
}

export interface AdmissionResponse {
  uid: string;
  allowed: boolean;
  status?: Status;
  patch?: Bytes;
  patchType?: PatchType;
  auditAnnotations?: { [key: string]: string };
  warnings?: string[];
}

export interface AdmissionReview {
  apiVersion?: string;
  kind?: string;
  request?: AdmissionRequest;
  response?: AdmissionResponse;
}

export type Operation = string;

export type PatchType = string;
