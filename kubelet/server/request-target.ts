import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";

/** Parsed target of a request, for both authorization and routing. */
export interface RequestTarget {
  /** The path's segments, decoded; empty ones are passed over. */
  segments: readonly string[];
  query: URLSearchParams;
}

/** Unreserved characters need no escape (RFC 3986, 2.3). */
const UNRESERVED = /^[A-Za-z0-9._~-]$/;
const ORIGIN = /^https?:\/\/[^/?#]*/i;

/**
 * Parses a request's target. Throws HttpError 400 for an ambiguous path: escapes of unreserved
 * characters, of a slash or of NUL, dot segments, backslashes.
 */
export function parseTarget(target: string): RequestTarget {
  const [, path = "", query = ""] = /^([^?#]*)\??([^#]*)/.exec(target.replace(ORIGIN, ""))!;
  if (path !== "" && !path.startsWith("/")) throw malformed(path, "it does not begin with a slash");
  const segments = path.split("/").filter(Boolean).map(decoded);
  return { segments, query: new URLSearchParams(query) };
}

function decoded(segment: string): string {
  for (const [escape] of segment.matchAll(/%[0-9A-Fa-f]{2}/g)) {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    if (UNRESERVED.test(character)) throw malformed(segment, `write ${escape} as ${character}`);
  }
  const text = unescaped(segment);
  if (text === "." || text === "..") throw malformed(segment, "dot segments are not resolved");
  if (/[/\\\0]/.test(text)) throw malformed(segment, "it may hold no slash, backslash or NUL");
  return text;
}

function unescaped(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (thrown) {
    if (thrown instanceof URIError) throw malformed(segment, "a malformed escape");
    throw thrown;
  }
}

function malformed(part: string, why: string): HttpError {
  return new HttpError(400, `malformed path segment ${JSON.stringify(part)}: ${why}`);
}

/** Whether a parameter of the query is set, in either of the ways in which clients write it. */
export function flag(query: URLSearchParams, name: string): boolean {
  return ["true", "1"].includes(query.get(name) ?? "");
}
