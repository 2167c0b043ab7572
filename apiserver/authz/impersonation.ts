import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { RequestContext } from "../request/context.ts";
import { extrasOf, valuesOf } from "../request/raw-headers.ts";
import type { Attributes } from "./attributes.ts";
import { attributesOf, refusal } from "./authorize-request.ts";
import type { Authorizer } from "./authorizer.ts";
import { impersonated, type Mode } from "./impersonation-modes.ts";

const EXTRA_PREFIX = "impersonate-extra-";

/**
 * Lets a user act as another whom they may impersonate: every part of the identity asked for (user,
 * groups, uid, extras) is authorized by itself, as upstream does.
 */
export async function impersonate(
  authorizer: Authorizer,
  { metrics, clock }: { metrics: AuthorizationMetrics; clock: Clock },
  context: RequestContext,
): Promise<void> {
  const { request } = context;
  const [name = ""] = valuesOf(request, "impersonate-user");
  const groups = valuesOf(request, "impersonate-group");
  const [uid = ""] = valuesOf(request, "impersonate-uid");
  const extra = extrasOf(request, EXTRA_PREFIX);
  if (name === "") {
    if (groups.length > 0 || uid !== "" || Object.keys(extra).length > 0) {
      const asked = JSON.stringify({ uid, groups, extra });
      throw badRequest(`requested ${asked} without impersonating a user name`);
    }
    return;
  }
  const require = async (attributes: Attributes, mode: Mode) => {
    const took_s = stopwatch(clock);
    const decision = await authorizer.decide(attributes);
    const allowed = decision.verdict === "allow";
    metrics.impersonationChecked({ mode, decision: allowed ? "allowed" : "denied" }, took_s());
    if (!allowed) throw refusal(attributes, decision.reason);
  };
  const took_s = stopwatch(clock);
  let by: Mode | undefined;
  try {
    const wanted = { name, groups, uid, extra };
    const { user, mode } = await impersonated(require, attributesOf(context), wanted);
    context.user = user;
    by = mode;
    if (mode !== "legacy") context.audit?.impersonated(`impersonate:${mode}`);
  } finally {
    metrics.impersonated(by, took_s());
  }
}
