/** URLs as Go's net/url reads them. Source: Go 1.26, which kube-apiserver 1.36 is built with. */
import { goQuoted } from "@raft2kube/std/go-quote.ts";
import { isRefusal, parseAddress, type Refusal } from "./net-address.ts";

export interface Url {
  readonly scheme: string;
  /** The rest of a URL without a path from the root: `mailto:OPAQUE`. */
  readonly opaque: string;
  readonly user: string | undefined;
  /** The host with its port, percent-decoded. */
  readonly host: string;
  readonly escapedPath: string;
  /** The query with its question mark; empty without one. */
  readonly query: string;
  readonly fragment: string;
}

class UrlError extends Error {
  override readonly name = "UrlError";
}

function fail(): never {
  throw new UrlError("invalid URI for request");
}

const HOST = /[^A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"\x80-\u{10ffff}]/u;
const USER = /^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/;
const VALID_PATH = /^[A-Za-z0-9\-_.~$&+,/:;=@!'()*[\]%]*$/;
const KEPT_IN_PATH = /[A-Za-z0-9\-_.~$&+,/:;=@]/;

/** The text with `%XX` decoded, each byte a character; throws on a `%` without two digits. */
function unescaped(text: string): string {
  const bytes = Buffer.from(text).toString("latin1");
  return bytes.replace(/%(?:([0-9a-fA-F]{2})|.{0,2})/gs, (_whole, code?: string) =>
    code === undefined ? fail() : String.fromCharCode(Number.parseInt(code, 16)),
  );
}

const utf8 = (bytes: string): string => Buffer.from(bytes, "latin1").toString();

/** A host, where only bytes beyond ASCII and `%` itself may be percent-encoded. */
function hostText(text: string): string {
  if (/%(?!25)[0-7][0-9a-fA-F]/.test(text)) fail();
  if (HOST.test(text.replace(/%[0-9a-fA-F]{2}/g, ""))) fail();
  return utf8(unescaped(text));
}

function checkPort(colonPort: string): void {
  if (!/^(:\d*)?$/.test(colonPort)) fail();
}

function readHost(scheme: string, text: string): string {
  const open = text.lastIndexOf("[");
  if (open > 0) fail();
  if (open === 0) return readLiteral(text);
  const strict = scheme === "http" || scheme === "https";
  const colon = strict ? text.indexOf(":") : text.lastIndexOf(":");
  if (colon >= 0) checkPort(text.slice(colon));
  return hostText(text);
}

/** A host such as `[fe80::1%25eth0]:80`. */
function readLiteral(text: string): string {
  const close = text.lastIndexOf("]");
  if (close < 0) fail();
  const port = text.slice(close + 1);
  checkPort(port);
  const inner = text.slice(1, close);
  const zone = inner.indexOf("%25");
  const address = hostText(zone < 0 ? inner : inner.slice(0, zone));
  const ip = parseAddress(address);
  if (isRefusal(ip) ? !ip.complaint.includes("mapped") : ip.family === 4) fail();
  return `[${address}${zone < 0 ? "" : utf8(unescaped(inner.slice(zone)))}]${port}`;
}

/** The path percent-encoded where it has to be; as it was given when that is a valid encoding. */
function pathText(text: string): string {
  const bytes = unescaped(text);
  if (VALID_PATH.test(text)) return text;
  return [...bytes].map((each) => (KEPT_IN_PATH.test(each) ? each : percent(each))).join("");
}

function percent(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function splitScheme(text: string): [scheme: string, rest: string] {
  if (text.startsWith(":")) fail();
  const match = /^([a-zA-Z][a-zA-Z0-9+\-.]*):/.exec(text);
  return match === null ? ["", text] : [match[1]!.toLowerCase(), text.slice(match[0].length)];
}

function splitAt(text: string, at: number): [before: string, after: string] {
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at)];
}

/** url.Parse, or url.ParseRequestURI, which takes a fragment for part of what precedes it. */
function readUrl(text: string, viaRequest: boolean): Url {
  // eslint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(text)) fail();
  if (text === "") fail();
  const [whole, fragment] = viaRequest ? [text, ""] : splitAt(text, text.indexOf("#"));
  const none = { opaque: "", user: undefined, host: "", fragment: unescaped(fragment) };
  if (whole === "*") return { ...none, scheme: "", escapedPath: "*", query: "" };
  const [scheme, afterScheme] = splitScheme(whole);
  const [hierarchy, query] = splitAt(afterScheme, afterScheme.indexOf("?"));
  if (!hierarchy.startsWith("/")) {
    if (scheme !== "") return { ...none, scheme, opaque: hierarchy, escapedPath: "", query };
    fail();
  }
  if (scheme === "" || !hierarchy.startsWith("//")) {
    return { ...none, scheme, escapedPath: pathText(hierarchy), query };
  }
  const [authority, path] = splitAt(hierarchy.slice(2), hierarchy.slice(2).indexOf("/"));
  const at = authority.lastIndexOf("@");
  const user = at < 0 ? undefined : authority.slice(0, at);
  const host = readHost(scheme, authority.slice(at + 1));
  if (user !== undefined && !USER.test(user)) fail();
  if (user !== undefined) unescaped(user);
  return { ...none, scheme, user, host, escapedPath: pathText(path), query };
}

/** Reads an absolute URL or a path from the root. */
export function parseUrl(text: string): Url | Refusal {
  try {
    readUrl(text, true);
    return readUrl(text, false);
  } catch (thrown) {
    if (!(thrown instanceof UrlError)) throw thrown;
    return { complaint: `parse ${goQuoted(text)}: ${thrown.message}` };
  }
}

/** The host without its port and without the brackets of an IPv6 address. */
export function hostnameOf({ host }: Url): string {
  const literal = /^\[(.*)\](?::\d*)?$/s.exec(host);
  if (literal !== null) return literal[1]!;
  return host.replace(/:\d*$/, "");
}

export function portOf({ host }: Url): string {
  return /:(\d*)$/.exec(host.slice(host.lastIndexOf("]") + 1))?.[1] ?? "";
}

/** The parameters of the query; those that are not well encoded are left out, as Go does. */
export function queryOf({ query }: Url): Map<string, string[]> {
  const parameters = new Map<string, string[]>();
  for (const pair of query.slice(1).split("&")) {
    if (pair === "" || pair.includes(";") || /%(?![0-9a-fA-F]{2})/.test(pair)) continue;
    const equals = pair.indexOf("=");
    const [key, value] = (
      equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)]
    ).map((each) => utf8(unescaped(each.replaceAll("+", " ")))) as [string, string];
    const values = parameters.get(key);
    if (values === undefined) parameters.set(key, [value]);
    else values.push(value);
  }
  return parameters;
}

/** A text that two URLs have in common only when Go's URL.String gives the same for both. */
export function urlKey({ scheme, opaque, user, host, escapedPath, query, fragment }: Url): string {
  return JSON.stringify([scheme, opaque, user, host, escapedPath, query, fragment]);
}
