import path from "node:path";
import type { MappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import {
  type IDMapping,
  NamespaceMode,
  type PodSandboxConfig,
  type UserNamespace,
} from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import type { OciIdMapping, OciLinux, OciMount, OciUser } from "./spec.ts";

/** The ids of a pod's own user namespace (CRI `UserNamespace`, KEP-127): 0 and up within it. */
export type PodIds = { users: OciIdMapping; groups: OciIdMapping };

function refuse(why: string): RuntimeError {
  return new RuntimeError("invalid-argument", `usernsOptions: ${why}`);
}

function oneMapping(what: "uids" | "gids", mappings: readonly IDMapping[]): OciIdMapping {
  const [only, ...others] = mappings;
  if (only === undefined || others.length > 0) {
    throw refuse(`${what} must have one mapping, not ${mappings.length}`);
  }
  const { containerId: containerID, hostId: hostID, length: size } = only;
  if (containerID !== 0) throw refuse(`${what} must map the container's id 0`);
  if (size === 0) throw refuse(`the mapping of ${what} has the length 0`);
  return { containerID, hostID, size };
}

/**
 * Returns the ids that a pod's user namespace has; undefined when it has the node's. Throws
 * invalid-argument for other modes, and for mappings other than one each from id 0 on.
 */
export function podIdsOf(options: UserNamespace | undefined): PodIds | undefined {
  if (options === undefined || options.mode === NamespaceMode.NODE) {
    const given = (options?.uids.length ?? 0) + (options?.gids.length ?? 0);
    if (given > 0) throw refuse("the node's user namespace takes no mappings");
    return undefined;
  }
  if (options.mode !== NamespaceMode.POD) throw refuse(`mode ${options.mode} is not supported`);
  return { users: oneMapping("uids", options.uids), groups: oneMapping("gids", options.gids) };
}

/** The ids of a sandbox's user namespace; undefined when it has the node's. */
export function sandboxIds(config: PodSandboxConfig): PodIds | undefined {
  return podIdsOf(config.linux?.securityContext?.namespaceOptions?.usernsOptions);
}

/** Throws invalid-argument for a container whose user namespace is not its sandbox's. */
export function requireSameIds(sandbox: PodIds | undefined, own: UserNamespace | undefined): void {
  if (own === undefined) return;
  if (JSON.stringify(podIdsOf(own)) === JSON.stringify(sandbox)) return;
  throw refuse("a container has the user namespace of its pod");
}

/** The ids that processes of a pod can run as: those of its user namespace, else the node's. */
export function containerIds(node: { ids: MappedIds }, ids: PodIds | undefined): MappedIds {
  if (ids === undefined) return node.ids;
  const [users, groups] = [ids.users, ids.groups].map(({ size }) => [{ first: 0, count: size }]);
  return { users: users!, groups: groups! };
}

/**
 * The ids on the node of a process's user in a pod with a user namespace; undefined without one, in
 * which they are the same. Throws invalid-argument for an id that the pod does not have, which
 * would be another pod's.
 */
export function hostUser(
  sandbox: PodSandboxConfig | undefined,
  { uid, gid }: OciUser,
): { uid: number; gid: number } | undefined {
  const ids = sandbox && sandboxIds(sandbox);
  if (ids === undefined) return undefined;
  const onNode = (what: string, { hostID, size }: OciIdMapping, id: number) => {
    if (id < size) return hostID + id;
    throw new RuntimeError("invalid-argument", `${what} ${id} is not an id of the pod`, {
      remedy:
        `use one from 0 to ${size - 1}, as a pod with hostUsers: false has no others; ` +
        "or set hostUsers: true in the pod",
    });
  };
  return { uid: onNode("user", ids.users, uid), gid: onNode("group", ids.groups, gid) };
}

/** The mappings as a container has them; empty in the node's user namespace. */
export function idMappings(ids: PodIds | undefined): Pick<OciLinux, "uidMappings" | "gidMappings"> {
  return ids === undefined ? {} : { uidMappings: [ids.users], gidMappings: [ids.groups] };
}

/**
 * The root of a bundle: in a user namespace relative to it, as the pod's root may not walk through
 * the folders above, which are the node's root's alone.
 */
export function rootPath(rootfs: string, ids: PodIds | undefined): string {
  return ids === undefined ? rootfs : path.basename(rootfs);
}

/**
 * A bind mount that shows and stores owners by the pod's ids: files of root are the pod's root's.
 * The mapping is crun's option `idmap` (crun(1)) with the ids named: the runtime-spec's, which has
 * none, takes those of the container's process, which for a moment has the node's.
 */
export function withPodIds(mount: OciMount, ids: PodIds | undefined): OciMount {
  if (ids === undefined || mount.type !== "bind") return mount;
  const text = ({ containerID, hostID, size }: OciIdMapping) => `${containerID}-${hostID}-${size}`;
  const idmap = `idmap=uids=${text(ids.users)};gids=${text(ids.groups)}`;
  return { ...mount, options: [...mount.options, idmap] };
}
