import { readFile } from "node:fs/promises";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Owner, Shares } from "@raft2kube/std/shares.ts";
import { REMOTE_CALLS_MAX, REMOTE_CONNECTIONS_MAX, sharesOf } from "../limits.ts";
import { Connections } from "./connections.ts";
import { WebhookError } from "./errors.ts";
import {
  type CallOptions,
  callError,
  exchange,
  type Outgoing,
  type WebhookAnswer,
} from "./exchange.ts";

/** How to reach a server that the configuration names. */
export interface RemoteAccess {
  /** An https URL. */
  readonly url: string;
  /** PEM; default the roots of the host. */
  readonly ca?: string;
  readonly client?: KeyPair;
  /** The bearer token that it is shown; that of a file is read for each call. */
  readonly token?: string;
  readonly tokenFile?: string;
}

/** Bounds one request to a server. */
export interface RemoteCall extends CallOptions {
  readonly bytes_max: number;
  /** The user that the call is for: each has a share of the calls under way. */
  readonly owner?: Owner;
}

const SHARED: Owner = { name: "", may: "all" };

/**
 * A server that the configuration names: an issuer of tokens, a webhook that authenticates or
 * authorizes. Connections, calls under way, answers and times are bounded; redirects are refused.
 */
export class RemoteServer {
  readonly #access: RemoteAccess;
  readonly #caBundle: { readonly caBundle?: string };
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #calls = new Shares(sharesOf(REMOTE_CALLS_MAX));

  constructor(access: RemoteAccess, clock: Clock) {
    const { ca, client } = access;
    this.#access = access;
    this.#caBundle = ca === undefined ? {} : { caBundle: Buffer.from(ca).toString("base64") };
    this.#clock = clock;
    const options = { client, connections_max: REMOTE_CONNECTIONS_MAX };
    this.#connections = new Connections({ resolve: noService }, options);
  }

  /**
   * Gets the page of an https URL. Throws WebhookError, for a redirect too; 429 where the owner's
   * calls under way are too many.
   */
  async get(url: string, call: RemoteCall): Promise<WebhookAnswer> {
    return await this.#send(url, { method: "GET", headers: { accept: "application/json" } }, call);
  }

  /** Posts JSON to the server's own URL; `query` shows it the time that it has. */
  async post(body: object, query: string, call: RemoteCall): Promise<WebhookAnswer> {
    const { url, tokenFile } = this.#access;
    const token = tokenFile ? (await readFile(tokenFile, "utf8")).trim() : this.#access.token;
    const headers = {
      accept: "application/json, */*",
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const bytes = Buffer.from(JSON.stringify(body));
    return await this.#send(`${url}${query}`, { method: "POST", headers, body: bytes }, call);
  }

  close(): void {
    this.#connections.close();
  }

  async #send(
    url: string,
    sent: Pick<Outgoing, "method" | "headers" | "body">,
    { owner = SHARED, bytes_max, ...options }: RemoteCall,
  ): Promise<WebhookAnswer> {
    // No failure of the server: a user could bring it about, and so evade a webhook that denies.
    if (!this.#calls.fits(owner)) throw tooMany();
    const target = { url, ...this.#caBundle };
    const { pathname, search, host } = new URL(url);
    const headers = { host, "user-agent": "kube-apiserver", ...sent.headers };
    const outgoing = { ...sent, headers, path: `${pathname}${search}`, bytes_max };
    const answer = await this.#calls.during(owner, () =>
      exchange(this.#clock, this.#connections, target, outgoing, options),
    );
    if (answer.status < 300 || answer.status >= 400) return answer;
    const where = JSON.stringify(answer.headers.location ?? "");
    throw callError(target, outgoing, `redirects to ${where}, which is not followed`);
  }
}

function noService(): never {
  throw new WebhookError("a server of the configuration has a URL, not a Service");
}
