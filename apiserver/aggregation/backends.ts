import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type Agent, request } from "node:https";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { requirePlainAnswer } from "@raft2kube/streaming/interim.ts";
import { authorityOf as authority, type Connections } from "../webhook/connections.ts";
import { connectionError, WebhookError } from "../webhook/errors.ts";
import { readAnswer } from "../webhook/read-answer.ts";
import type { RemoteApiService } from "./api-services.ts";
import { AGGREGATOR_USER, userHeaders } from "./user-headers.ts";

/** An aggregated API server did not answer as it should; the text is that of upstream's client. */
export class BackendError extends CodedError {}

export interface Fetched {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Fetch {
  readonly headers?: Readonly<Record<string, string>>;
  readonly user?: RequestUser;
  readonly timeout_ms: number;
  /** The longest answer; the connection ends with a longer one. */
  readonly bytes_max: number;
  /** Gives up the request. */
  readonly signal?: AbortSignal;
}

/** Where requests to a server are sent. */
type Place = { readonly agent: Agent; readonly host: string; readonly port: number };

/** Connections to aggregated API servers, and the server's own requests to them. */
export class Backends {
  readonly #passing: Connections;
  readonly #own: Connections;
  readonly #closing: AbortSignal;

  /** The server's own requests have connections apart from those of requests passed on. */
  constructor(passing: Connections, own: Connections, closing: AbortSignal) {
    this.#passing = passing;
    this.#own = own;
    this.#closing = closing;
  }

  /**
   * Finds where a server is now, and the agent for requests to it. Throws WebhookError for an
   * invalid CA bundle and for a type of Service without endpoints, 404 or 503 for another Service.
   */
  async placeOf({ spec }: RemoteApiService, connections = this.#passing): Promise<Place> {
    const { service, caBundle = "", insecureSkipTLSVerify: insecure = false } = spec;
    const target = { service, caBundle, insecure };
    const agent = connections.agentOf(target);
    return { agent, ...(await connections.addressOf(target)) };
  }

  /** Sends a GET as the aggregator; redirects are not followed. Throws BackendError. */
  async get(remote: RemoteApiService, path: string, fetch: Fetch): Promise<Fetched> {
    const { timeout_ms, signal, user = AGGREGATOR_USER } = fetch;
    const late = AbortSignal.timeout(timeout_ms);
    const ends = [late, this.#closing, ...(signal === undefined ? [] : [signal])];
    const url = `https://${authorityOf(remote)}${path}`;
    try {
      return await send(await this.placeOf(remote, this.#own), {
        path,
        signal: AbortSignal.any(ends),
        bytes_max: fetch.bytes_max,
        headers: { ...fetch.headers, ...userHeaders(user), host: authorityOf(remote) },
      });
    } catch (thrown) {
      const why = late.aborted ? "context deadline exceeded" : reasonOf(thrown);
      throw new BackendError("BACKEND", `Get ${JSON.stringify(url)}: ${why}`, { cause: thrown });
    }
  }
}

/** The name by which a server is called in requests, its certificate and errors. */
export function authorityOf({ spec: { service } }: RemoteApiService): string {
  return authority({ service });
}

/** Why a server was not reached, in the words of Go's client. */
export const reasonOf = (thrown: unknown): string =>
  thrown instanceof ApiError || thrown instanceof WebhookError || thrown instanceof BackendError
    ? thrown.message
    : connectionError(thrown);

interface Sent {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly headers: Record<string, string | string[]>;
  readonly bytes_max: number;
}

function send(place: Place, { path, signal, headers, bytes_max }: Sent): Promise<Fetched> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...place, path, signal, headers });
    requirePlainAnswer(sent);
    sent.on("response", (answer: IncomingMessage) => {
      const { statusCode: status = 502, headers: answered } = answer;
      readAnswer(answer, bytes_max)
        .then(({ bytes: body, tooLong }) => {
          if (tooLong !== undefined) throw new BackendError("TOO_LONG", tooLong);
          resolve({ status, headers: answered, body });
        })
        .catch(reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}
