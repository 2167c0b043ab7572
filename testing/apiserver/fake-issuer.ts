import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { SignJWT } from "jose";

/** An HTTPS server on loopback that answers as the test says; it plays issuers and webhooks. */
export interface FakeServer {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  /** Requests so far, by path. */
  readonly asked: Map<string, number>;
  /** Answers a request whose body was read. */
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void;
  close(): Promise<void>;
}

export async function startFakeServer(answer: FakeServer["answer"]): Promise<FakeServer> {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "fake-ca", days: 1, now_ms });
  const names = { dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"] };
  const subject = { commonName: "fake", days: 1, usages: ["server" as const], ...names };
  const asked = new Map<string, number>();
  const server = createServer(await issueCertificate(ca, subject, now_ms), (request, response) => {
    const [path = ""] = (request.url ?? "").split("?");
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => fake.answer(request, Buffer.concat(chunks).toString(), response));
    response.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const fake: FakeServer = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: ca.cert,
    asked,
    answer,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

interface FakeKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const newKey = (kid: string): FakeKey => ({
  kid,
  ...generateKeyPairSync("rsa", { modulusLength: 2048 }),
});

/** An issuer of tokens: its documents, its keys, and the tokens that it signs. */
export class FakeIssuer {
  readonly server: FakeServer;
  keys: FakeKey[] = [newKey("first")];
  /** The members of its documents, which it serves at `/documents` too, that are not true. */
  documents: object = {};

  static async start(): Promise<FakeIssuer> {
    const issuer: FakeIssuer = new FakeIssuer(
      await startFakeServer((request, _, response) => issuer.serve(request, response)),
    );
    return issuer;
  }

  private constructor(server: FakeServer) {
    this.server = server;
  }

  get url(): string {
    return this.server.url;
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    if (["/.well-known/openid-configuration", "/documents"].includes(request.url ?? "")) {
      const truth = { issuer: this.url, jwks_uri: `${this.url}/keys` };
      return sendJson(response, { ...truth, ...this.documents });
    }
    if (request.url !== "/keys") return void response.writeHead(404).end();
    sendJson(response, {
      keys: this.keys.map(({ kid, publicKey }) => ({
        ...publicKey.export({ format: "jwk" }),
        kid,
        use: "sig",
        alg: "RS256",
      })),
    });
  }

  /** An AuthenticationConfiguration with this issuer, and `more` of its fields. */
  configuration(more: object = {}): string {
    const { url, server } = this;
    const issuer = { url, audiences: ["cluster"], certificateAuthority: server.ca };
    const claimMappings = { username: { claim: "sub", prefix: "" } };
    return JSON.stringify({
      kind: "AuthenticationConfiguration",
      apiVersion: "apiserver.config.k8s.io/v1",
      jwt: [{ issuer, claimMappings, ...more }],
    });
  }

  /** A token that is valid for an hour, unless the claims say otherwise. */
  async token(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
  ): Promise<string> {
    const key = this.keys[0]!;
    const now_s = Math.floor(Date.now() / 1_000);
    const usual = { iss: this.url, aud: "cluster", sub: "jane", iat: now_s, exp: now_s + 3_600 };
    const jwt = new SignJWT({ ...usual, ...claims });
    jwt.setProtectedHeader({ alg: "RS256", kid: key.kid, ...header });
    return await jwt.sign(key.privateKey);
  }

  async close(): Promise<void> {
    await this.server.close();
  }
}
