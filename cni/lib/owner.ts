import { createHash } from "node:crypto";
import type { ValidAttachment } from "./types.ts";

/** nft keeps at most 128 bytes of a comment, its final NUL counted. */
const COMMENT_BYTES = 127;

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/**
 * A short name of a network for the kernel's tables: letters and digits, the same on every call.
 */
export function networkMark(network: string): string {
  return digest(network);
}

/**
 * The comment on what a plugin put into a kernel table for one attachment: by it DEL finds what to
 * take out, and GC what belongs to nobody.
 */
export function ownerComment(network: string, containerId: string, ifName: string): string {
  const whole = `${networkMark(network)} ${containerId} ${ifName}`;
  if (whole.length <= COMMENT_BYTES) return whole;
  return `${networkMark(network)} ${digest(containerId)} ${ifName}`;
}

/** Whether a comment marks an attachment of this network that is not among the valid ones. */
export function isStale(comment: string, network: string, valid: ValidAttachment[]): boolean {
  if (!comment.startsWith(`${networkMark(network)} `)) return false;
  return !valid.some((at) => ownerComment(network, at.containerID, at.ifname) === comment);
}
