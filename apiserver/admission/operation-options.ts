import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import type { AdmissionRequest } from "./plugin.ts";

const KINDS: Readonly<Record<AdmissionRequest["operation"], string | undefined>> = {
  CREATE: "CreateOptions",
  UPDATE: "UpdateOptions",
  DELETE: "DeleteOptions",
  CONNECT: undefined,
};

/** The options of the operation, as webhooks and expressions get them; null for connections. */
export function operationOptions({ operation, options }: AdmissionRequest): JsonObject | null {
  const kind = KINDS[operation];
  return kind === undefined ? null : { kind, apiVersion: "meta.k8s.io/v1", ...options };
}
