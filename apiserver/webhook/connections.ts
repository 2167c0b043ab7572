import { X509Certificate } from "node:crypto";
import { Agent, type AgentOptions } from "node:https";
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import type { KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { certificatesIn, costlyToParse } from "@raft2kube/std/costly-certificate.ts";
import { asError, CodedError } from "@raft2kube/std/errors.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { TimedTurns } from "@raft2kube/std/turns.ts";
import { streamTurns } from "@raft2kube/streaming/paced.ts";
import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import {
  BACKEND_READ_BYTES,
  WEBHOOK_AGENTS_MAX,
  WEBHOOK_CONNECTIONS_MAX,
  WEBHOOK_HANDSHAKES,
  WEBHOOK_IDLE_CONNECTIONS_MAX,
  WEBHOOK_IDLE_MS,
} from "../limits.ts";
import { WebhookError } from "./errors.ts";
import type { Address, ServiceResolver } from "./services.ts";
import { VerifyingAgent } from "./verifying-agent.ts";

/** The address of a webhook, as configurations of admission, conversion and aggregation have it. */
export interface WebhookTarget {
  readonly url?: string;
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly path?: string;
    readonly port?: number;
  };
  /** PEM, in base64. Default: the roots of the host. */
  readonly caBundle?: string;
  /** Whether the certificate is not verified (APIService). */
  readonly insecure?: boolean;
}

const HTTPS = 443;

/** The URL of a target: of a Service, a name that only its certificate and errors have. */
export function urlOf({ url, service }: WebhookTarget): URL {
  if (service !== undefined) {
    const { namespace, name, path = "", port = HTTPS } = service;
    return new URL(`https://${name}.${namespace}.svc:${port}${path}`);
  }
  if (url === undefined) {
    throw new WebhookError("webhook configuration must have either service or URL", { http: 500 });
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "https:") {
    throw new WebhookError(`${JSON.stringify(url)} is no https URL`, { http: 500 });
  }
  return parsed;
}

/** The authority of a URL as upstream writes it: with the port of a Service, even the usual one. */
export function authorityOf(target: WebhookTarget): string {
  const url = urlOf(target);
  if (target.service === undefined) return url.host;
  return `${url.hostname}:${target.service.port ?? HTTPS}`;
}

export interface ConnectionsOptions {
  /** The certificate by which the targets know this server. Default: none. */
  readonly client?: KeyPair | undefined;
  /** Connections of a target to one address. Default: WEBHOOK_CONNECTIONS_MAX. */
  readonly connections_max?: number;
  /** The turns of handshakes, by target. Default: those that all others have too. */
  readonly handshakes?: TimedTurns;
}

/**
 * A handshake takes a millisecond or more of a turn of the event loop: servers that end each
 * connection with its answer would have dozens in one.
 */
const HANDSHAKES = new TimedTurns(systemClock(), WEBHOOK_HANDSHAKES);

let hostRoots: SecureContext | undefined;

/** Trusts the roots, or the host's where there are none: those are hundreds, and read once. */
function trustOf(
  roots: readonly X509Certificate[] | undefined,
  client: KeyPair | undefined,
): SecureContext {
  const trust = (ca: string[]) =>
    createSecureContext(client === undefined ? { ca } : { ca, cert: client.cert, key: client.key });
  if (roots !== undefined) return trust(roots.map(String));
  if (client !== undefined) return trust(getCACertificates("system"));
  return (hostRoots ??= trust(getCACertificates("system")));
}

function rootsOf(caBundle: string): X509Certificate[] | undefined {
  if (caBundle === "") return undefined;
  const found = certificatesIn(Buffer.from(caBundle, "base64").toString("latin1"));
  return found.map((der) => {
    const costly = costlyToParse(der);
    if (costly !== undefined) throw new CodedError("CA_BUNDLE", `a certificate: ${costly}`);
    return new X509Certificate(der);
  });
}

/**
 * Connections to webhooks that are used again, by target and CA bundle: one whose bundle changes
 * gets new ones. The agents are bounded, and so are the connections of each to one address.
 */
export class Connections {
  readonly #services: ServiceResolver;
  #options: ConnectionsOptions;
  /** The agents; the longest unused goes first. */
  readonly #agents = new RecentMap<string, Agent>(WEBHOOK_AGENTS_MAX, retire);

  constructor(services: ServiceResolver, options: ConnectionsOptions = {}) {
    this.#services = services;
    this.#options = options;
  }

  /** Returns the agent for requests to a target. Throws WebhookError for an invalid bundle. */
  agentOf(target: WebhookTarget): Agent {
    const { caBundle = "", insecure = false } = target;
    const { namespace = "", name = "" } = target.service ?? {};
    const key = JSON.stringify([namespace, name, authorityOf(target), insecure, caBundle]);
    const agent = this.#agents.get(key) ?? newAgent(target, this.#options);
    this.#agents.set(key, agent);
    return agent;
  }

  /** Shows targets another certificate; requests under way end on their connections. */
  showAs(client: KeyPair): void {
    this.#options = { ...this.#options, client };
    for (const agent of this.#agents.values()) retire(agent);
    this.#agents.clear();
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  /** Finds where a target is now: each call of a Service goes to an endpoint that is ready then. */
  async addressOf(target: WebhookTarget): Promise<Address> {
    const { service } = target;
    if (service !== undefined) {
      const { namespace, name, port = HTTPS } = service;
      return await this.#services.resolve(namespace, name, port);
    }
    const { hostname, port } = urlOf(target);
    return { host: unbracketed(hostname), port: Number(port || HTTPS) };
  }
}

function newAgent(target: WebhookTarget, options: ConnectionsOptions): Agent {
  const { client, connections_max = WEBHOOK_CONNECTIONS_MAX, handshakes = HANDSHAKES } = options;
  let roots: X509Certificate[] | undefined;
  let secureContext: SecureContext;
  try {
    roots = rootsOf(target.caBundle ?? "");
    secureContext = trustOf(roots, client);
  } catch (thrown) {
    const why = `unable to load root certificates: ${asError(thrown).message}`;
    throw new WebhookError(why, { http: 500, cause: thrown });
  }
  const settings = {
    secureContext,
    servername: serverName(unbracketed(urlOf(target).hostname)),
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    keepAlive: true,
    maxSockets: connections_max,
    maxFreeSockets: WEBHOOK_IDLE_CONNECTIONS_MAX,
    timeout: WEBHOOK_IDLE_MS,
    highWaterMark: BACKEND_READ_BYTES,
    // A resumed session would not verify the server's certificate again.
    maxCachedSessions: 0,
  } as AgentOptions;
  const agent =
    target.insecure === true ? new Agent(settings) : new VerifyingAgent(roots ?? [], settings);
  const connect = agent.createConnection.bind(agent);
  const owner = authorityOf(target);
  agent.createConnection = (to, made) => {
    const connected = async () => {
      const socket = connect(to) as TLSSocket;
      const ended = new Promise<void>((resolve) => {
        socket.once("secureConnect", resolve).once("close", resolve);
      });
      // A server may answer in records of TLS with one byte each.
      made?.(null, new PacedSocket(socket, streamTurns, owner));
      await ended;
    };
    handshakes
      .run(owner, connected)
      .catch((thrown: unknown) => made?.(asError(thrown), undefined as never));
    return undefined;
  };
  return agent;
}

/** The text of an IPv6 address in a URL has brackets, and that of a connection none. */
const unbracketed = (host: string): string => host.replaceAll(/^\[|\]$/g, "");

/** Addresses are no server names (RFC 6066): the certificate is compared with the address. */
const serverName = (host: string): string => (/^[\d.]+$|:/.test(host) ? "" : host);

/** An agent without new connections; those in use end with their answer. */
function retire(agent: Agent): void {
  agent.maxFreeSockets = 0;
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
}
