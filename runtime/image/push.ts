import { createGzip } from "node:zlib";
import { RuntimeError } from "../errors.ts";
import { IMAGE_CONFIG_BYTES, LAYER_BYTES, MANIFEST_BYTES, UPLOAD_CHUNK_BYTES } from "../limits.ts";
import { digestOf } from "./blobs.ts";
import { ask, type GetOptions, type HttpAnswer } from "./http.ts";
import { type Descriptor, type ImageManifest, MediaType } from "./manifest.ts";
import { readBounded } from "./read-bounded.ts";
import { parseReference, type Reference } from "./reference.ts";
import { endpointOf, errorsOf, type RegistryOptions } from "./registry.ts";
import { answerChallenge, parseChallenge } from "./registry-auth.ts";
import type { ImageStore } from "./store.ts";

type Request = Pick<GetOptions, "method" | "content"> & { headers?: Record<string, string> };

/** One repository of a registry, over the distribution spec's push calls. */
class PushRepository {
  readonly #registry: string;
  readonly #name: string;
  readonly #path: string;
  readonly #options: RegistryOptions;
  #authorization: string | undefined;

  constructor({ domain, path }: Reference, options: RegistryOptions) {
    this.#registry = endpointOf(domain, options.endpoints);
    this.#name = `${domain}/${path}`;
    this.#path = path;
    this.#options = options;
  }

  async hasBlob(digest: string): Promise<boolean> {
    const answer = await this.#ask(`blobs/${digest}`, { method: "HEAD" });
    answer.cancel();
    if (answer.status === 404) return false;
    if (answer.status === 200) return true;
    throw this.#refused(answer.status, `blob ${digest}`, "");
  }

  /** Takes a blob from another repository of the registry; else starts its upload there. */
  async mountOrBegin(digest: string, from: string | undefined): Promise<string | undefined> {
    const query = from === undefined ? "" : `?mount=${digest}&from=${encodeURIComponent(from)}`;
    const content = new Uint8Array();
    const answer = await this.#ask(`blobs/uploads/${query}`, { method: "POST", content });
    if (answer.status === 201) {
      answer.cancel();
      return undefined;
    }
    return this.#location(await this.#wanted(answer, 202, "an upload"));
  }

  /** Sends the next piece of an upload. Returns where the one after it goes. */
  async sendPiece(where: string, piece: Buffer, from: number): Promise<string> {
    const answer = await this.#ask(where, {
      method: "PATCH",
      content: piece,
      headers: {
        "Content-Type": "application/octet-stream",
        "Content-Range": `${from}-${from + piece.length - 1}`,
      },
    });
    return this.#location(await this.#wanted(answer, 202, "a piece"));
  }

  async finish(where: string, digest: string): Promise<void> {
    const url = new URL(where);
    url.searchParams.set("digest", digest);
    const answer = await this.#ask(url.href, { method: "PUT", content: new Uint8Array() });
    (await this.#wanted(answer, 201, `blob ${digest}`)).cancel();
  }

  async putManifest(tag: string, bytes: Buffer, mediaType: string): Promise<void> {
    const headers = { "Content-Type": mediaType };
    const answer = await this.#ask(`manifests/${tag}`, { method: "PUT", content: bytes, headers });
    (await this.#wanted(answer, 201, `manifest ${tag}`)).cancel();
  }

  /** Sends a request, with a token where the registry asks for one. */
  async #ask(what: string, request: Request): Promise<HttpAnswer> {
    const first = await this.#send(what, request);
    // Credentials are for the registry itself, not for where it puts an upload.
    if (first.status !== 401 || !this.#isOwn(this.#url(what))) return first;
    const challenge = parseChallenge(first.headers["www-authenticate"]);
    first.cancel();
    const { auth, clock } = this.#options;
    this.#authorization =
      challenge &&
      (await answerChallenge(challenge, auth, {
        scope: `repository:${this.#path}:pull,push`,
        registry: this.#registry,
        clock,
      }));
    return this.#send(what, request);
  }

  #url(what: string): URL {
    return new URL(what, `${this.#registry}/v2/${this.#path}/`);
  }

  #isOwn({ origin }: URL): boolean {
    return origin === new URL(this.#registry).origin;
  }

  #send(what: string, { headers, ...request }: Request): Promise<HttpAnswer> {
    const url = this.#url(what);
    const Authorization = this.#isOwn(url) ? this.#authorization : undefined;
    const { clock } = this.#options;
    return ask(url.href, {
      ...request,
      headers: { ...headers, ...(Authorization && { Authorization }) },
      clock,
      name: this.#name,
    });
  }

  /** Returns the next URL of an upload, which never leads from TLS to plain text. */
  #location({ headers, cancel }: HttpAnswer): string {
    cancel();
    const next = new URL(headers.location ?? "", `${this.#registry}/`);
    if (this.#registry.startsWith("https:") && next.protocol !== "https:") {
      throw new RuntimeError("unavailable", `${this.#name}: an upload over TLS goes on without`);
    }
    return next.href;
  }

  async #wanted(answer: HttpAnswer, status: number, what: string): Promise<HttpAnswer> {
    if (answer.status === status) return answer;
    const body = await readBounded(answer.body, MANIFEST_BYTES, this.#name);
    throw this.#refused(answer.status, what, `: ${errorsOf(body.toString("utf8"))}`);
  }

  #refused(status: number, what: string, why: string): RuntimeError {
    const code = status === 401 || status === 403 ? "permission-denied" : "unavailable";
    return new RuntimeError(code, `${this.#name}: ${status} for ${what}${why}`, {
      ...(code === "permission-denied" && { remedy: "r2k container login REGISTRY" }),
    });
  }
}

/** A layer as it travels: what lies here as a plain tar is compressed. */
async function travelling(store: ImageStore, layer: Descriptor): Promise<Descriptor> {
  if (layer.mediaType !== MediaType.ociLayer) return layer;
  const gzip = createGzip();
  gzip.on("error", () => gzip.destroy());
  const source = store.blobs.open(layer.digest).pipe(gzip) as AsyncIterable<Buffer>;
  const compressed = await store.blobs.receive(source, { limit_bytes: LAYER_BYTES });
  return { mediaType: `${MediaType.ociLayer}+gzip`, ...compressed };
}

/**
 * Sends a blob in pieces of UPLOAD_CHUNK_BYTES or a little more, each where the answer to the one
 * before says, and names it at the end by its digest. Not sent is what the repository has, or can
 * take from another one of its registry, `from`.
 */
async function sendBlob(
  store: ImageStore,
  repository: PushRepository,
  digest: string,
  from: string | undefined,
): Promise<"here" | "sent"> {
  // lab:01b begin send-blob
  if (await repository.hasBlob(digest)) return "here";
  let where = await repository.mountOrBegin(digest, from);
  if (where === undefined) return "here";
  let sent = 0;
  let piece: Buffer[] = [];
  let size = 0;
  const flush = async () => {
    if (size === 0) return;
    where = await repository.sendPiece(where!, Buffer.concat(piece), sent);
    sent += size;
    [piece, size] = [[], 0];
  };
  for await (const chunk of store.blobs.open(digest) as AsyncIterable<Buffer>) {
    piece.push(chunk);
    size += chunk.length;
    if (size >= UPLOAD_CHUNK_BYTES) await flush();
  }
  await flush();
  await repository.finish(where, digest);
  return "sent";
  // lab:01b end
}

/** Another repository of the same registry that the image came from. */
function sourceOf(store: ImageStore, id: string, to: Reference): string | undefined {
  const names = store.get(id).repoDigests.map(parseReference);
  return names.find(({ domain, path }) => domain === to.domain && path !== to.path)?.path;
}

/**
 * Sends an image to its registry by the distribution spec: what is there is not sent again; what
 * another repository has is taken from there. Returns the digest of the manifest.
 */
export function pushImage(
  store: ImageStore,
  name: string,
  options: RegistryOptions & { progress: (line: string) => void },
): Promise<string> {
  const reference = parseReference(name);
  const repository = new PushRepository(reference, options);
  return store.receive(async () => {
    const image = store.get(name);
    const from = sourceOf(store, image.id, reference);
    const layers: Descriptor[] = [];
    for (const layer of image.manifest.layers) {
      const sent = await travelling(store, layer);
      layers.push(sent);
      const how = await sendBlob(store, repository, sent.digest, from);
      const words = how === "here" ? "Layer already exists" : "Pushed";
      options.progress(`${sent.digest.slice(7, 19)}: ${words}`);
    }
    const { config } = image.manifest;
    await store.blobs.read(config.digest, IMAGE_CONFIG_BYTES);
    await sendBlob(store, repository, config.digest, from);
    const isChanged = layers.some(({ digest }, at) => digest !== image.manifest.layers[at]!.digest);
    const changed: ImageManifest = { ...image.manifest, layers };
    const bytes = isChanged
      ? Buffer.from(JSON.stringify(changed))
      : await store.blobs.read(image.manifestDigest, MANIFEST_BYTES);
    const digest = digestOf(bytes);
    const mediaType = image.manifest.mediaType ?? MediaType.ociManifest;
    await repository.putManifest(reference.tag ?? digest, bytes, mediaType);
    return digest;
  });
}
