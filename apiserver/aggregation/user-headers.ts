import type { RequestUser } from "@raft2kube/api/kind.ts";
import { forbidden } from "@raft2kube/apimachinery/errors/catalog.ts";

export type Headers = Record<string, string | string[]>;

/** The user as which this server asks for discovery and OpenAPI, as upstream's aggregator. */
export const AGGREGATOR_USER: RequestUser = {
  name: "system:kube-aggregator",
  groups: ["system:masters"],
};

/** Header names that need no escape (RFC 9110 token), `%` aside, which starts one. */
const LEGAL = /^[!#$&'*+\-.0-9A-Z^_`a-z|~]$/;

/** Characters that the value of a header must not have. */
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * The headers by which a front proxy names the user to the server behind it. Throws 403 for values
 * that are others there: parsers of headers leave out white space around them.
 */
export function userHeaders({ name, uid, groups, extra = {} }: RequestUser): Headers {
  const headers: Headers = { "x-remote-user": encoded(name) };
  if (uid !== undefined && uid !== "") headers["x-remote-uid"] = encoded(uid);
  if (groups.length > 0) headers["x-remote-group"] = groups.map(encoded);
  for (const [key, values] of Object.entries(extra)) {
    if (values.length > 0) headers[`x-remote-extra-${escaped(key)}`] = values.map(encoded);
  }
  return headers;
}

/** A value as the bytes of its UTF-8, which is how Go writes and reads headers. */
function encoded(value: string): string {
  if (value !== value.trim() || CONTROL.test(value)) {
    const why = `${JSON.stringify(value)} of the user cannot be passed on to an aggregated server`;
    throw forbidden({ group: "", name: "" }, "", why);
  }
  return Buffer.from(value, "utf8").toString("latin1");
}

/** A key of extra as part of a header's name: other bytes are percent-encoded (upstream). */
function escaped(key: string): string {
  return [...Buffer.from(key, "utf8")]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return LEGAL.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("")
    .toLowerCase();
}
