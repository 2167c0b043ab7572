import { createHash } from "node:crypto";
import type { MemberId } from "../core/types.ts";

/** The first 64 bits of a SHA-1, as etcd makes its ids; never 0, which means no member. */
function idOf(bytes: Buffer | string): bigint {
  const id = createHash("sha1").update(bytes).digest().readBigUInt64BE(0);
  return id === 0n ? 1n : id;
}

/**
 * A member's id from its peer URLs and the cluster's token, alike on every member (and the same as
 * etcd's). `at_s`, the time in seconds, goes in for members added later: an address may come back.
 */
export function memberIdOf(peerURLs: string[], token: string, at_s?: number): MemberId {
  const suffix = at_s === undefined ? "" : `${at_s}`;
  return idOf([...peerURLs].sort().join("") + token + suffix);
}

/** The cluster's id, from those of its first members. */
export function clusterIdOf(members: MemberId[]): bigint {
  const bytes = Buffer.alloc(8 * members.length);
  [...members]
    .sort((a, b) => (a < b ? -1 : 1))
    .forEach((id, i) => bytes.writeBigUInt64BE(id, 8 * i));
  return idOf(bytes);
}

/** The ids of a store that listens for no peers, from its name and token. */
export function soleIds(name: string, token: string): { memberId: MemberId; clusterId: bigint } {
  const memberId = idOf(`member\0${name}\0${token}`);
  return { memberId, clusterId: idOf(`cluster\0${memberId.toString(16)}\0${token}`) };
}
