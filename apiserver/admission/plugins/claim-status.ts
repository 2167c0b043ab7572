import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type AdmissionRequest, nodeRefusal } from "../plugin.ts";

/** Throws 403 if a node's write of a claim's status changes any other field than these. */
export function checkChangedStatus(
  request: AdmissionRequest,
  node: string,
  fields: readonly string[],
): void {
  const rest = (object: KubeObject | undefined) => {
    const { metadata, status, ...others } = object as KubeObject & { status?: object };
    const { resourceVersion: _version, managedFields: _owners, ...kept } = metadata;
    const left: Record<string, unknown> = { ...status };
    for (const name of fields) delete left[name];
    return { ...others, metadata: kept, status: left };
  };
  if (isDeepStrictEqual(rest(request.object), rest(request.old))) return;
  const what = "status.quantity and status.conditions";
  throw nodeRefusal(request, node, `is not allowed to update fields other than ${what}`);
}
