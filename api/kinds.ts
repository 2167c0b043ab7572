/** Every kind of the API, by group. Adding one: facts, its own file, one line in the list. */
import { mutatingBinding, validatingBinding } from "./admissionregistration/v1/bindings.ts";
import { mutatingPolicy, validatingPolicy } from "./admissionregistration/v1/policies.ts";
import { mutatingWebhooks, validatingWebhooks } from "./admissionregistration/v1/webhooks.ts";
import { customResourceDefinition } from "./apiextensions/v1/custom-resource-definition.ts";
import { apiService } from "./apiregistration/v1/api-service.ts";
import { APPS_KINDS } from "./apps/v1/kinds.ts";
import { replicationController } from "./apps/v1/replication-controller.ts";
import { horizontalPodAutoscaler as autoscalerV1 } from "./autoscaling/v1/horizontal-pod-autoscaler.ts";
import { horizontalPodAutoscaler as autoscalerV2 } from "./autoscaling/v2/horizontal-pod-autoscaler.ts";
import { cronJob } from "./batch/v1/cron-job.ts";
import { job } from "./batch/v1/job.ts";
import { certificateSigningRequest } from "./certificates/v1/certificate-signing-request.ts";
import { lease } from "./coordination/v1/lease.ts";
import { CORE_KINDS } from "./core/v1/kinds.ts";
import { defineKind, knownSchemas } from "./define.ts";
import { endpointSlice } from "./discovery/v1/endpoint-slice.ts";
import { event } from "./events/v1/event.ts";
import { flowSchema } from "./flowcontrol/v1/flow-schema.ts";
import { priorityLevel } from "./flowcontrol/v1/priority-level.ts";
import { type BuiltInKind, isBuiltIn, type Kind } from "./kind.ts";
import { nodeMetrics, podMetrics } from "./metrics/v1beta1/metrics.ts";
import { ipAddress, serviceCIDR } from "./networking/v1/addresses.ts";
import { ingress, ingressClass } from "./networking/v1/ingress.ts";
import { networkPolicy } from "./networking/v1/network-policy.ts";
import { runtimeClass } from "./node/v1/runtime-class.ts";
import { podDisruptionBudget } from "./policy/v1/pod-disruption-budget.ts";
import { clusterRoleBinding, roleBinding } from "./rbac/v1/bindings.ts";
import { clusterRole, role } from "./rbac/v1/roles.ts";
import { deviceClass } from "./resource/v1/device-class.ts";
import { resourceClaim, resourceClaimTemplate } from "./resource/v1/resource-claim.ts";
import { resourceSlice } from "./resource/v1/resource-slice.ts";
import { priorityClass } from "./scheduling/v1/priority-class.ts";
import { csiDriver, csiNode, csiStorageCapacity } from "./storage/v1/csi.ts";
import { storageClass } from "./storage/v1/storage-class.ts";
import { volumeAttachment } from "./storage/v1/volume-attachment.ts";
import { volumeAttributesClass } from "./storage/v1/volume-attributes-class.ts";

/** Kinds with a file of their own, by group. */
const WRITTEN: readonly (readonly Kind[])[] = [
  [...CORE_KINDS, replicationController],
  [mutatingBinding, validatingBinding, mutatingPolicy, validatingPolicy],
  [mutatingWebhooks, validatingWebhooks],
  [apiService],
  APPS_KINDS,
  [autoscalerV1, autoscalerV2],
  [job, cronJob],
  [certificateSigningRequest],
  [lease],
  [endpointSlice],
  [event],
  [flowSchema, priorityLevel],
  [ingress, ingressClass, ipAddress, networkPolicy, serviceCIDR],
  [runtimeClass],
  [podDisruptionBudget],
  [role, clusterRole, roleBinding, clusterRoleBinding],
  [priorityClass],
  [csiDriver, csiNode, csiStorageCapacity, storageClass, volumeAttachment, volumeAttributesClass],
  [customResourceDefinition],
  [deviceClass, resourceClaim, resourceClaimTemplate, resourceSlice],
  [nodeMetrics, podMetrics],
];

function allKinds(): readonly BuiltInKind[] {
  const written = new Map(
    WRITTEN.flat()
      .filter(isBuiltIn)
      .map((each) => [each.schema, each]),
  );
  return [...knownSchemas()].map((schema) => written.get(schema) ?? defineKind(schema));
}

/** All kinds, in the order of the groups in upstream's discovery. */
export const KINDS: readonly BuiltInKind[] = allKinds();

const byKind = new Map(KINDS.map((each) => [`${each.group}/${each.version}/${each.kind}`, each]));

/** The kind of a body's `apiVersion` and `kind`; undefined when there is none. */
export function kindOf(group: string, version: string, kind: string): BuiltInKind | undefined {
  return byKind.get(`${group}/${version}/${kind}`);
}
