import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { SecureContextOptions } from "node:tls";
import { createCa, createKey, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";

/** A request that a webhook was sent. */
export interface Called {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The server name of its connection (SNI); empty for a connection to an address. */
  readonly servername: string;
}

type Answers = (called: Called, response: ServerResponse) => void;

/** A webhook's HTTPS server with a CA of its own, for tests. */
export class WebhookServer {
  /** The requests so far. */
  readonly calls: Called[] = [];
  connections = 0;
  answers: Answers;
  readonly #ca: KeyPair;
  readonly #server: Server;

  private constructor(ca: KeyPair, server: Server, answers: Answers) {
    this.#ca = ca;
    this.#server = server;
    this.answers = answers;
    server.on("secureConnection", () => this.connections++);
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { url = "", headers, socket } = request;
        const { servername } = socket as { servername?: string | false };
        const body = Buffer.concat(chunks).toString("utf8");
        const called = { path: url, headers, body, servername: servername || "" };
        this.calls.push(called);
        this.answers(called, response);
      });
    });
  }

  /**
   * Starts a server on `host` with a certificate for that address and `dnsNames`; one that is
   * `forged` names the CA, and is signed by another key.
   */
  static async start(
    answers: Answers,
    {
      host = "127.0.0.1",
      dnsNames = [] as readonly string[],
      caName = "webhook-ca",
      forged = false,
    } = {},
  ): Promise<WebhookServer> {
    const ca = await createCa({ commonName: caName, days: 1, now_ms: Date.now() });
    const signer = forged ? { ...ca, key: await createKey() } : ca;
    const server = createServer(await issue(signer, host, dnsNames));
    const started = new WebhookServer(ca, server, answers);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://${(this.#server.address() as AddressInfo).address}:${this.port}`;
  }

  /** The CA, as configurations have it. */
  get caBundle(): string {
    return Buffer.from(this.#ca.cert).toString("base64");
  }

  /** Serves with a certificate of another CA from now on; returns that one's bundle. */
  async renew(host: string, dnsNames: readonly string[] = []): Promise<string> {
    const ca = await createCa({ commonName: "next-ca", days: 1, now_ms: Date.now() });
    this.#server.setSecureContext(await issue(ca, host, dnsNames));
    this.#server.closeIdleConnections();
    return Buffer.from(ca.cert).toString("base64");
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function issue(
  ca: KeyPair,
  host: string,
  dnsNames: readonly string[],
): Promise<SecureContextOptions> {
  const own = { commonName: "webhook", ipAddresses: [host], dnsNames, usages: ["server"] as const };
  return await issueCertificate(ca, { ...own, days: 1 }, Date.now());
}
