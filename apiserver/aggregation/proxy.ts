import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import { isOfControlPlane, ownerOf } from "../authn/owner.ts";
import type { RequestHeader } from "../authn/request-header.ts";
import { forward } from "../handlers/subresources/forward.ts";
import { dashed, headersFor } from "../handlers/subresources/pass-through.ts";
import { tunnel } from "../handlers/subresources/tunnel.ts";
import {
  AGGREGATED_DISCOVERY_MS,
  AGGREGATED_IN_FLIGHT_MAX,
  AGGREGATED_LASTING_MAX,
  AGGREGATED_LIST_BYTES_MAX,
  AGGREGATED_WATCH_BYTES_MAX,
  sharesOf,
} from "../limits.ts";
import { type Answer, textAnswer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import { WebhookError } from "../webhook/errors.ts";
import { type ApiServices, isAvailable, type RemoteApiService } from "./api-services.ts";
import { authorityOf, type Backends, reasonOf } from "./backends.ts";
import { AGGREGATOR_USER, type Headers, userHeaders } from "./user-headers.ts";

const log = logger("apiserver");

/** A request could not be passed on: upstream answers these as plain text. */
class PassError extends CodedError {
  readonly http: number;

  constructor(http: number, message: string) {
    super("PASS", message);
    this.http = http;
  }
}

const REDIRECTED = "the backend attempted to redirect this request, which is not permitted";

/** `/apis/GROUP/VERSION` itself, the list of a version's resources. */
const VERSION_PATH = /^\/+(?:api|apis\/([^/]+))\/([^/]+)\/*$/;

/** The document of a version. */
const OPENAPI_PATH = /^\/openapi\/v3(\/apis\/[^/]+\/[^/]+)$/;

/** Passes requests for the versions of remote APIServices on to their servers. */
export class AggregationProxy {
  readonly #services: ApiServices;
  readonly #backends: Backends;
  readonly #closing: AbortSignal;
  /** Requests in flight to each server, by APIService; those that last and the others. */
  readonly #inFlight = { brief: new Map<string, Shares>(), lasting: new Map<string, Shares>() };
  /** Starts of request headers that name a user, which only this server may set. */
  readonly #identity: readonly string[];

  constructor(
    services: ApiServices,
    backends: Backends,
    closing: AbortSignal,
    requestHeader: RequestHeader | undefined,
  ) {
    this.#services = services;
    this.#backends = backends;
    this.#closing = closing;
    const {
      usernameHeaders = [],
      uidHeaders = [],
      groupHeaders = [],
      extraHeaderPrefixes = [],
    } = requestHeader ?? {};
    this.#identity = [
      ...usernameHeaders,
      ...uidHeaders,
      ...groupHeaders,
      ...extraHeaderPrefixes,
    ].map((name) => dashed(name.toLowerCase()));
  }

  /** The APIService whose server answers a request; undefined for those answered here. */
  remoteOf({ info }: RequestContext): RemoteApiService | undefined {
    if (info.resourceRequest) return this.#services.remoteOf(info.group, info.version);
    const path = OPENAPI_PATH.exec(info.path)?.[1] ?? info.path;
    const [, group = "", version = ""] = VERSION_PATH.exec(path) ?? [];
    return version === "" ? undefined : this.#services.remoteOf(group, version);
  }

  /**
   * Counts a request; returns how to say that it is done. A server that hangs delays requests to
   * itself alone, and each user has a share of those, and of the ones that last. Throws 429.
   */
  admit(
    { metadata: { name } }: RemoteApiService,
    context: RequestContext,
    longRunning: boolean,
  ): () => void {
    const inFlight = longRunning ? this.#inFlight.lasting : this.#inFlight.brief;
    const all = longRunning ? AGGREGATED_LASTING_MAX : AGGREGATED_IN_FLIGHT_MAX;
    const shares = inFlight.get(name) ?? new Shares(sharesOf(all));
    inFlight.set(name, shares);
    const owner = ownerOf(context);
    if (!shares.fits(owner)) throw tooMany();
    const leave = shares.take(owner);
    return () => {
      leave();
      if (shares.taken === 0) inFlight.delete(name);
    };
  }

  /** Passes a request on, and the answer back; both are streamed. */
  async serve(remote: RemoteApiService, context: RequestContext): Promise<Answer> {
    try {
      await this.#pass(remote, context);
      return { type: "taken" };
    } catch (thrown) {
      if (!(thrown instanceof PassError)) throw thrown;
      return textAnswer(thrown.http, `${thrown.message}\n`);
    }
  }

  async #pass(remote: RemoteApiService, context: RequestContext): Promise<void> {
    if (!isAvailable(remote)) throw new PassError(503, "service unavailable");
    const { request } = context;
    const backend = {
      ...(await this.#placeOf(remote)),
      path: pathOf(context),
      headers: this.#headers(remote, context),
    };
    if (context.upgrade !== undefined) {
      return await tunnel({ closing: this.#closing }, context, backend);
    }
    const method = request.method ?? "GET";
    const errors = { unreachable, redirected: () => new PassError(502, REDIRECTED) };
    const bounded = context.info.resourceRequest ? context : withDeadline(context);
    const bytesMax = bytesFor(context);
    const passed = { ...backend, method, body: true, errors, bytesMax };
    await forward({ closing: this.#closing }, bounded, passed);
  }

  async #placeOf(remote: RemoteApiService) {
    try {
      return await this.#backends.placeOf(remote);
    } catch (thrown) {
      if (thrown instanceof WebhookError && thrown.http === 500) {
        throw new PassError(500, thrown.message);
      }
      log.warn("the Service of an APIService was not found", {
        name: remote.metadata.name,
        reason: reasonOf(thrown),
      });
      throw new PassError(503, "service unavailable");
    }
  }

  #headers(remote: RemoteApiService, { request, user, id, info }: RequestContext): Headers {
    const headers: Headers = { ...headersFor(request, info.path) };
    for (const name of Object.keys(headers)) {
      if (this.#identity.some((start) => dashed(name).startsWith(start))) delete headers[name];
    }
    const named = OPENAPI_PATH.test(info.path) ? AGGREGATOR_USER : user;
    return { ...headers, ...userHeaders(named), host: authorityOf(remote), "audit-id": id };
  }
}

/** A request's path, without the hash of a document: a server redirects from an older one. */
function pathOf({ request, info }: RequestContext): string {
  return OPENAPI_PATH.test(info.path) ? info.path : (request.url ?? "/");
}

/** Lists of resources are cheap: a client waits for all of them (upstream). */
function withDeadline(context: RequestContext): RequestContext {
  const late = AbortSignal.timeout(AGGREGATED_DISCOVERY_MS);
  return { ...context, signal: AbortSignal.any([context.signal, late]) };
}

/**
 * Bounds what a controller reads, which has answers in memory: the collector of garbage and quotas
 * follow every kind that a server says it has. Others read what they want.
 */
function bytesFor(context: RequestContext): number | undefined {
  if (!isOfControlPlane(context)) return undefined;
  return context.info.verb === "watch" ? AGGREGATED_WATCH_BYTES_MAX : AGGREGATED_LIST_BYTES_MAX;
}

function unreachable(thrown: Error): Error {
  return new PassError(503, `error trying to reach service: ${reasonOf(thrown)}`);
}
