import { randomUUID, sign, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createCa } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { REGISTRY_USER } from "./docker-registry.ts";

const clock = systemClock();
const ISSUER = "test";
const SERVICE = "registry";
const TOKEN_S = 300;

/** A token server of a registry (distribution's token specification), on the loopback. */
export interface TokenServer {
  /** The registry's configuration `auth`, in lines of YAML. */
  auth: readonly string[];
  /** The scopes of each token that was given. */
  given: string[][];
  close(): void;
}

/** Scopes that anyone may have, by user only the rest. */
const isPublic = (scope: string) => /^repository:public\/[^:]+:pull$/.test(scope);

function accessOf(scope: string) {
  const [type, name, actions = ""] = scope.split(":");
  return { type, name, actions: actions.split(",") };
}

/** Gives tokens for what REGISTRY_USER asks for, and to others for what is public. */
export async function startTokenServer(directory: string): Promise<TokenServer> {
  const now_ms = clock.now();
  const { cert, key } = await createCa({ commonName: ISSUER, days: 1, now_ms });
  const bundle = join(directory, "token.pem");
  writeFileSync(bundle, cert);
  const x5c = [new X509Certificate(cert).raw.toString("base64")];
  const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const tokenOf = (scopes: readonly string[]) => {
    const iat = Math.floor(clock.now() / 1000);
    const claims = {
      iss: ISSUER,
      sub: "",
      aud: SERVICE,
      iat,
      nbf: iat - 60,
      exp: iat + TOKEN_S,
      jti: randomUUID(),
      access: scopes.map(accessOf),
    };
    const text = `${base64({ typ: "JWT", alg: "ES256", x5c })}.${base64(claims)}`;
    const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
    return `${text}.${signature.toString("base64url")}`;
  };
  const { username, password } = REGISTRY_USER;
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  const given: string[][] = [];
  const server = createServer(({ url = "", headers: { authorization } }, response) => {
    const { searchParams } = new URL(url, "http://token");
    if (authorization !== undefined && authorization !== basic) {
      response.writeHead(401).end();
      return;
    }
    const asked = searchParams.getAll("scope");
    const scopes = authorization === undefined ? asked.filter(isPublic) : asked;
    given.push(scopes);
    response.end(JSON.stringify({ token: tokenOf(scopes) }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  const auth = [
    "auth:",
    "  token:",
    `    realm: ${realm}`,
    `    service: ${SERVICE}`,
    `    issuer: ${ISSUER}`,
    `    rootcertbundle: ${bundle}`,
  ];
  return { auth, given, close: () => void server.close() };
}
