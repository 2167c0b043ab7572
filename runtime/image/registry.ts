import { Readable } from "node:stream";
import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { MANIFEST_BYTES, REGISTRY_TIMEOUT_MS } from "../limits.ts";
import { RuntimeError } from "../errors.ts";
import { digestOf } from "./blobs.ts";
import { MediaType } from "./manifest.ts";
import type { Reference } from "./reference.ts";
import { answerChallenge, parseChallenge } from "./registry-auth.ts";

/**
 * Where a registry really is, by the domain in image names: `{"docker.io": "http://mirror:5000"}`.
 */
export type RegistryEndpoints = Readonly<Record<string, string>>;

const ACCEPT = [
  MediaType.ociIndex,
  MediaType.ociManifest,
  MediaType.dockerList,
  MediaType.dockerManifest,
].join(", ");

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$/;

function endpointOf(domain: string, endpoints: RegistryEndpoints): string {
  const named = endpoints[domain];
  if (named) return named.replace(/\/+$/, "");
  if (LOOPBACK.test(domain)) return `http://${domain}`;
  return `https://${domain === "docker.io" ? "registry-1.docker.io" : domain}`;
}

/** One repository of a registry, over the distribution spec's pull calls. */
export class RegistryRepository {
  readonly #base: string;
  readonly #name: string;
  readonly #auth: Partial<AuthConfig> | undefined;
  readonly #clock: Clock;
  #authorization: string | undefined;

  constructor(
    reference: Reference,
    options: { auth?: Partial<AuthConfig>; endpoints: RegistryEndpoints; clock: Clock },
  ) {
    this.#base = `${endpointOf(reference.domain, options.endpoints)}/v2/${reference.path}`;
    this.#name = `${reference.domain}/${reference.path}`;
    this.#auth = options.auth;
    this.#clock = options.clock;
    if (options.auth?.registryToken) this.#authorization = `Bearer ${options.auth.registryToken}`;
  }

  /** A manifest or index by tag or digest; the bytes are what their digest says. */
  async manifest(tagOrDigest: string): Promise<{ digest: string; bytes: Buffer }> {
    const answer = await this.#get(`manifests/${tagOrDigest}`, { Accept: ACCEPT });
    const bytes = await readBounded(this.#body(answer), MANIFEST_BYTES);
    const digest = digestOf(bytes);
    const claimed = tagOrDigest.includes(":")
      ? tagOrDigest
      : answer.headers.get("docker-content-digest");
    if (claimed?.startsWith("sha256:") && claimed !== digest) {
      const message = `${this.#name}: the manifest ${claimed} has digest ${digest}`;
      throw new RuntimeError("failed-precondition", message);
    }
    return { digest, bytes };
  }

  /** A blob as a stream, unchecked. It fails when nothing comes for a minute. */
  async blob(digest: string): Promise<Readable> {
    return this.#body(await this.#get(`blobs/${digest}`, {}));
  }

  async #get(what: string, headers: Record<string, string>): Promise<Response> {
    const first = await this.#fetch(what, headers);
    if (first.status !== 401) return this.#checked(what, first);
    const challenge = parseChallenge(first.headers.get("www-authenticate"));
    await first.body?.cancel();
    const scope = `repository:${this.#name.slice(this.#name.indexOf("/") + 1)}:pull`;
    const signal = AbortSignal.timeout(REGISTRY_TIMEOUT_MS);
    const answered = challenge && answerChallenge(challenge, this.#auth, scope, signal);
    this.#authorization = await answered;
    return this.#checked(what, await this.#fetch(what, headers));
  }

  async #fetch(what: string, headers: Record<string, string>): Promise<Response> {
    const authorization = this.#authorization;
    const abort = new AbortController();
    const timeout = this.#clock.after(REGISTRY_TIMEOUT_MS, () => abort.abort());
    try {
      return await fetch(`${this.#base}/${what}`, {
        headers: { ...headers, ...(authorization && { Authorization: authorization }) },
        signal: abort.signal,
      });
    } catch (cause) {
      const why = cause instanceof Error && cause.cause ? messageOf(cause.cause) : messageOf(cause);
      throw new RuntimeError("unavailable", `${this.#name}: cannot reach ${this.#base}: ${why}`, {
        cause,
      });
    } finally {
      timeout.cancel();
    }
  }

  async #checked(what: string, answer: Response): Promise<Response> {
    if (answer.ok) return answer;
    const text = (await readBounded(this.#body(answer), MANIFEST_BYTES)).toString("utf8");
    const message = `${this.#name}: ${answer.status} for ${what}: ${errorsOf(text)}`;
    const denied = answer.status === 401 || answer.status === 403;
    const code = denied ? "permission-denied" : answer.status === 404 ? "not-found" : "unavailable";
    throw new RuntimeError(code, message);
  }

  /** The answer's bytes, ended with an error when none come for a while. */
  #body(answer: Response): Readable {
    const body = answer.body ? Readable.fromWeb(answer.body as never) : Readable.from([]);
    // Its reader meets the error, also one that comes before it reads.
    body.on("error", () => body.destroy());
    const stalled = () => body.destroy(new RuntimeError("unavailable", `${this.#name}: stalled`));
    let timeout = this.#clock.after(REGISTRY_TIMEOUT_MS, stalled);
    body.on("data", () => {
      timeout.cancel();
      timeout = this.#clock.after(REGISTRY_TIMEOUT_MS, stalled);
    });
    body.once("close", () => timeout.cancel());
    return body.pause();
  }
}

async function readBounded(body: Readable, limit_bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += (chunk as Buffer).length;
    if (size > limit_bytes) {
      throw new RuntimeError("resource-exhausted", `an answer of more than ${limit_bytes} bytes`);
    }
    chunks.push(Buffer.from(chunk as Buffer));
  }
  return Buffer.concat(chunks);
}

/** The messages in a registry's answer (distribution spec, error codes), or its text. */
function errorsOf(text: string): string {
  try {
    const { errors = [] } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] };
    return errors.map(({ code, message }) => `${code}: ${message}`).join("; ") || text;
  } catch (error) {
    // Proxies answer with pages, not with JSON.
    return error instanceof SyntaxError ? text.slice(0, 200) : messageOf(error);
  }
}
