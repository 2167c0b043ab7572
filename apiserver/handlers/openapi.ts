import { JSON_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { notAcceptable } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { CustomDocuments } from "@raft2kube/openapi/custom-documents.ts";
import type { Document } from "@raft2kube/openapi/documents.ts";
import { type Clock, MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { type Answer, type BytesAnswer, jsonAnswer } from "../request/answer.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import { accepts, parseAccept } from "../request/media-type.ts";
import type { RemoteApis, RemoteVersion } from "./discovery/remote.ts";
import { acceptsGzip } from "./response/send.ts";
import type { ApiServer } from "./server.ts";

/**
 * Gnostic's protobuf, which kubectl up to 1.26 asks for. The first spelling is no media type by
 * the RFC's letter, and clients fail on it in an answer, which always bears the second.
 */
const V2_PROTOBUF = [
  "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
  "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
] as const;

type Module = typeof import("@raft2kube/openapi/documents.ts");

/**
 * `/openapi/v2` and `/openapi/v3`: api's documents of the kinds that clients are shown, which are
 * made and kept compressed when first asked for.
 */
export class OpenApi {
  readonly #resources: ApiServer["resources"];
  readonly #remotes: RemoteApis;
  readonly #clock: Clock;
  #loaded: Promise<Module> | undefined;
  #documents: CustomDocuments | undefined;

  constructor({ resources, clock }: Pick<ApiServer, "resources" | "clock">, remotes: RemoteApis) {
    this.#clock = clock;
    this.#resources = resources;
    this.#remotes = remotes;
  }

  /** Serves the documents; undefined for other paths. */
  async serve(context: RequestContext): Promise<Answer | undefined> {
    const { path } = context.info;
    if (path !== "/openapi/v2" && path !== "/openapi/v3" && !path.startsWith("/openapi/v3/")) {
      return undefined;
    }
    this.#loaded ??= import("@raft2kube/openapi/documents.ts");
    const { documentsOf, plainOf } = await this.#loaded;
    const { CustomDocuments } = await import("@raft2kube/openapi/custom-documents.ts");
    const documents = (this.#documents ??= new CustomDocuments(
      documentsOf(this.#resources.builtIn),
    ));
    const { versions } = this.#remotes;
    documents.show(
      this.#resources.custom,
      versions.flatMap((each) => each.openapiV2 ?? []),
    );
    const answer = (document: Document, type: string): BytesAnswer =>
      answerOf(context, document, type, () => plainOf(document));
    if (path === "/openapi/v3") return await index(documents, versions);
    if (path === "/openapi/v2") return await version2(documents, context, answer);
    const document = await documents.v3(path.slice("/openapi/v3/".length));
    if (document === undefined) return NO_DOCUMENT;
    const hash = context.query.get("hash") ?? "";
    if (hash === "") return answer(document, JSON_TYPE);
    if (hash !== document.hash) return movedTo(`${path}?hash=${document.hash}`);
    const headers = { "cache-control": "public, immutable", expires: this.#inYear() };
    const found = answer(document, JSON_TYPE);
    return { ...found, headers: { ...found.headers, ...headers } };
  }

  #inYear(): string {
    return new Date(this.#clock.now() + 365 * MS_PER_DAY).toUTCString();
  }
}

/** The answer without a body, as upstream's. */
const NO_DOCUMENT: BytesAnswer = { type: "bytes", code: 404, contentType: undefined, body: "" };

/** A document that changed since a client saw its hash is found under the present one. */
const movedTo = (location: string): BytesAnswer => ({
  type: "bytes",
  code: 301,
  contentType: undefined,
  body: "",
  headers: { location, vary: "Accept" },
});

async function version2(
  documents: CustomDocuments,
  context: RequestContext,
  answer: (document: Document, type: string) => Answer,
): Promise<Answer> {
  for (const { type } of parseAccept(headerOf(context.request, "accept"))) {
    if (V2_PROTOBUF.some((each) => each === type)) {
      return answer(await documents.v2Protobuf(), V2_PROTOBUF[1]);
    }
    if (accepts(type, JSON_TYPE)) return answer(await documents.v2(), JSON_TYPE);
  }
  throw notAcceptable([JSON_TYPE, ...V2_PROTOBUF]);
}

/** Where each group's document is; the hash lets clients cache a document without end. */
async function index(
  documents: CustomDocuments,
  remotes: readonly RemoteVersion[],
): Promise<Answer> {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const path of documents.v3Paths()) {
    const document = await documents.v3(path);
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${document?.hash ?? ""}` };
  }
  for (const { group, version, openapiV3: url } of remotes) {
    const path = `apis/${group}/${version}`;
    if (url === undefined) delete paths[path];
    else paths[path] = { serverRelativeURL: `/openapi/v3/${url}` };
  }
  return jsonAnswer({ paths });
}

function answerOf(
  context: RequestContext,
  document: Document,
  contentType: string,
  plain: () => Buffer,
): BytesAnswer {
  const etag = `"${document.hash}"`;
  const headers = { etag, vary: "Accept-Encoding, Accept" };
  if (headerOf(context.request, "if-none-match") === etag) {
    return { type: "bytes", code: 304, contentType, body: "", headers };
  }
  const answer: Omit<BytesAnswer, "body"> = { type: "bytes", code: 200, contentType, headers };
  if (acceptsGzip(context)) return { ...answer, body: document.gzip, encoding: "gzip" };
  return { ...answer, body: plain() };
}
