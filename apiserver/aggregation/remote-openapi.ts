import { type DocumentPart, partOfDocument } from "@raft2kube/openapi/merge.ts";
import { AGGREGATED_OPENAPI_BYTES_MAX, AGGREGATED_OPENAPI_MS } from "../limits.ts";
import type { RemoteApiService } from "./api-services.ts";
import type { Backends } from "./backends.ts";
import { parsed } from "./remote-discovery.ts";

/** The parts of a server's OpenAPI documents that are about a version. */
export interface ReadOpenApi {
  readonly v3: string | undefined;
  readonly v2: DocumentPart | undefined;
  /** The ETag of the document of version 2. */
  readonly etag: string | undefined;
}

const BOUNDS = { timeout_ms: AGGREGATED_OPENAPI_MS, bytes_max: AGGREGATED_OPENAPI_BYTES_MAX };
const JSON_ONLY = { accept: "application/json" };

/** Reads where the document of a remote version is, and its part of the one of version 2. */
export async function readOpenApi(
  backends: Backends,
  remote: RemoteApiService,
  known: ReadOpenApi | undefined,
): Promise<ReadOpenApi> {
  const { group = "", version = "" } = remote.spec;
  const path = `apis/${group}/${version}`;
  const index = await backends.get(remote, "/openapi/v3", { ...BOUNDS, headers: JSON_ONLY });
  const v3 = index.status === 200 ? urlIn(parsed(index), path) : undefined;
  const condition: Record<string, string> =
    known?.etag === undefined ? {} : { "if-none-match": known.etag };
  const answer = await backends.get(remote, "/openapi/v2", {
    ...BOUNDS,
    headers: { ...JSON_ONLY, ...condition },
  });
  if (answer.status === 304 && known !== undefined) return { ...known, v3 };
  if (answer.status !== 200) return { v3, v2: undefined, etag: undefined };
  return { v3, v2: partOfDocument(parsed(answer), `/${path}/`), etag: answer.headers.etag };
}

/** The end of a document's URL: its path and the hash by which clients know it again. */
function urlIn(index: unknown, path: string): string | undefined {
  const { paths } = (index ?? {}) as { paths?: Record<string, { serverRelativeURL?: unknown }> };
  const url = Object.hasOwn(paths ?? {}, path) ? paths?.[path]?.serverRelativeURL : undefined;
  if (typeof url !== "string") return undefined;
  const hash = /[?&]hash=([0-9a-zA-Z]+)/.exec(url)?.[1];
  return hash === undefined ? path : `${path}?hash=${hash}`;
}
