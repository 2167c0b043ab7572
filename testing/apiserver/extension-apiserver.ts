import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";

type Answers = (request: IncomingMessage, response: ServerResponse) => void;

/** An aggregated API server with a certificate for `NAME.NAMESPACE.svc`, for tests. */
export class ExtensionApiserver {
  /** The requests so far, `GET /apis/wardle.example.com/v1alpha1`. */
  readonly asked: string[] = [];
  answers: Answers;
  readonly #ca: KeyPair;
  readonly #server: Server;
  readonly #upgraded = new Set<Duplex>();

  private constructor(ca: KeyPair, server: Server, answers: Answers) {
    this.#ca = ca;
    this.#server = server;
    this.answers = answers;
    server.on("request", (request, response) => {
      this.asked.push(`${request.method} ${request.url}`);
      this.answers(request, response);
    });
    server.on("upgrade", (request, socket) => {
      this.#upgraded.add(socket);
      socket.on("error", () => socket.destroy());
      const { upgrade, "x-remote-user": user } = request.headers;
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
          `Upgrade: ${upgrade}\r\nX-Seen: ${user}\r\n\r\n`,
      );
      socket.pipe(socket);
    });
  }

  /** Starts a server that takes certificates of `frontProxyCa`, and shows who the client is. */
  static async start(dnsName: string, frontProxyCa: string, answers: Answers) {
    const ca = await createCa({ commonName: "extension-ca", days: 1, now_ms: Date.now() });
    const request = { commonName: "x", dnsNames: [dnsName], usages: ["server"] as const, days: 1 };
    const pair = await issueCertificate(ca, request, Date.now());
    const given = { ca: frontProxyCa, requestCert: true, rejectUnauthorized: false };
    const server = createServer({ ...pair, ...given });
    const started = new ExtensionApiserver(ca, server, answers);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The CA, as an APIService has it. */
  get caBundle(): string {
    return Buffer.from(this.#ca.cert).toString("base64");
  }

  async close(): Promise<void> {
    for (const socket of this.#upgraded) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
