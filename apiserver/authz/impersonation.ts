import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { Incoming, RequestContext } from "../request/context.ts";
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
  const extra = extrasOf(request);
  if (name === "") {
    if (groups.length > 0 || uid !== "" || Object.keys(extra).length > 0) {
      throw badRequest(`requested ${goUser(uid, groups, extra)} without impersonating a user name`);
    }
    return;
  }
  const require = async (attributes: Attributes, mode: Mode) => {
    const from_ms = clock.monotonic();
    const decision = await authorizer.decide(attributes);
    const allowed = decision.verdict === "allow";
    const took_s = (clock.monotonic() - from_ms) / 1_000;
    metrics.impersonationChecked(mode, allowed, took_s);
    if (!allowed) throw refusal(attributes, decision.reason);
  };
  const from_ms = clock.monotonic();
  let by: Mode | undefined;
  try {
    const wanted = { name, groups, uid, extra };
    const { user, mode } = await impersonated(require, attributesOf(context), wanted);
    context.user = user;
    by = mode;
    if (mode !== "legacy") context.audit?.impersonated(`impersonate:${mode}`);
  } finally {
    metrics.impersonated(by, (clock.monotonic() - from_ms) / 1_000);
  }
}

/** Formats the impersonated user as Go prints its structure. */
function goUser(uid: string, groups: string[], extra: Record<string, string[]>): string {
  const texts = (list: string[]) => {
    const quoted = list.map((each) => JSON.stringify(each));
    return list.length === 0 ? "[]string(nil)" : `[]string{${quoted.join(", ")}}`;
  };
  const members = Object.entries(extra).map(
    ([key, list]) => `${JSON.stringify(key)}:${texts(list)}`,
  );
  const more = members.length === 0 ? "(nil)" : `{${members.join(", ")}}`;
  return (
    `&user.DefaultInfo{Name:"", UID:${JSON.stringify(uid)}, Groups:${texts(groups)}, ` +
    `Extra:map[string][]string${more}}`
  );
}

/** The values of a header; Node joins those of several, so the raw ones are read. */
function valuesOf(request: Incoming, header: string): string[] {
  return rawHeaders(request)
    .filter(([name]) => name === header)
    .map(([, value]) => value);
}

function extrasOf(request: Incoming): Record<string, string[]> {
  const extras = new Map<string, string[]>();
  for (const [name, value] of rawHeaders(request)) {
    if (!name.startsWith(EXTRA_PREFIX)) continue;
    const key = unescaped(name.slice(EXTRA_PREFIX.length));
    extras.set(key, [...(extras.get(key) ?? []), value]);
  }
  return Object.fromEntries(extras);
}

/** Unescapes a key; an invalid escape is kept as it is, as upstream does. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (thrown) {
    if (thrown instanceof URIError) return text;
    throw thrown;
  }
}

/** Headers as they were sent: their values are UTF-8, which Node takes for Latin-1. */
function rawHeaders(request: Incoming): [string, string][] {
  const raw = request.rawHeaders;
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    pairs.push([raw[i]!.toLowerCase(), Buffer.from(raw[i + 1]!, "latin1").toString("utf8")]);
  }
  return pairs;
}
