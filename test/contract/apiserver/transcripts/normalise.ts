import { hostname } from "node:os";

/**
 * How far from now a time may be to count as made by the server, and not given by the client. Times
 * that cases send must lie in the past for good: one in the future would count as recent some day.
 */
const RECENT_MS = 3 * 24 * 3600 * 1000;

const UID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
/** A day without a time, as labels that count the use of tokens hold it. */
const DATE = /\b\d{4}-\d\d-\d\d\b(?!T| \d\d:)/g;
const TOKEN = /eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]+/g;
/** One as a Secret holds it: `eyJ` in base64. */
const KEPT_TOKEN = /\bZXlK[\w+/]{40,}={0,2}/g;
/** Names generated for `generateName: gen-`: five random letters and digits. */
const GENERATED = /\b(gen-|Gen_)[bcdfghjklmnpqrstvwxz2456789]{5}\b/g;
const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n/g;
const CREDENTIAL = /X509SHA256=[0-9a-f]{64}/g;
/** A whole object as a complaint shows it, whose members stand in no certain order. */
const DOCUMENT = /Invalid value: "(?:\{\\"|map\[)(?:[^"\\]|\\.)*"/g;
/** A server's identity depends on its machine. */
const IDENTITY = /\bapiserver-[a-z2-7]{26}\b/g;
const ACCESS = /\bkube-api-access-[a-z0-9]{5}\b/g;
/** Addresses from the range of Services, and those of them that stories ask for by name. */
const CLUSTER_IP = /\b10\.96\.\d+\.\d+\b/g;
const ASKED_IP = /^10\.96\.200\.(7|9|2[0-3])$/;
const NODE_PORTS = { from: 30_000, to: 32_767 };
/** Members of a public key in JSON Web Keys: its id, its modulus. */
const KEY_PARTS: ReadonlySet<string> = new Set(["kid", "n"]);
const KEY_PART_LENGTH_MIN = 40;
/** The ages in a table's cells. */
const AGE = /^(\d+[smhdy]){1,2}$/;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A request's text longer than this is shown by its beginning. */
const SENT_TEXT_MAX = 1000;

/**
 * Replaces values that differ from run to run by names that do not: a case's first uid is `uid1`
 * wherever it stands, its second `uid2`. So an answer still shows which things are the same.
 */
export class Names {
  readonly #uids = new Map<string, string>();
  /** Revisions by uid, so that an object's are counted for it alone. */
  readonly #revisions = new Map<string, Map<string, string>>();
  /** Whether a request's body is read: it introduces no names, and all of it is kept. */
  #isSent = false;
  readonly #concealed = new Map<string, string>();
  #hooks: number | undefined;
  readonly #port: number | undefined;
  readonly #address: RegExp | undefined;

  /** `port` is where the server says that it is, which no answer is compared by. */
  constructor(port?: number) {
    this.#port = port;
    if (port !== undefined) this.#address = new RegExp(`\\b[\\d.]+:${port}\\b`, "g");
  }

  /** Texts to show as others from now on, and a port to show as `HOOKS`. */
  conceal(texts: Readonly<Record<string, string>>, port: number): void {
    for (const each of Object.entries(texts)) this.#concealed.set(...each);
    this.#hooks = port;
  }

  /** A request's body, as a transcript shows it: with the names of values that answers had. */
  sent(body: unknown): Json {
    if (Buffer.isBuffer(body)) return `${body.length} bytes`;
    this.#isSent = true;
    try {
      return this.value(JSON.parse(JSON.stringify(body)));
    } finally {
      this.#isSent = false;
    }
  }

  /** A JSON value with such names. */
  value(value: unknown): Json {
    if (typeof value === "string") return this.text(value);
    if (typeof value !== "object" || value === null) return value as Json;
    if (Array.isArray(value)) return value.map((each) => this.value(each));
    return this.#object(value as Record<string, unknown>);
  }

  #object(object: Record<string, unknown>): Json {
    const isList =
      Array.isArray(object["items"]) || object["items"] === null || object["kind"] === "Table";
    const named: Record<string, Json> = {};
    for (const [name, member] of Object.entries(object)) {
      const bookmarked = name === "object" && object["type"] === "BOOKMARK";
      const said = bookmarked ? this.#bookmark(member) : this.#member(name, member, isList);
      if (name === "resourceVersion") named[name] = this.#revision(object["uid"], member);
      else if (this.#isSent || !isNothing(said)) named[name] = said;
    }
    return named;
  }

  #revision(uid: unknown, revision: unknown): Json {
    if (typeof revision !== "string" || !/^\d{1,9}$/.test(revision)) return revision as Json;
    const known = this.#revisions.get(String(uid)) ?? new Map<string, string>();
    this.#revisions.set(String(uid), known);
    if (this.#isSent) return known.get(revision) ?? "RV";
    return nth(known, revision, "rv");
  }

  /** A text, such as a path or a message. */
  text(text: string): string {
    const named = this.#named(text);
    if (!this.#isSent || named.length <= SENT_TEXT_MAX) return named;
    return `${named.slice(0, SENT_TEXT_MAX)}... (${named.length} characters)`;
  }

  #named(text: string): string {
    let placed = this.#address === undefined ? text : text.replace(this.#address, "ADDRESS:PORT");
    for (const each of this.#concealed) placed = placed.replaceAll(...each);
    return placed
      .replace(TOKEN, (_token, claims: string) => this.#claims(claims))
      .replace(KEPT_TOKEN, "TOKEN")
      .replace(UID, (uid) =>
        this.#isSent ? (this.#uids.get(uid) ?? uid) : nth(this.#uids, uid, "uid"),
      )
      .replace(TIME, (time, fraction?: string) =>
        !isRecent(time) ? time : fraction ? "MICROTIME" : "TIME",
      )
      .replace(DATE, (date) => (isRecent(date) ? "DATE" : date))
      .replace(GENERATED, "$1RANDOM")
      .replace(PEM, "CERTIFICATE")
      .replace(CREDENTIAL, "X509SHA256=DIGEST")
      .replace(CLUSTER_IP, (address) => (ASKED_IP.test(address) ? address : "CLUSTERIP"))
      .replace(/(continue=)[^&"]{15,}/g, "$1TOKEN")
      .replace(/(resourceVersion=)(?!9999|0|1\b)\d+/g, "$1N")
      .replace(DOCUMENT, 'Invalid value: "DOCUMENT"')
      .replace(IDENTITY, "apiserver-MACHINE")
      .replace(ACCESS, "kube-api-access-RANDOM")
      .replace(/(\? |\bcurrent: )\d+/, "$1N")
      .replace(/in record \(\d+\)/, "in record (N)");
  }

  #member(name: string, member: unknown, ofList: boolean): Json {
    if (name === "metadata" && ofList) return this.#listMetadata(member as object | null);
    if (name === "continue" && typeof member === "string") return "TOKEN";
    if (name === "managedFields") return this.#owners(member);
    if (name === "columnDefinitions") return withoutDescriptions(member);
    if (name === "cells") {
      return (member as unknown[]).map((cell) =>
        typeof cell === "string" && AGE.test(cell) ? "AGE" : this.value(cell),
      );
    }
    if (name === "kubernetes.io/hostname" && member === hostname()) return "MACHINE";
    if (KEY_PARTS.has(name) && String(member).length >= KEY_PART_LENGTH_MIN) return "KEY";
    if (name === "port" && member !== undefined && member === this.#hooks) return "HOOKS";
    if (name === "targetPort" && member === this.#port) return "PORT";
    if (/nodePort$/i.test(name) && typeof member === "number") {
      return member >= NODE_PORTS.from && member <= NODE_PORTS.to ? "NODEPORT" : member;
    }
    return this.value(member);
  }

  #bookmark(member: unknown): Json {
    const { metadata, ...rest } = member as { metadata: object };
    return { ...(this.value(rest) as object), metadata: this.#listMetadata(metadata) };
  }

  /** Owners in an order of their own: the server's is by time, which varies. */
  #owners(member: unknown): Json {
    if (!Array.isArray(member)) return this.value(member);
    const keyOf = (each: Record<string, unknown>) =>
      ["operation", "manager", "apiVersion", "subresource"].map((name) => each[name]).join(" ");
    const sorted = [...(member as Record<string, unknown>[])];
    return this.value(sorted.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)));
  }

  /** A list's revision is the cluster's: anything may have been written in between. */
  #listMetadata(metadata: object | null): Json {
    const named: Record<string, Json> = {};
    for (const [name, value] of Object.entries(metadata ?? {})) {
      if (name === "resourceVersion")
        named[name] = /^\d+$/.test(String(value)) ? "RV" : String(value);
      else if (name !== "continue") named[name] = this.value(value);
      // Lists of custom resources have an empty one, others none.
      else if (value !== "") named[name] = "TOKEN";
    }
    return named;
  }

  /** Returns a token's claims without the times and the signature. */
  #claims(encoded: string): string {
    const claims = JSON.parse(Buffer.from(encoded, "base64url").toString()) as Record<
      string,
      number
    >;
    const { iat = 0, exp = 0, nbf = 0, ...rest } = claims;
    const named = this.value({ ...rest, lasts_s: exp - iat, since_s: nbf - iat });
    return `TOKEN ${JSON.stringify(named, (_, value: unknown) =>
      typeof value === "number" && value > 1_000_000_000 ? "SECONDS" : value,
    )}`;
  }
}

const isRecent = (time: string): boolean => Math.abs(Date.parse(time) - Date.now()) <= RECENT_MS;

/** Upstream writes `null` for some lists and times that are empty (docs/DIVERGENCE.md). */
const isNothing = (value: Json): boolean =>
  value === null || (Array.isArray(value) && value.length === 0);

function nth(known: Map<string, string>, key: string, word: string): string {
  let name = known.get(key);
  if (name === undefined) known.set(key, (name = `${word}${known.size + 1}`));
  return name;
}

/** Descriptions of columns are our own words (docs/DIVERGENCE.md). */
function withoutDescriptions(columns: unknown): Json {
  if (!Array.isArray(columns)) return columns as Json;
  return columns.map(({ description: _own, ...rest }: Record<string, Json>) => rest);
}
