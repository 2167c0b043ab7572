import type { KubeObject } from "@raft2kube/api/kind.ts";
import { admissionRequest } from "../../admission/plugin.ts";
import type { RequestContext } from "../../request/context.ts";
import type { Resource } from "../../resource/resource.ts";
import type { ApiServer } from "../server.ts";

/** Kinds of the options of connections (core/v1). */
type OptionsKind =
  | "NodeProxyOptions"
  | "PodAttachOptions"
  | "PodExecOptions"
  | "PodPortForwardOptions"
  | "PodProxyOptions"
  | "ServiceProxyOptions";

/**
 * Admission of a connection (CONNECT), whose object is its options; returns them as admission left
 * them.
 */
export async function admitConnection<T extends object>(
  { admission }: Pick<ApiServer, "admission">,
  resource: Resource,
  { info, user, warnings, signal, deadline_ms }: RequestContext,
  kind: OptionsKind,
  fields: T,
): Promise<T> {
  const { subresource } = info;
  // Options have no metadata, which plugins read of objects that they know.
  const object = { kind, apiVersion: "v1", ...fields } as T & Partial<KubeObject>;
  const options = { user, dryRun: false, subresource, warnings, signal, deadline_ms };
  const request = admissionRequest(
    "CONNECT",
    resource,
    info,
    { object: object as KubeObject },
    options,
  );
  await admission.admit(request);
  await admission.validate(request);
  return object;
}
