import type { AdmissionConfiguration } from "./configuration.ts";
import type { AdmissionContext } from "./context.ts";
import type { AdmissionPlugin } from "./plugin.ts";
import { alwaysPullImages } from "./plugins/always-pull-images.ts";
import {
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
} from "./plugins/certificates.ts";
import { defaultIngressClass } from "./plugins/default-ingress-class.ts";
import { defaultStorageClass } from "./plugins/default-storage-class.ts";
import { defaultTolerationSeconds } from "./plugins/default-toleration-seconds.ts";
import { defaultUserNamespaces } from "./plugins/default-user-namespaces.ts";
import { denyServiceExternalIPs } from "./plugins/deny-service-external-ips.ts";
import { deviceAdminAccess } from "./plugins/device-admin-access.ts";
import { eventRateLimit } from "./plugins/event-rate-limit.ts";
import { limitRanger } from "./plugins/limit-ranger.ts";
import { namespaceLifecycle } from "./plugins/namespace-lifecycle.ts";
import { nodeRestriction } from "./plugins/node-restriction.ts";
import { ownerReferencesPermissionEnforcement } from "./plugins/owner-references.ts";
import { persistentVolumeClaimResize } from "./plugins/persistent-volume-claim-resize.ts";
import { podNodeSelector } from "./plugins/pod-node-selector.ts";
import { podSecurity } from "./plugins/pod-security.ts";
import { podTolerationRestriction } from "./plugins/pod-toleration-restriction.ts";
import { podTopologyLabels } from "./plugins/pod-topology-labels.ts";
import { priority } from "./plugins/priority.ts";
import { resourceQuota } from "./plugins/resource-quota.ts";
import { runtimeClass } from "./plugins/runtime-class.ts";
import { serviceAccount } from "./plugins/service-account.ts";
import { storageObjectInUseProtection } from "./plugins/storage-object-in-use-protection.ts";
import { taintNodesByCondition } from "./plugins/taint-nodes-by-condition.ts";
import { mutatingAdmissionPolicy } from "./policies/mutating.ts";
import { validatingAdmissionPolicy } from "./policies/validating.ts";
import { mutatingAdmissionWebhook } from "./webhooks/mutating.ts";
import { validatingAdmissionWebhook } from "./webhooks/validating.ts";

/** All plugins, in upstream's order by its names; DefaultUserNamespaces is not upstream's. */
const PLUGINS: Readonly<Record<string, (context: AdmissionContext) => AdmissionPlugin>> = {
  NamespaceLifecycle: namespaceLifecycle,
  LimitRanger: limitRanger,
  ServiceAccount: serviceAccount,
  NodeRestriction: nodeRestriction,
  TaintNodesByCondition: taintNodesByCondition,
  AlwaysPullImages: alwaysPullImages,
  PodSecurity: podSecurity,
  PodNodeSelector: podNodeSelector,
  Priority: priority,
  DefaultTolerationSeconds: defaultTolerationSeconds,
  PodTolerationRestriction: podTolerationRestriction,
  EventRateLimit: eventRateLimit,
  DefaultStorageClass: defaultStorageClass,
  StorageObjectInUseProtection: storageObjectInUseProtection,
  OwnerReferencesPermissionEnforcement: ownerReferencesPermissionEnforcement,
  PersistentVolumeClaimResize: persistentVolumeClaimResize,
  RuntimeClass: runtimeClass,
  CertificateApproval: certificateApproval,
  CertificateSigning: certificateSigning,
  CertificateSubjectRestriction: certificateSubjectRestriction,
  DefaultIngressClass: defaultIngressClass,
  DenyServiceExternalIPs: denyServiceExternalIPs,
  PodTopologyLabels: podTopologyLabels,
  MutatingAdmissionPolicy: mutatingAdmissionPolicy,
  MutatingAdmissionWebhook: mutatingAdmissionWebhook,
  // After the policies and webhooks: it judges the pod as they leave it.
  DefaultUserNamespaces: defaultUserNamespaces,
  ValidatingAdmissionPolicy: validatingAdmissionPolicy,
  ValidatingAdmissionWebhook: validatingAdmissionWebhook,
  // Last: what it takes out of a quota is lost when another refuses after it.
  ResourceQuota: resourceQuota,
};

/** Plugins that run only when asked for. NodeRestriction runs unless it is disabled. */
const OFF = new Set([
  "AlwaysPullImages",
  "DefaultUserNamespaces",
  "DenyServiceExternalIPs",
  "EventRateLimit",
  "OwnerReferencesPermissionEnforcement",
  "PodNodeSelector",
  "PodTolerationRestriction",
]);

/** The values of `--enable-admission-plugins` and `--disable-admission-plugins`. */
export interface AdmissionSwitches {
  readonly enable?: readonly string[];
  readonly disable?: readonly string[];
}

export interface AdmissionFlags extends AdmissionSwitches {
  /** The content of `--admission-control-config-file`, from `readAdmissionConfiguration`. */
  readonly configuration?: AdmissionConfiguration;
}

/** Throws `RangeError` naming a plugin that there is not, or that is both wanted and unwanted. */
export function checkSwitches({ enable = [], disable = [] }: AdmissionSwitches): void {
  for (const name of [...enable, ...disable]) {
    if (!Object.hasOwn(PLUGINS, name)) {
      const known = Object.keys(PLUGINS).join(", ");
      throw new RangeError(`no admission plugin ${JSON.stringify(name)}; there are ${known}`);
    }
  }
  const both = enable.find((name) => disable.includes(name));
  if (both !== undefined) throw new RangeError(`${both} is both enabled and disabled`);
}

/** The plugins that run, in their order; the first cannot be turned off. */
export function admissionPlugins(
  context: AdmissionContext,
  switches: AdmissionSwitches = {},
): AdmissionPlugin[] {
  checkSwitches(switches);
  const { enable = [], disable = [] } = switches;
  const wanted = Object.entries(PLUGINS)
    .filter(([name]) => (enable.includes(name) || !OFF.has(name)) && !disable.includes(name))
    .map(([, plugin]) => plugin(context));
  return [deviceAdminAccess(context), ...wanted];
}
