import { createHash } from "node:crypto";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { invalidArgument } from "../../lib/errors.ts";
import { STRING_BYTES_MAX } from "../../lib/limits.ts";
import { type Share, shareOf } from "./share.ts";

/**
 * The parts of a volume's or snapshot's id, `server#share#key`: DeleteVolume receives nothing else,
 * and the driver has no state outside the share.
 */
export interface ObjectId {
  share: Share;
  /** The name of the object's record in the share. */
  key: string;
}

/** 128 bits are enough to never meet twice. */
const KEY_CHARS = 32;
const KEY = /^[0-9a-f]{32}$/;

/** The key of a name: a directory beneath the share, or a snapshot's name. */
export function keyOf(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, KEY_CHARS);
}

/** The id as callers get it. Throws INVALID_ARGUMENT when it exceeds the specification's size. */
export function idOf({ share, key }: ObjectId): string {
  // lab:17 begin id
  const id = `${share.server}#${share.path}#${key}`;
  if (Buffer.byteLength(id) > STRING_BYTES_MAX) {
    throw invalidArgument(
      `parameters.server and parameters.share are too long: a volume's id would exceed ` +
        `${STRING_BYTES_MAX} bytes`,
    );
  }
  return id;
  // lab:17 end
}

/** Reads an id that this driver gave; undefined for any other. */
export function parseId(id: string): ObjectId | undefined {
  // lab:17 begin parse
  const [server, share, key, ...rest] = id.split("#");
  if (!server || !share || key === undefined || !KEY.test(key) || rest.length > 0) return undefined;
  try {
    return { share: shareOf("volume_id", { server, share }), key };
  } catch (thrown) {
    if (thrown instanceof RpcError) return undefined; // an id that this driver never gave
    throw thrown;
  }
  // lab:17 end
}
