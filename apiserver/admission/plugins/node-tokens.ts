import type { TokenRequest } from "@raft2kube/api/gen/authentication/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { aboutResource } from "../../authz/attributes.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionRequest, refusal } from "../plugin.ts";
import type { NodeCheck } from "./node-check.ts";
import { asksForAudience } from "./token-audiences.ts";

/** A node gets tokens only for pods that run on it, bound to them. Throws 403. */
export const checkToken: NodeCheck = async (request, node, context) => {
  const { boundObjectRef: bound, audiences } = (request.object as TokenRequest).spec ?? {};
  if (bound?.kind !== "Pod" || !bound.name) {
    throw refusal(request, "node requested token not bound to a pod");
  }
  if (!bound.uid) throw refusal(request, "node requested token with a pod binding without a uid");
  if (!context.graph.reaches(node, "pods", request.namespace, bound.name)) {
    throw refusal(request, "node requested token bound to a pod scheduled on a different node");
  }
  await checkAudience(request, context, bound.name, audiences ?? []);
};

/**
 * Throws 403 unless a pod of the node needs a token for the audience: with a token for any audience
 * a node could act as its pods' accounts where they never authenticate.
 */
async function checkAudience(
  request: AdmissionRequest,
  { resources, authorizer }: AdmissionContext,
  pod: string,
  audiences: readonly string[],
): Promise<void> {
  const [audience = "", ...more] = audiences;
  if (more.length > 0) throw refusal(request, "node may only request 0 or 1 audiences");
  const { namespace, name, user } = request;
  const pods = resources.of("v1", "pods").store;
  const found = await pods.find<KubeObject & Pod>(namespace, pod);
  if (found && (await asksForAudience(resources, found, audience))) return;
  const verb = "request-serviceaccounts-token-audience";
  const question = aboutResource({ user, verb, namespace, name, resource: audience });
  if ((await authorizer.decide(question)).verdict === "allow") return;
  throw refusal(
    request,
    `audience ${JSON.stringify(audience)} not found in pod spec volume, ` +
      `${user.name} is not authorized to request tokens for this audience`,
  );
}
