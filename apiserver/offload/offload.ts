import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import { Counter } from "prom-client";
import { ownerOf } from "../authn/owner.ts";
import type { ApiServer } from "../handlers/server.ts";
import { LARGE_REQUESTS_MAX, sharesOf } from "../limits.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Answer } from "../request/answer.ts";
import { readBody } from "../request/body.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import { isLarge } from "../request/weight.ts";
import type { Resources } from "../resource/resources.ts";
import { prefixOf } from "../storage/keys.ts";
import { LargeThread, threadInit } from "./large-thread.ts";

/** Verbs of requests that write one object. */
const VERBS: ReadonlySet<string> = new Set(["create", "update", "patch", "delete"]);
/** Subresources that are not objects: streams, and responses of other servers. */
const ELSEWHERE: ReadonlySet<string> = new Set(["exec", "attach", "portforward", "proxy"]);

/** Whether a request's connection itself is needed, which a thread does not have. */
const isConnection = ({ info, upgrade }: RequestContext): boolean =>
  ELSEWHERE.has(info.subresource) || upgrade !== undefined;

const mayBeLarge = (context: RequestContext): boolean =>
  VERBS.has(context.info.verb) && !isConnection(context);

/** Returns the user of a request and its resource. */
const sourceOf = (context: RequestContext): string =>
  `${ownerOf(context).name} ${context.info.group}/${context.info.resource}`;

/**
 * Offloads large writes, whose decoding, merging, validation and encoding would block the event
 * loop, to a thread with all parts of this server and the same store. Those of the control plane
 * and administrators have a thread of their own: a request of others may take LARGE_REQUEST_MS,
 * for which the endpoints of every Service of 90 pods would wait.
 */
export class LargeRequests {
  readonly #server: ApiServer & { readonly options: ApiserverOptions };
  readonly #served: Counter;
  /** Threads by whether they are for those that may use all of a resource. */
  readonly #threads = new Map<boolean, LargeThread>();
  /** Writes under way in a thread, by user and resource, that were too much work for the loop. */
  readonly #laborious = new Shares(sharesOf(LARGE_REQUESTS_MAX));

  /** Fails if no thread could reach the server's store. */
  constructor(server: ApiServer & { readonly options: ApiserverOptions }) {
    threadInit(server.options);
    this.#server = server;
    this.#served = new Counter({
      name: "r2k_large_requests_total",
      help: "Requests that were answered by the thread of large requests.",
      registers: [server.metrics.registry],
    });
  }

  /**
   * Returns the thread's answer; undefined for a request that is not large. Those beside one that
   * is repeated count as large: each could take the loop as long, only to be refused. Throws 429.
   */
  async serve(context: RequestContext): Promise<Answer | undefined> {
    const body = await bodyIfLarge(context, this.#server.resources);
    if (body !== undefined) return await this.#serve(context, body);
    const isBeside = mayBeLarge(context) && this.#laborious.of(sourceOf(context)) > 0;
    return isBeside ? await this.#serveLaborious(context) : undefined;
  }

  /**
   * Returns the thread's answer to a write whose expressions take more steps than the event loop
   * has for them; `why` says so. Throws 429, and `why` when the request is a connection.
   */
  async repeat(context: RequestContext, why: StepsExceededError): Promise<Answer> {
    if (isConnection(context)) throw internal(why.message);
    context.warnings.length = 0;
    return await this.#serveLaborious(context);
  }

  async #serveLaborious(context: RequestContext): Promise<Answer> {
    const giveBack = this.#laborious.take({ name: sourceOf(context) });
    try {
      return await this.#serve(context, await readBody(context));
    } finally {
      giveBack();
    }
  }

  async #serve(context: RequestContext, body: Buffer): Promise<Answer> {
    // The object that the thread stores is not known before: about as long as the longer of these,
    // or what a patch may add to it.
    const before = storedOf(context, this.#server.resources)?.length ?? 0;
    const patch = context.info.verb === "patch" ? body.length : 0;
    const length = Math.max(body.length, before + patch);
    if (!context.query.has("dryRun")) context.countWrite?.(length, before);
    const answer = this.#started(ownerOf(context).may === "all").serve(context, body);
    this.#served.inc();
    return await answer;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads.values()].map((thread) => thread.close()));
  }

  /** Returns a thread; a new one if there is none, or encryption or authorizers changed. */
  #started(mayAll: boolean): LargeThread {
    const init = threadInit(this.#server.options);
    const running = this.#threads.get(mayAll);
    if (running?.servesWith(init.encryption, init.authorizers)) return running;
    running?.retire();
    const thread = new LargeThread(init, this.#server.clock);
    this.#threads.set(mayAll, thread);
    return thread;
  }
}

/** Returns the body of a request that is large, or whose stored object is; undefined of others. */
async function bodyIfLarge(context: RequestContext, resources: Resources) {
  if (!mayBeLarge(context)) return undefined;
  // A body that cannot be read is an error of the verb, which reads it again.
  const [read] = await Promise.allSettled([readBody(context)]);
  if (read.status === "rejected") return undefined;
  const stored = storedOf(context, resources);
  if (stored && isLarge(stored)) return read.value;
  return isLarge(read.value, headerOf(context.request, "content-type")) ? read.value : undefined;
}

/** The object that a request names, as JSON, if the cache has it. */
function storedOf({ info }: RequestContext, resources: Resources): Buffer | undefined {
  const found = resources.find(info.group, info.version, info.resource);
  if (found === undefined) return undefined;
  const { kind, startedCache } = found;
  const namespace = kind.namespaced ? info.namespace : "";
  return startedCache?.get(prefixOf(kind, namespace) + info.name)?.body;
}
