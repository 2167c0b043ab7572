import type { Kind } from "../../kind.ts";
import { componentStatus } from "./component-status.ts";
import { configMap } from "./config-map.ts";
import { endpoints } from "./endpoints.ts";
import { event } from "./event.ts";
import { limitRange } from "./limit-range.ts";
import { namespace } from "./namespace.ts";
import { node } from "./node.ts";
import { persistentVolume } from "./persistent-volume.ts";
import { persistentVolumeClaim } from "./persistent-volume-claim.ts";
import { pod } from "./pod/pod.ts";
import { podTemplate } from "./pod-template.ts";
import { resourceQuota } from "./resource-quota.ts";
import { secret } from "./secret.ts";
import { service } from "./service/service.ts";
import { serviceAccount } from "./service-account.ts";

/** The kinds of the core group but the ReplicationController, which is made like a ReplicaSet. */
export const CORE_KINDS: readonly Kind[] = [
  componentStatus,
  configMap,
  endpoints,
  event,
  limitRange,
  namespace,
  node,
  persistentVolume,
  persistentVolumeClaim,
  pod,
  podTemplate,
  resourceQuota,
  secret,
  service,
  serviceAccount,
];
