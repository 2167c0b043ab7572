import { Counter } from "prom-client";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Answer } from "../request/answer.ts";
import { readBody } from "../request/body.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import { LARGE_BYTES_MIN, LARGE_REQUESTS_BYTES_MAX, LARGE_REQUESTS_MAX } from "../limits.ts";
import { keyOf } from "../storage/keys.ts";
import { notOlderThan } from "./not-older.ts";
import { LargeThread, type OffloadServer } from "./owner.ts";
import { isLargeBody, isLargeJson } from "./weight.ts";

/** Requests that name one object, or bring one. */
const VERBS: ReadonlySet<string> = new Set(["create", "get", "update", "patch", "delete"]);
/** Subresources that are no objects: streams, and what other servers answer. */
const ELSEWHERE: ReadonlySet<string> = new Set(["exec", "attach", "portforward", "log", "proxy"]);

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Offloads large requests: what would hold the loop that everybody shares (decoding, merging,
 * ownership, validation, encoding of thousands of values) is done by a thread that has all the
 * parts of this server and the same store. It is started by the first large request, and ends when
 * none has come for a while.
 */
export class LargeRequests {
  readonly #server: OffloadServer;
  readonly #thread: LargeThread;
  readonly #served: Counter;
  #requests = 0;
  #bytes = 0;

  constructor(server: OffloadServer) {
    this.#server = server;
    this.#thread = new LargeThread(server);
    this.#served = new Counter({
      name: "r2k_large_requests_total",
      help: "Requests that were answered by the thread of large requests.",
      registers: [server.metrics.registry],
    });
  }

  /**
   * The thread's answer; undefined for a request that is not large. Throws 429 when too many are
   * under way.
   */
  async serve(context: RequestContext): Promise<Answer | undefined> {
    const body = await this.#bodyIfLarge(context);
    if (body === undefined) return undefined;
    const full = this.#requests >= LARGE_REQUESTS_MAX ||
      (this.#requests > 0 && this.#bytes + body.length > LARGE_REQUESTS_BYTES_MAX);
    if (full) throw tooMany();
    this.#requests++;
    this.#bytes += body.length;
    this.#served.inc();
    try {
      return await this.#thread.ask(context, this.#queryOf(context), body);
    } finally {
      this.#requests--;
      this.#bytes -= body.length;
    }
  }

  async close(): Promise<void> {
    await this.#thread.close();
  }

  #queryOf({ info, query }: RequestContext): URLSearchParams {
    if (info.verb !== "get") return query;
    const resource = this.#server.resources.find(info.group, info.version, info.resource);
    return notOlderThan(query, resource?.startedCache?.revision ?? 0);
  }

  async #bodyIfLarge(context: RequestContext): Promise<Buffer | undefined> {
    const { info, request } = context;
    if (context.upgrade || !VERBS.has(info.verb) || ELSEWHERE.has(info.subresource)) {
      return undefined;
    }
    const resource = this.#server.resources.find(info.group, info.version, info.resource);
    if (resource === undefined || request.method === "HEAD") return undefined;
    const stored = this.#isStoredLarge(context);
    if (info.verb === "get") return stored ? NOTHING : undefined;
    if (!stored && isShort(context)) return undefined;
    const body = await read(context);
    if (body === undefined) return undefined;
    const type = headerOf(request, "content-type");
    return stored || isLargeBody(type, body) ? body : undefined;
  }

  /** Whether the object that a request names is known to be large. */
  #isStoredLarge({ info }: RequestContext): boolean {
    const { group, version, namespace, name } = info;
    if (name === "" || name.includes("/")) return false;
    const resource = this.#server.resources.find(group, version, info.resource);
    const cache = resource?.startedCache;
    if (resource === undefined || cache === undefined) return false;
    const { kind } = resource;
    if (kind.namespaced && namespace === "") return false;
    const entry = cache.get(keyOf(kind, kind.namespaced ? namespace : "", name));
    return entry !== undefined && isLargeJson(entry.body);
  }
}

/** Whether a request says of its body that it is short. */
function isShort({ request }: RequestContext): boolean {
  const length = headerOf(request, "content-length");
  if (length !== "") return Number(length) < LARGE_BYTES_MIN;
  // HTTP/1.1 without a length has a body only where it says how that is sent; HTTP/2 may have one.
  return request.httpVersionMajor < 2 && headerOf(request, "transfer-encoding") === "";
}

/** The body; undefined when it cannot be read, which the verb will find as well, and say why. */
async function read(context: RequestContext): Promise<Buffer | undefined> {
  const outcome = await Promise.allSettled([readBody(context)]);
  return outcome[0].status === "fulfilled" ? outcome[0].value : undefined;
}
