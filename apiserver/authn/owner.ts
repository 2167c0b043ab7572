import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { nodeOf } from "@raft2kube/api/node-users.ts";
import { clientOf } from "@raft2kube/std/ip.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import type { RequestContext } from "../request/context.ts";
import { certifiedUser, socketOf } from "./client-certificate.ts";
import { ANONYMOUS, MASTERS_GROUP, SERVICE_ACCOUNTS_GROUP } from "./identities.ts";

const ACCOUNTS_OF_NAMESPACE = `${SERVICE_ACCOUNTS_GROUP}:`;
/** Extra of a token's user: the pod that the token is bound to. */
const POD_NAME = "authentication.kubernetes.io/pod-name";
const OTHER_OWNERS = new RegExp(`^((node|address|namespace|user) |${ACCOUNTS_OF_NAMESPACE})`);
const CONTROL_PLANE: ReadonlySet<string> = new Set([
  "system:kube-controller-manager",
  "system:kube-scheduler",
]);
/** The user that upstream's proxies of all nodes share. */
const KUBE_PROXY = "system:kube-proxy";

type OwnedRequest = Pick<RequestContext, "user" | "request" | "owner">;

/** The owner to whose share of the server's resources a request counts, once its user is known. */
export function ownerOf(context: OwnedRequest): Owner {
  const { user, request } = context;
  context.owner ??= user === ANONYMOUS ? ownerOfAddress(socketOf(request)) : ownerOfUser(user);
  return context.owner;
}

/** Whether a request is of the control plane's own, not of an administrator. */
export const isOfControlPlane = (context: OwnedRequest): boolean =>
  ownerOf(context).may === "all" && !context.user.groups.includes(MASTERS_GROUP);

/** The namespace of users that a request is in; "" if it is in none. */
export const usersNamespaceOf = ({ info }: Pick<RequestContext, "info">): string =>
  info.namespace.startsWith("kube-") ? "" : info.namespace;

/**
 * The owner of an object that a request adds to the store: if the control plane adds it to a
 * namespace of users, on whose behalf controllers work, the namespace.
 */
export function ownerOfAddition(context: OwnedRequest & Pick<RequestContext, "info">): Owner {
  const namespace = usersNamespaceOf(context);
  if (namespace === "" || !isOfControlPlane(context)) return ownerOf(context);
  return { name: `namespace ${namespace}`, may: "reserve" };
}

/**
 * The owner of a connection: the user of its verified certificate, else the address that it comes
 * from, so that pods behind a node's address take none of its kubelet's.
 */
export function ownerOfConnection(socket: TLSSocket): Owner {
  const user = certifiedUser(socket);
  return user === undefined ? ownerOfAddress(socket) : ownerOfUser(user);
}

export function ownerOfAddress({ remoteAddress = "" }: Pick<Socket, "remoteAddress">): Owner {
  return { name: `address ${clientOf(remoteAddress)}` };
}

/**
 * A user; for the parts of a node the node, and for service accounts their namespace, whose editors
 * create as many as they like. Nodes may use the reserve, administrators and the control plane all
 * of a resource.
 */
export function ownerOfUser(user: RequestUser): Owner {
  const { groups, extra } = user;
  // Issuers let people choose names: none is that of a node, an address or a namespace.
  const name = OTHER_OWNERS.test(user.name) ? `user ${user.name}` : user.name;
  if (groups.includes(MASTERS_GROUP) || CONTROL_PLANE.has(name)) return { name, may: "all" };
  const node = nodeOf(user)?.node;
  if (node !== undefined) return { name: `node ${node}`, may: "reserve" };
  if (name === KUBE_PROXY) return { name, may: "reserve" };
  const namespace = groups.find((group) => group.startsWith(ACCOUNTS_OF_NAMESPACE));
  if (namespace !== `${ACCOUNTS_OF_NAMESPACE}kube-system`) return { name: namespace ?? name };
  // Controllers; the token of a pod is its node's to use.
  return extra?.[POD_NAME] ? { name: namespace, may: "reserve" } : { name, may: "all" };
}
