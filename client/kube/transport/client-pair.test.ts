import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createSecureServer, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { listening } from "../../../testing/listening.ts";
import { CERTIFICATE_REREAD_MS, DRAINING_MS_MAX, PING_INTERVAL_MS } from "../limits.ts";
import { KubeClient } from "../rest/client.ts";
import { http1Transport } from "./http1.ts";
import { kubeConnection } from "./kubeconfig.ts";

/** A server that answers with the name in its client's certificate, and files of such a client. */
async function setUp() {
  const dir = await mkdtemp(join(tmpdir(), "r2k-pair-"));
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "ca", days: 1, now_ms });
  const issue = (commonName: string, usage: "server" | "client") => {
    const about = { commonName, usages: [usage], ipAddresses: ["127.0.0.1"], days: 1 };
    return issueCertificate(ca, about, now_ms);
  };
  const { cert, key } = await issue("server", "server");
  const server = createSecureServer({
    ...{ cert, key, ca: ca.cert, requestCert: true, allowHTTP1: true },
  });
  const sessions: ServerHttp2Session[] = [];
  server.on("session", (session) => sessions.push(session));
  const watches: Http2ServerResponse[] = [];
  server.on("request", (request, response) => {
    const name = String((request.socket as TLSSocket).getPeerCertificate().subject.CN);
    if (request.url !== "/watch") return response.end(name);
    response.write(name);
    watches.push(response);
  });
  const port = await listening(server);
  const files = { certFile: join(dir, "client.crt"), keyFile: join(dir, "client.key") };
  const path = join(dir, "config");
  const access = { server: `https://127.0.0.1:${port}`, ca: ca.cert, ...files };
  await writeFile(path, kubeconfig("c", access));
  onTestFinished(async () => {
    server.close();
    await rm(dir, { recursive: true });
  });
  return {
    files,
    path,
    sessions,
    watches,
    clock: new ManualClock(),
    async write(name: string) {
      const pair = await issue(name, "client");
      await writeFile(files.certFile, pair.cert);
      await writeFile(files.keyFile, pair.key);
    },
  };
}

const ask = (client: KubeClient) => client.requestText({ method: "GET", path: "/" });

test("a connection shows the certificate that a kubeconfig's files have when it is made", async () => {
  const { write, path, clock, sessions, files } = await setUp();
  await write("first");
  using client = new KubeClient({ ...(await kubeConnection(path)), clock });
  expect(await ask(client)).toBe("first");
  await write("second");
  clock.advance(CERTIFICATE_REREAD_MS);
  expect(await ask(client)).toBe("first");
  const end = async () => {
    const session = sessions.pop()!;
    session.close();
    await once(session, "close");
  };
  await end();
  expect(await ask(client)).toBe("second");
  // One half alone is replaced, or gone, for a moment.
  const key = await readFile(files.keyFile);
  await write("third");
  await writeFile(files.keyFile, key);
  clock.advance(CERTIFICATE_REREAD_MS);
  await end();
  expect(await ask(client)).toBe("second");
  await rm(files.certFile);
  clock.advance(CERTIFICATE_REREAD_MS);
  await end();
  expect(await ask(client)).toBe("second");
});

test("a connection of a replaced certificate is left, and closes once its answers have ended", async () => {
  const { write, path, clock, sessions, watches } = await setUp();
  await write("first");
  using client = new KubeClient({ ...(await kubeConnection(path)), clock });
  const watch = await client.open({ method: "GET", path: "/watch" });
  await write("second");
  clock.advance(PING_INTERVAL_MS);
  expect(await ask(client)).toBe("second");
  expect(sessions).toHaveLength(2);
  const closed = once(sessions[0]!, "close");
  watches[0]!.end(" goes on");
  expect(await text(watch.body)).toBe("first goes on");
  await closed;
});

test("an answer that does not end is cut some time after the certificate was replaced", async () => {
  const { write, path, clock, sessions } = await setUp();
  await write("first");
  using client = new KubeClient({ ...(await kubeConnection(path)), clock });
  const watch = await client.open({ method: "GET", path: "/watch" });
  const cut = expect(text(watch.body)).rejects.toMatchObject({ code: "ETIMEDOUT" });
  await write("second");
  const first = sessions[0]!.on("error", () => undefined);
  const closed = new Promise((resolve) => first.once("close", () => resolve(undefined)));
  // A server that answers pings keeps no connection by that.
  for (let ms = 0; ms <= DRAINING_MS_MAX + PING_INTERVAL_MS; ms += PING_INTERVAL_MS) {
    clock.advance(PING_INTERVAL_MS);
    await ask(client);
  }
  await Promise.all([cut, closed]);
});

test("a request over HTTP/1.1 goes on a connection of the certificate that the files have", async () => {
  const { write, path, clock } = await setUp();
  await write("first");
  const connection = await kubeConnection(path);
  const transport = http1Transport(connection, clock);
  onTestFinished(() => transport.close());
  using client = new KubeClient({ ...connection, clock, transport });
  expect(await ask(client)).toBe("first");
  await write("second");
  clock.advance(CERTIFICATE_REREAD_MS);
  expect(await ask(client)).toBe("second");
});
