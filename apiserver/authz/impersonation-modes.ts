import { invalid, messageOfField } from "@raft2kube/api/errors.ts";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { dnsLabel, dnsSubdomain, domainPath } from "@raft2kube/api/validation/names.ts";
import { type ApiError, isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import {
  ANONYMOUS,
  AUTHENTICATED_GROUP,
  MASTERS_GROUP,
  NODES_GROUP,
  parseServiceAccount,
  serviceAccountGroups,
  UNAUTHENTICATED_GROUP,
} from "../authn/identities.ts";
import { IMPERSONATION_PARTS_MANY } from "../limits.ts";
import { type Attributes, aboutResource } from "./attributes.ts";
import { refusal } from "./authorize-request.ts";

/** The identity that a request asks to act as. */
export interface Wanted {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid: string;
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** Throws 403 where the authorizer does not allow it; `mode` is what it is asked for. */
export type Require = (attributes: Attributes, mode: Mode) => Promise<void>;

const AUTHENTICATION = "authentication.k8s.io";
const NODE = "system:node:";
const OWN_NODE = "authentication.kubernetes.io/node-name";

/**
 * Constrained impersonation (KEP 5284): acting as another user, and the verbs allowed then, are two
 * permissions: `impersonate:MODE` and `impersonate-on:MODE:VERB`.
 */
const CONSTRAINED = ["associated-node", "arbitrary-node", "serviceaccount", "user-info"] as const;

export type Mode = (typeof CONSTRAINED)[number] | "legacy";

/**
 * The user that `request` continues as: by the first mode that allows it, last the one in which the
 * right `impersonate` is enough. Throws 403 in the words of the first that does not.
 */
export async function impersonated(
  require: Require,
  request: Attributes,
  wanted: Wanted,
): Promise<{ user: RequestUser; mode: Mode }> {
  let refused: ApiError | undefined;
  for (const mode of [...CONSTRAINED, "legacy"] as const) {
    if (!applies(mode, wanted, request.user)) continue;
    try {
      return { user: await userIn(mode, require, request, wanted), mode };
    } catch (thrown) {
      if (!isReason(thrown, "Forbidden")) throw thrown;
      refused ??= thrown as ApiError;
    }
  }
  throw refused!;
}

function applies(mode: Mode, wanted: Wanted, requestor: RequestUser): boolean {
  const node = nodeIn(wanted.name);
  const isAccount = accountIn(wanted.name) !== undefined;
  switch (mode) {
    case "associated-node":
      return isNameAlone(wanted) && node !== undefined && node === nodeOf(requestor);
    case "arbitrary-node":
      return isNameAlone(wanted) && node !== undefined;
    case "serviceaccount":
      return isNameAlone(wanted) && isAccount;
    case "user-info":
      return node === undefined && !isAccount;
    case "legacy":
      return true;
  }
}

const isNameAlone = ({ groups, uid, extra }: Wanted): boolean =>
  groups.length === 0 && uid === "" && Object.keys(extra).length === 0;

function nodeIn(user: string): string | undefined {
  const name = user.startsWith(NODE) ? user.slice(NODE.length) : "";
  return name !== "" && dnsSubdomain(name).length === 0 ? name : undefined;
}

/** The service account in a user name; undefined for one that no service account can have. */
function accountIn(user: string): { namespace: string; name: string } | undefined {
  const found = parseServiceAccount(user);
  const wrong = found && [...dnsLabel(found.namespace), ...dnsSubdomain(found.name)];
  return wrong?.length === 0 ? found : undefined;
}

/** The node of the pod whose token a service account shows. */
function nodeOf({ name, extra }: RequestUser): string | undefined {
  const values = extra?.[OWN_NODE] ?? [];
  return accountIn(name) !== undefined && values.length === 1 ? values[0] : undefined;
}

async function userIn(
  mode: Mode,
  require: Require,
  request: Attributes,
  wanted: Wanted,
): Promise<RequestUser> {
  const isLegacy = mode === "legacy";
  const need = (attributes: Attributes) => require(attributes, mode);
  if (!isLegacy) await need({ ...request, verb: `impersonate-on:${mode}:${request.verb}` });
  const verb = isLegacy ? "impersonate" : `impersonate:${mode}`;
  const ask = (part: Partial<Attributes>): Attributes =>
    aboutResource({ user: request.user, verb, ...part });
  const group = isLegacy ? "" : AUTHENTICATION;
  await need(ask(nameIn(mode, group, wanted.name)));
  if (wanted.uid !== "") {
    await need(ask({ group: AUTHENTICATION, resource: "uids", name: wanted.uid }));
  }
  await needAll(
    need,
    isLegacy,
    wanted.groups.map((name) => ask({ group, resource: "groups", name })),
    forbiddenGroup(wanted.groups),
  );
  const extras = Object.entries(wanted.extra).flatMap(([key, values]) =>
    values.map((name) =>
      ask({ group: AUTHENTICATION, resource: "userextras", subresource: key, name }),
    ),
  );
  const why = forbiddenExtra(wanted.extra);
  await needAll(need, isLegacy, extras, why === undefined ? undefined : { name: "", why });
  return identity(mode, wanted);
}

function nameIn(mode: Mode, group: string, name: string): Partial<Attributes> {
  const account = accountIn(name);
  if (account !== undefined) return { group, resource: "serviceaccounts", ...account };
  const node = mode === "legacy" ? undefined : nodeIn(name);
  if (node === undefined) return { group, resource: "users", name };
  // `associated-node` is granted for all nodes together, by the name `*`.
  return { group, resource: "nodes", name: mode === "associated-node" ? "*" : node };
}

/**
 * Requires the rights for all parts. Many parts are first checked with one request for `*`;
 * `forbidden` is a part that no mode but legacy allows.
 */
async function needAll(
  need: (attributes: Attributes) => Promise<void>,
  isLegacy: boolean,
  parts: readonly Attributes[],
  forbidden: Forbidden | undefined,
): Promise<void> {
  const [first] = parts;
  if (first === undefined) return;
  if (!isLegacy && forbidden !== undefined) {
    const { name, why } = forbidden;
    throw refusal({ ...first, subresource: "", name }, why);
  }
  if (!isLegacy && parts.length >= IMPERSONATION_PARTS_MANY) {
    const subresource = first.subresource === "" ? "" : "*";
    try {
      return await need({ ...first, subresource, name: "*" });
    } catch (thrown) {
      if (!isReason(thrown, "Forbidden")) throw thrown;
    }
  }
  for (const part of parts) await need(part);
}

/** An impersonation that no permission allows, and its reason. */
type Forbidden = { readonly name: string; readonly why: string };

function forbiddenGroup(groups: readonly string[]): Forbidden | undefined {
  if (groups.includes("")) {
    return { name: "", why: "impersonating the empty string group is not allowed" };
  }
  if (!groups.includes(MASTERS_GROUP)) return undefined;
  return { name: MASTERS_GROUP, why: `impersonating the ${MASTERS_GROUP} group is not allowed` };
}

function forbiddenExtra(extra: Wanted["extra"]): string | undefined {
  for (const [key, values] of Object.entries(extra)) {
    if (key === "") return "impersonating the empty string key in extra is not allowed";
    const unfit = domainPath(key).map((why) => messageOfField(invalid("extra.key", key, why)));
    if (unfit.length > 0) {
      return `impersonating an invalid key in extra is not allowed: ${aggregateOf(unfit)}`;
    }
    if (key !== key.toLowerCase()) {
      return `impersonating a non-lowercase key in extra is not allowed: ${JSON.stringify(key)}`;
    }
    if (values.includes("")) return "impersonating the empty string value in extra is not allowed";
  }
  return undefined;
}

function identity(mode: Mode, { name, groups: asked, uid, extra }: Wanted): RequestUser {
  const account = accountIn(name);
  const isNode = mode === "associated-node" || mode === "arbitrary-node";
  const given = account && asked.length === 0 ? serviceAccountGroups(account.namespace) : asked;
  const groups = isNode ? [NODES_GROUP] : [...given];
  const isNobody = name === ANONYMOUS.name;
  const mark = isNobody ? UNAUTHENTICATED_GROUP : AUTHENTICATED_GROUP;
  const isMarked = groups.includes(mark) || groups.includes(UNAUTHENTICATED_GROUP);
  if (!isMarked) groups.push(mark);
  return { name, groups, ...(uid === "" ? {} : { uid }), extra };
}
