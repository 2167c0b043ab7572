import type { AdmissionContext } from "./context.ts";
import type { AdmissionPlugin } from "./plugin.ts";
import {
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
} from "./plugins/certificates.ts";
import { defaultStorageClass } from "./plugins/default-storage-class.ts";
import { defaultTolerationSeconds } from "./plugins/default-toleration-seconds.ts";
import { namespaceLifecycle } from "./plugins/namespace-lifecycle.ts";
import { nodeRestriction } from "./plugins/node-restriction.ts";
import { priority } from "./plugins/priority.ts";
import { serviceAccount } from "./plugins/service-account.ts";
import { storageObjectInUseProtection } from "./plugins/storage-object-in-use-protection.ts";
import { taintNodesByCondition } from "./plugins/taint-nodes-by-condition.ts";

/** All plugins in the order in which they run, which is upstream's. */
export function admissionPlugins(context: AdmissionContext): AdmissionPlugin[] {
  return [
    namespaceLifecycle(context),
    serviceAccount(context),
    nodeRestriction(context),
    taintNodesByCondition(),
    priority(context),
    defaultTolerationSeconds(),
    storageObjectInUseProtection(),
    certificateApproval(context),
    certificateSigning(context),
    certificateSubjectRestriction(),
    defaultStorageClass(context),
  ];
}
