import { createHash } from "node:crypto";
import type { ValidAttachment } from "./types.ts";

/** nft keeps at most 128 bytes of a comment, including the final NUL. */
const COMMENT_BYTES = 127;

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** Returns a short, stable identifier of a network for names in the kernel's tables. */
export const networkMark = (network: string): string => digest(network);

/**
 * Returns the comment on the elements of one attachment in a kernel table, by which DEL and GC find
 * them.
 */
export function ownerComment(network: string, containerId: string, ifName: string): string {
  const whole = `${networkMark(network)} ${containerId} ${ifName}`;
  if (whole.length <= COMMENT_BYTES) return whole;
  return `${networkMark(network)} ${digest(containerId)} ${ifName}`;
}

/** Whether a comment belongs to an attachment of this network that is not valid. */
export function isStale(comment: string, network: string, valid: ValidAttachment[]): boolean {
  if (!comment.startsWith(`${networkMark(network)} `)) return false;
  return !valid.some((at) => ownerComment(network, at.containerID, at.ifname) === comment);
}
