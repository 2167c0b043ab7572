import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { userInfoOf } from "../authn/identities.ts";
import type { Attributes } from "./attributes.ts";
import { operationOptions } from "./operation-options.ts";
import type { AdmissionRequest } from "./plugin.ts";

/** A request as the client made it, and in the version that rules matched. */
export type Shown = { readonly asked: Attributes; readonly matched: Attributes };

/** An AdmissionRequest (admission/v1) without its uid and objects. */
export function shownRequest({ asked, matched }: Shown, request: AdmissionRequest): JsonObject {
  const { name, namespace, operation, subresource } = asked;
  return {
    kind: matched.kind,
    resource: matched.resource,
    ...(subresource === "" ? {} : { subResource: subresource }),
    requestKind: asked.kind,
    requestResource: asked.resource,
    ...(subresource === "" ? {} : { requestSubResource: subresource }),
    ...(name === "" ? {} : { name }),
    ...(namespace === "" ? {} : { namespace }),
    operation,
    userInfo: userInfoOf(request.user),
    dryRun: request.dryRun,
    options: operationOptions(request),
  };
}
