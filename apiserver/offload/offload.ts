import { Counter } from "prom-client";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Answer } from "../request/answer.ts";
import { readBody } from "../request/body.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import type { RequestInfo } from "../request/request-info.ts";
import { LARGE_REQUESTS_BYTES_MAX, LARGE_REQUESTS_MAX } from "../limits.ts";
import type { Resource } from "../resource/resource.ts";
import { keyOf } from "../storage/keys.ts";
import { LargeThread, type OffloadServer } from "./owner.ts";
import { isLargeBody, isLargeJson } from "./weight.ts";

/** Verbs of requests that name one object, or contain one. */
const VERBS: ReadonlySet<string> = new Set(["create", "get", "update", "patch", "delete"]);
/** Subresources that are not objects: streams, and responses of other servers. */
const ELSEWHERE: ReadonlySet<string> = new Set(["exec", "attach", "portforward", "log", "proxy"]);

/**
 * Offloads large requests, whose decoding, merging, validation and encoding would block the event
 * loop, to a thread with all parts of this server and the same store.
 */
export class LargeRequests {
  readonly #server: OffloadServer;
  readonly #served: Counter;
  #thread: LargeThread | undefined;
  #requests = 0;
  #bytes = 0;

  constructor(server: OffloadServer) {
    this.#server = server;
    this.#served = new Counter({
      name: "r2k_large_requests_total",
      help: "Requests that were answered by the thread of large requests.",
      registers: [server.metrics.registry],
    });
  }

  /** Returns the thread's answer; undefined for a request that is not large. Throws 429. */
  async serve(context: RequestContext): Promise<Answer | undefined> {
    const { info, query } = context;
    const resource = this.#server.resources.find(info.group, info.version, info.resource);
    const body = resource && (await bodyIfLarge(context, resource));
    if (body === undefined) return undefined;
    const full = this.#requests >= LARGE_REQUESTS_MAX ||
      (this.#requests > 0 && this.#bytes + body.length > LARGE_REQUESTS_BYTES_MAX);
    if (full) throw tooMany();
    this.#requests++;
    this.#bytes += body.length;
    this.#served.inc();
    const shown = resource?.startedCache?.revision ?? 0;
    const asked = info.verb === "get" ? notOlderThan(query, shown) : query;
    try {
      return await this.#started().ask(context, asked, body);
    } finally {
      this.#requests--;
      this.#bytes -= body.length;
    }
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }

  /** Returns the thread; a new one if there is none, or the encryption has changed. */
  #started(): LargeThread {
    const thread = this.#thread;
    const encryption = this.#server.options.encryption?.config;
    if (thread && !thread.hasEnded && thread.encryption === encryption) return thread;
    thread?.retire();
    this.#thread = new LargeThread(this.#server);
    return this.#thread;
  }
}

/** Returns a large request's body, which is empty for a get; undefined for other requests. */
async function bodyIfLarge(context: RequestContext, resource: Resource) {
  const { info, request, upgrade } = context;
  const isOther = !VERBS.has(info.verb) || ELSEWHERE.has(info.subresource);
  if (isOther || upgrade || request.method === "HEAD") return undefined;
  const stored = isStoredLarge(resource, info);
  if (info.verb === "get") return stored ? Buffer.alloc(0) : undefined;
  // A body that cannot be read is an error of the verb, which reads it again.
  const [read] = await Promise.allSettled([readBody(context)]);
  if (read.status === "rejected") return undefined;
  const isLarge = stored || isLargeBody(headerOf(request, "content-type"), read.value);
  return isLarge ? read.value : undefined;
}

/** Whether the object of a request is in the cache, and large. */
function isStoredLarge({ kind, startedCache }: Resource, { namespace, name }: RequestInfo) {
  const isNamed = name !== "" && !name.includes("/") && (namespace !== "" || !kind.namespaced);
  if (!isNamed) return false;
  const entry = startedCache?.get(keyOf(kind, kind.namespaced ? namespace : "", name));
  return entry !== undefined && isLargeJson(entry.body);
}

/**
 * Raises the resourceVersion of a get to `shown`, the revision of this server's cache: the thread's
 * cache may be behind, and a client must not go back in time. Other queries are unchanged.
 */
export function notOlderThan(query: URLSearchParams, shown: number): URLSearchParams {
  const asked = query.get("resourceVersion") ?? "";
  if (!/^\d+$/.test(asked) || Number(asked) >= shown) return query;
  const raised = new URLSearchParams(query);
  raised.set("resourceVersion", String(shown));
  return raised;
}
