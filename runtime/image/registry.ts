import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { jsonOrNothing } from "@raft2kube/std/json-or-nothing.ts";
import { own } from "@raft2kube/std/own.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { withoutEnd } from "@raft2kube/std/text.ts";
import { RuntimeError } from "../errors.ts";
import {
  BLOB_RESUMES_MAX,
  MANIFEST_BYTES,
  REGISTRY_ERROR_CHARACTERS,
  REGISTRY_MESSAGE_CHARACTERS,
} from "../limits.ts";
import { digestOf } from "./blobs.ts";
import { get, type HttpAnswer } from "./http.ts";
import { type Descriptor, MediaType } from "./manifest.ts";
import { readBounded } from "./read-bounded.ts";
import { DIGEST, type Reference } from "./reference.ts";
import { answerChallenge, parseChallenge } from "./registry-auth.ts";

/**
 * Where a registry really is, by the domain in image names: `{"docker.io": "http://mirror:5000"}`.
 */
export type RegistryEndpoints = Readonly<Record<string, string>>;

export interface RegistryOptions {
  auth?: Partial<AuthConfig>;
  endpoints: RegistryEndpoints;
  clock: Clock;
  signal?: AbortSignal;
  /** The namespace of the pod that it is for. */
  namespace?: string | undefined;
}

const ACCEPT = [
  MediaType.ociIndex,
  MediaType.ociManifest,
  MediaType.dockerList,
  MediaType.dockerManifest,
].join(", ");

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/;

/** The URL of a registry's server. */
export function endpointOf(domain: string, endpoints: RegistryEndpoints): string {
  const named = own(endpoints, domain);
  if (named) return withoutEnd(named, "/");
  if (LOOPBACK.test(domain)) return `http://${domain}`;
  return `https://${domain === "docker.io" ? "registry-1.docker.io" : domain}`;
}

/** One repository of a registry, over the distribution spec's pull calls. */
export class RegistryRepository {
  readonly #base: string;
  readonly #name: string;
  readonly #path: string;
  readonly #options: RegistryOptions;
  #authorization: string | undefined;

  constructor(reference: Reference, options: RegistryOptions) {
    this.#base = `${endpointOf(reference.domain, options.endpoints)}/v2/${reference.path}`;
    this.#name = `${reference.domain}/${reference.path}`;
    this.#path = reference.path;
    this.#options = options;
  }

  /** A manifest or index by tag or digest; the bytes are what their digest says. */
  async manifest(tagOrDigest: string): Promise<{ digest: string; bytes: Buffer }> {
    const answer = await this.#get(`manifests/${tagOrDigest}`, { Accept: ACCEPT });
    const bytes = await readBounded(answer.body, MANIFEST_BYTES, `${this.#name}: the manifest`);
    const sent = answer.headers["docker-content-digest"];
    const claimed = tagOrDigest.includes(":") ? tagOrDigest : typeof sent === "string" ? sent : "";
    const digest = digestOf(bytes, claimed.startsWith("sha512:") ? "sha512" : "sha256");
    if (DIGEST.test(claimed) && claimed !== digest) {
      const message = `${this.#name}: the manifest ${claimed} has digest ${digest}`;
      throw new RuntimeError("failed-precondition", message);
    }
    return { digest, bytes };
  }

  /**
   * A blob as a stream, unchecked. A transfer that breaks off goes on where it was (RFC 9110,
   * Range), BLOB_RESUMES_MAX times, if it has brought something and the server knows ranges; one
   * that has brought the whole size is over.
   */
  async blob({
    digest,
    size,
  }: Pick<Descriptor, "digest" | "size">): Promise<AsyncIterable<Buffer>> {
    const what = `blobs/${digest}`;
    return this.#resuming(what, size, await this.#get(what, {}));
  }

  async *#resuming(what: string, size: number, first: HttpAnswer): AsyncGenerator<Buffer> {
    let answer = first;
    let at = 0;
    for (let resumes = 0; ; resumes++) {
      const before = at;
      try {
        for await (const chunk of answer.body) {
          at += chunk.length;
          yield chunk;
        }
        return;
      } catch (broken) {
        // A range that starts at the end is 416.
        if (at === size) return;
        if (resumes === BLOB_RESUMES_MAX || at === before) throw broken;
        answer = await this.#get(what, { Range: `bytes=${at}-` });
        if (answer.status === 206) continue;
        answer.cancel();
        throw broken;
      }
    }
  }

  async #get(what: string, headers: Record<string, string>): Promise<HttpAnswer> {
    const first = await this.#send(what, headers);
    // Credentials are for the registry itself, not for the target of a redirection.
    if (first.status !== 401 || first.redirected) return this.#checked(what, first);
    const challenge = parseChallenge(first.headers["www-authenticate"]);
    first.cancel();
    const { auth, clock, signal, namespace } = this.#options;
    this.#authorization =
      challenge &&
      (await answerChallenge(challenge, auth, {
        scope: `repository:${this.#path}:pull`,
        registry: this.#base,
        clock,
        namespace,
        ...(signal && { signal }),
      }));
    return this.#checked(what, await this.#send(what, headers));
  }

  #send(what: string, headers: Record<string, string>): Promise<HttpAnswer> {
    const { clock, signal, namespace } = this.#options;
    const Authorization = this.#authorization;
    return get(`${this.#base}/${what}`, {
      headers: { ...headers, ...(Authorization && { Authorization }) },
      clock,
      namespace,
      name: this.#name,
      ...(signal && { signal }),
    });
  }

  async #checked(what: string, answer: HttpAnswer): Promise<HttpAnswer> {
    const { status } = answer;
    if (status >= 200 && status < 300) return answer;
    const why = await this.#explanation(answer);
    const denied = status === 401 || status === 403;
    const code = denied ? "permission-denied" : status === 404 ? "not-found" : "unavailable";
    throw new RuntimeError(code, `${this.#name}: ${status} for ${what}${why}`);
  }

  /**
   * Returns the error of a failed request. A server that the registry redirects to is not quoted:
   * the message ends in events, and that server may answer only because this node asks.
   */
  async #explanation(answer: HttpAnswer): Promise<string> {
    if (answer.redirected) {
      answer.cancel();
      return "";
    }
    const body = await readBounded(answer.body, MANIFEST_BYTES, `${this.#name}: an error`);
    return `: ${errorsOf(body.toString("utf8"))}`;
  }
}

/**
 * The messages in a registry's answer (distribution spec, error codes), or its text; one line. Of a
 * long answer the start is its text: it may be four megabytes of line ends.
 */
export function errorsOf(text: string): string {
  const start = text.slice(0, REGISTRY_ERROR_CHARACTERS);
  const sent = start === text ? errorList(text) : [];
  const said = sent.map(({ code, message }) => `${code}: ${message}`).join("; ");
  const line = (said || start).replace(/[\p{Cc}\s]+/gu, " ");
  return line.slice(0, REGISTRY_MESSAGE_CHARACTERS);
}

function errorList(text: string): { code: string; message: string }[] {
  // Proxies answer with pages, not with JSON.
  const value = jsonOrNothing(text);
  const errors = isRecord(value) && Array.isArray(value["errors"]) ? value["errors"] : [];
  return errors.filter(isRecord).map(({ code, message }) => {
    const string = (field: unknown) => (typeof field === "string" ? field : "");
    return { code: string(code), message: string(message) };
  });
}

/** Throws permission-denied if a registry refuses these credentials. */
export async function checkLogin(domain: string, options: RegistryOptions): Promise<void> {
  const { auth, clock } = options;
  const registry = endpointOf(domain, options.endpoints);
  const url = `${registry}/v2/`;
  const first = await get(url, { headers: {}, clock, name: domain });
  first.cancel();
  if (first.redirected) {
    throw new RuntimeError("permission-denied", `${domain} redirects a login to another server`);
  }
  if (first.status !== 401) return;
  const challenge = parseChallenge(first.headers["www-authenticate"]);
  const Authorization =
    challenge && (await answerChallenge(challenge, auth, { scope: "", registry, clock }));
  const headers: Record<string, string> = Authorization ? { Authorization } : {};
  const second = await get(url, { headers, clock, name: domain });
  second.cancel();
  if (second.status === 200) return;
  throw new RuntimeError("permission-denied", `${domain}: ${second.status}: login refused`);
}
