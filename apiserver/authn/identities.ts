import type { RequestUser } from "@raft2kube/api/kind.ts";
import { NODE_USERS, nodeOf } from "@raft2kube/api/node-users.ts";
import type { JsonObject } from "@raft2kube/apimachinery/json/json.ts";

/** Groups that the server itself puts a user into. */
export const AUTHENTICATED_GROUP = "system:authenticated";
export const UNAUTHENTICATED_GROUP = "system:unauthenticated";
export const MASTERS_GROUP = "system:masters";
export const MONITORING_GROUP = "system:monitoring";
export const NODES_GROUP = NODE_USERS.kubelet.group;
export const SERVICE_ACCOUNTS_GROUP = "system:serviceaccounts";

/** A request without credentials. */
export const ANONYMOUS: RequestUser = { name: "system:anonymous", groups: [UNAUTHENTICATED_GROUP] };

/**
 * A user whose credentials hold, in the group of all such users: unless another server, which
 * passes the request on or was asked, says that the user has shown it none.
 */
export function authenticated(user: RequestUser): RequestUser {
  const known = [AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP];
  if (user.name === ANONYMOUS.name || user.groups.some((each) => known.includes(each))) return user;
  return { ...user, groups: [...user.groups, AUTHENTICATED_GROUP] };
}

/** A user as UserInfo (authentication.k8s.io/v1), without what is empty. */
export const userInfoOf = ({ name, uid = "", groups, extra = {} }: RequestUser): JsonObject => ({
  ...(name === "" ? {} : { username: name }),
  ...(uid === "" ? {} : { uid }),
  ...(groups.length === 0 ? {} : { groups }),
  ...(Object.keys(extra).length === 0 ? {} : { extra }),
});

/** The server acting for itself: creating what must be there at start. */
export const APISERVER_USER: RequestUser = {
  name: "system:apiserver",
  groups: [MASTERS_GROUP, AUTHENTICATED_GROUP],
};

const SERVICE_ACCOUNT = "system:serviceaccount:";

export function serviceAccountName(namespace: string, name: string): string {
  return `${SERVICE_ACCOUNT}${namespace}:${name}`;
}

/** The user that a service account is. */
export const serviceAccountUser = (namespace: string, name: string, uid: string) => ({
  name: serviceAccountName(namespace, name),
  uid,
  groups: serviceAccountGroups(namespace),
});

/** The groups of every service account in a namespace. */
export function serviceAccountGroups(namespace: string): string[] {
  return [SERVICE_ACCOUNTS_GROUP, `${SERVICE_ACCOUNTS_GROUP}:${namespace}`];
}

/** The namespace and name in a service account's user name. */
export function parseServiceAccount(user: string): { namespace: string; name: string } | undefined {
  if (!user.startsWith(SERVICE_ACCOUNT)) return undefined;
  const parts = user.slice(SERVICE_ACCOUNT.length).split(":");
  return parts.length === 2 && parts[0] !== "" && parts[1] !== ""
    ? { namespace: parts[0]!, name: parts[1]! }
    : undefined;
}

/** The node of a kubelet's identity. */
export function nodeNameOf(user: RequestUser): string | undefined {
  const found = nodeOf(user);
  return found?.part === "kubelet" ? found.node : undefined;
}
