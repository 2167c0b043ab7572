import { isIP } from "node:net";
import path from "node:path";
import { invalidArgument } from "../../lib/errors.ts";
import { SHARE_BYTES_MAX } from "./limits.ts";

/** A directory that a server exports. */
export interface Share {
  /** A host name or an address, IPv6 without brackets. */
  server: string;
  /** Absolute, without a slash at its end unless it is the root. */
  path: string;
}

/** A host name's labels, as DNS has them; an underscore occurs in the names of some networks. */
const HOST = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?$/;
/** Characters that would end a line of the kernel's tables, or a part of a volume's id. */
const UNPRINTABLE = /[\u0000-\u001f\u007f#]/;

/** Reads `server` and `share` of a map that the caller names `field`. Throws INVALID_ARGUMENT. */
export function shareOf(field: string, values: Readonly<Record<string, string>>): Share {
  const { server = "", share = "" } = values;
  if (server === "") throw invalidArgument(`${field}.server is missing`);
  if (share === "") throw invalidArgument(`${field}.share is missing`);
  const bare = /^\[(.*)\]$/.exec(server)?.[1] ?? server;
  if (isIP(bare) === 0 && !HOST.test(server)) {
    throw invalidArgument(`${field}.server is neither a host name nor an address: ${server}`);
  }
  return { server: bare, path: sharePath(`${field}.share`, share) };
}

function sharePath(field: string, value: string): string {
  if (Buffer.byteLength(value) > SHARE_BYTES_MAX) {
    throw invalidArgument(`${field} is longer than ${SHARE_BYTES_MAX} bytes`);
  }
  if (!path.isAbsolute(value) || value.split("/").includes("..") || UNPRINTABLE.test(value)) {
    throw invalidArgument(`${field} is not a plain absolute path: ${value}`);
  }
  const plain = path.normalize(value);
  return plain === "/" ? plain : plain.replace(/\/$/, "");
}

/** The name of a server's directory in the kernel's mount table: `server:/share/volume`. */
export function sourceOf({ server, path: share }: Share, subDir = ""): string {
  const host = isIP(server) === 6 ? `[${server}]` : server;
  return `${host}:${path.join(share, subDir)}`;
}
