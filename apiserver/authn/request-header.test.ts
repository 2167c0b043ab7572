import "reflect-metadata";
import { webcrypto, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import * as x509 from "@peculiar/x509";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Incoming } from "../request/context.ts";
import { clientCertificateUser } from "./client-certificate.ts";
import { RequestHeaders } from "./request-header.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const now_ms = Date.now();
const proxy = { commonName: "front-proxy-client", usages: ["client" as const], days: 1 };

let cluster: KeyPair;
let front: KeyPair;
let server: Server;
let headers: RequestHeaders;

beforeAll(async () => {
  cluster = await createCa({ commonName: "kubernetes", days: 1, now_ms });
  front = await createCa({ commonName: "front-proxy-ca", days: 1, now_ms });
  const own = { commonName: "x", usages: ["server" as const], days: 1 };
  const pair = await issueCertificate(cluster, own, now_ms);
  const ca = [cluster.cert, front.cert];
  server = createServer({ ...pair, ca, requestCert: true, rejectUnauthorized: false });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  headers = new RequestHeaders(
    {
      clientCa: front.cert,
      allowedNames: [],
      usernameHeaders: ["X-Remote-User"],
      uidHeaders: [],
      groupHeaders: [],
      extraHeaderPrefixes: [],
    },
    cluster.cert,
  );
});
afterAll(() => void server.close());

async function connected({ cert, key }: KeyPair): Promise<TLSSocket> {
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: "127.0.0.1", port, cert, key, rejectUnauthorized: false });
  const [socket] = (await once(server, "secureConnection")) as [TLSSocket];
  client.destroy();
  return socket;
}

/** The user that a request for jane has on a connection, and whether it is a client's. */
function judged(socket: TLSSocket) {
  const request = { socket, headers: {}, rawHeaders: ["X-Remote-User", "jane"] };
  const certified = clientCertificateUser(request as unknown as Incoming);
  if (certified === undefined || certified === "unverified") return certified;
  const named = headers.userOf(request as unknown as Incoming, certified)?.name;
  return { named, isClient: headers.isClient(certified) };
}

/** A certificate of its own key with the name of one CA, and another's name as its issuer. */
async function forged(subject: KeyPair, issuer: KeyPair): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const made = await x509.X509CertificateGenerator.create({
    subject: new x509.X509Certificate(subject.cert).subjectName,
    issuer: new x509.X509Certificate(issuer.cert).subjectName,
    notBefore: new Date(now_ms - 60_000),
    notAfter: new Date(now_ms + 60_000),
    publicKey: keys.publicKey as never,
    signingKey: keys.privateKey as never,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true)],
  });
  return `${made.toString("pem")}\n`;
}

it("a proxy's certificate names others, and a client's itself", async () => {
  expect(judged(await connected(await issueCertificate(front, proxy, now_ms)))).toEqual({
    named: "jane",
    isClient: false,
  });
  expect(judged(await connected(await issueCertificate(cluster, proxy, now_ms)))).toEqual({
    named: undefined,
    isClient: true,
  });
});

it("certificates that a client makes up and sends along change nothing", async () => {
  for (const [own, other] of [
    [cluster, front],
    [front, cluster],
  ] as const) {
    const { cert, key } = await issueCertificate(own, proxy, now_ms);
    const all = [cert, await forged(own, other), other.cert];
    expect(judged(await connected({ cert: all.join(""), key }))).not.toMatchObject(
      own === cluster ? { named: "jane" } : { isClient: true },
    );
    // As a Node that links what was sent, by names, shows it.
    expect(judged(linked(all))).toEqual({ named: undefined, isClient: false });
  }
});

/** A verified connection whose certificates are linked to one another without a check. */
function linked(all: readonly string[]): TLSSocket {
  const root = new X509Certificate(all.at(-1)!).toLegacyObject();
  Object.assign(root, { issuerCertificate: root });
  const leaf = all
    .slice(0, -1)
    .reduceRight<object>(
      (issuerCertificate, each) =>
        Object.assign(new X509Certificate(each).toLegacyObject(), { issuerCertificate }),
      root,
    );
  return { authorized: true, getPeerCertificate: () => leaf } as never;
}
