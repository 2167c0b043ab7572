import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { isMapped, type MappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { errno, succeeds } from "@raft2kube/std/errors.ts";
import type { TarHeader } from "./tar/header.ts";

/** Attributes of an entry that could not be restored. */
export type Lost = { owner: boolean; attributes: boolean };

/**
 * Gives a file of a layer its owner, permissions, extended attributes and time. The order matters:
 * a change of owner clears set-id bits and capabilities.
 */
export function describe(handle: Handle, header: TarHeader, ids: MappedIds): Lost {
  const { uid, gid, mtime_ms } = header;
  // An owner that does not exist here is EINVAL (user_namespaces(7)): the file stays with root.
  const owner = !(isMapped(ids.users, uid) && isMapped(ids.groups, gid));
  if (!owner) handle.chown(uid, gid);
  // A link has no permissions and no attributes of its own.
  const link = header.type === "symlink";
  if (!link) handle.chmod(header.mode & 0o7777);
  const attributes = !setAttributes(handle, link, header.attributes);
  handle.setTimes(mtime_ms, mtime_ms);
  return { owner, attributes };
}

/**
 * Whether a layer may set an extended attribute: capabilities of programs, and users' own. Others
 * affect the host's kernel: its overlayfs, its security modules, its integrity checks.
 */
function isAllowed(name: string): boolean {
  return name === "security.capability" || (/^user\./.test(name) && !/^user\.overlay\./.test(name));
}

/**
 * Sets attributes; returns false when one is not allowed, or not supported where layers are kept.
 */
function setAttributes(
  handle: Handle,
  link: boolean,
  attributes: TarHeader["attributes"],
): boolean {
  let kept = true;
  for (const [name, value] of attributes) {
    if (link || !isAllowed(name) || !setAttribute(handle, name, value)) kept = false;
  }
  return kept;
}

function setAttribute(handle: Handle, name: string, value: Buffer): boolean {
  return succeeds(
    () => handle.setAttribute(name, value),
    errno("EOPNOTSUPP", "ENOTSUP", "EPERM", "ERANGE", "EINVAL"),
  );
}
