import type { RequestUser } from "./kind.ts";

/** A node's parts: each acts as a user of that node alone, named PREFIX + NODE, in a group. */
export const NODE_USERS = {
  kubelet: { prefix: "system:node:", group: "system:nodes" },
  proxy: { prefix: "system:r2k:proxy:", group: "system:r2k:proxies" },
  dns: { prefix: "system:r2k:dns:", group: "system:r2k:dns" },
  "csi-provisioner": {
    prefix: "system:r2k:csi-provisioner:",
    group: "system:r2k:csi-provisioners",
  },
} as const;

export type NodePart = keyof typeof NODE_USERS;

export const NODE_PARTS = Object.keys(NODE_USERS) as NodePart[];

export type NodeUser = { readonly name: string; readonly group: string };

/** The user of a node's part. */
export function nodeUser(part: NodePart, node: string): NodeUser {
  const { prefix, group } = NODE_USERS[part];
  return { name: `${prefix}${node}`, group };
}

/** The node and the part that a user belongs to: its name and its group must both match. */
export function nodeOf(user: RequestUser): { node: string; part: NodePart } | undefined {
  for (const part of NODE_PARTS) {
    const { prefix, group } = NODE_USERS[part];
    if (!user.groups.includes(group) || !user.name.startsWith(prefix)) continue;
    const node = user.name.slice(prefix.length);
    if (node !== "") return { node, part };
  }
  return undefined;
}
