import { Agent, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { FollowedFile } from "@raft2kube/reconcile/followed-file.ts";
import { FILE_RELOAD_MS } from "@raft2kube/reconcile/limits.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, it, onTestFinished } from "vitest";
import { ask } from "../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../testing/apiserver/own-apiserver.ts";
import { listening } from "../../testing/listening.ts";
import { waitFor } from "../../testing/wait.ts";
import type { ServerTrust } from "../options.ts";
import { WebhookClient } from "../webhook/client.ts";
import { Connections } from "../webhook/connections.ts";

const clock = systemClock();
const now_ms = Date.now();
const newCa = (commonName: string) => createCa({ commonName, days: 1, now_ms });
const client = (ca: KeyPair) =>
  issueCertificate(
    ca,
    { commonName: "root", organizations: ["system:masters"], days: 1, usages: ["client"] },
    now_ms,
  );
const serving = (ca: KeyPair, commonName: string) =>
  issueCertificate(
    ca,
    { commonName, days: 1, usages: ["server"], ipAddresses: ["127.0.0.1"] },
    now_ms,
  );

/** The common name of the certificate that a server shows. */
async function shownBy(port: number): Promise<string> {
  const socket: TLSSocket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  const { CN } = socket.getPeerCertificate().subject as unknown as { CN: string };
  socket.destroy();
  return CN;
}

/** A server that notes the names of the certificates that its clients show. */
async function startNoting(ca: KeyPair) {
  const shown: string[] = [];
  const server = createServer(
    { ...(await serving(ca, "kubelet")), requestCert: true, rejectUnauthorized: false },
    ({ socket }, response) => {
      const { subject } = (socket as TLSSocket).getPeerCertificate();
      shown.push((subject as unknown as { CN: string }).CN);
      response.end("{}");
    },
  );
  await listening(server);
  const known = async (commonName: string) => ({
    ...(await issueCertificate(ca, { commonName, days: 1, usages: ["client"] }, now_ms)),
    ca: ca.cert,
  });
  onTestFinished(() => void server.close());
  return { shown, known, port: (server.address() as AddressInfo).port };
}

it("aggregated servers are shown a renewed certificate on new connections", async () => {
  const ca = await newCa("k");
  const { shown, known, port } = await startNoting(ca);
  const resolve = () => Promise.reject(new Error("no service"));
  const connections = new Connections({ resolve }, { client: await known("old") });
  const target = {
    url: `https://127.0.0.1:${port}/`,
    caBundle: Buffer.from(ca.cert).toString("base64"),
  };
  const post = () =>
    new WebhookClient(connections, clock).post(target, Buffer.from("{}"), { timeout_ms: 5_000 });
  await post();
  connections.showAs(await known("new"));
  await post();
  connections.close();
  expect(shown).toEqual(["old", "new"]);
});

it("kubelets are shown a renewed certificate without a restart", async () => {
  const [issuer, kubelets] = [await newCa("s"), await newCa("k")];
  const { shown, known, port } = await startNoting(kubelets);
  const tls = await serving(issuer, "one");
  let trust: ServerTrust = { tls, clientCa: issuer.cert, kubeletClient: await known("old") };
  const time = new ManualClock();
  const followed = await FollowedFile.follow({
    clock: time,
    what: "it",
    log: { info: () => undefined, error: () => undefined },
    read: () => Promise.resolve(JSON.stringify(trust)),
    parse: (each) => JSON.parse(each) as ServerTrust,
  });
  const { kubeletClient } = trust;
  const api = await startApiserverOnEtcd({ ...trust, kubeletClient, trust: followed } as never);
  api.ca = issuer;
  const who = await client(issuer);
  const status = {
    addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  const node = { metadata: { name: "n" }, status };
  try {
    expect((await ask(api, "/api/v1/nodes", { ...who, method: "POST", body: node })).status).toBe(
      201,
    );
    await ask(api, "/api/v1/nodes/n/proxy/metrics", who);
    trust = { ...trust, kubeletClient: await known("new") };
    await waitFor("the new certificate", async () => {
      time.advance(FILE_RELOAD_MS);
      await ask(api, "/api/v1/nodes/n/proxy/metrics", who);
      return shown.includes("new");
    });
    expect(shown[0]).toBe("old");
  } finally {
    await api.close();
    await followed.close();
  }
});

it("a renewed certificate and other client CAs hold without a restart", async () => {
  const [first, second, issuer] = [await newCa("first"), await newCa("second"), await newCa("s")];
  let text = "";
  const say = async (name: string, ...cas: KeyPair[]) => {
    const trust: ServerTrust = {
      tls: await serving(issuer, name),
      clientCa: cas.map(({ cert }) => cert).join(""),
    };
    text = JSON.stringify(trust);
  };
  await say("one", first);
  const time = new ManualClock();
  const trust = await FollowedFile.follow({
    clock: time,
    what: "it",
    log: { info: () => undefined, error: () => undefined },
    read: () => Promise.resolve(text),
    parse: (each) => JSON.parse(each) as ServerTrust,
  });
  const api = await startApiserverOnEtcd({ ...trust.current, trust });
  api.ca = issuer;
  const port = Number(new URL(api.server).port);
  const [old, next] = [await client(first), await client(second)];
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...old, ca: issuer.cert });
  // On connections of their own: one that is kept shows what it was opened with.
  const status = async (who: KeyPair, more: object = {}) =>
    (await ask(api, "/api/v1/nodes", { ...who, agent: false, ...more })).status;
  try {
    expect(await shownBy(port)).toBe("one");
    expect([await status(old), await status(next), await status(old, { agent })]).toEqual([
      200, 401, 200,
    ]);
    await say("two", first, second);
    await waitFor("the new certificate", async () => {
      time.advance(FILE_RELOAD_MS);
      return (await shownBy(port)) === "two";
    });
    expect([await status(old), await status(next), await status(old, { agent })]).toEqual([
      200, 200, 200,
    ]);
    const path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    const { data } = JSON.parse((await ask(api, path, next)).body) as { data: object };
    expect(data).toEqual({ "client-ca-file": first.cert + second.cert });
    await say("three", second);
    await waitFor("the old CA to go", async () => {
      time.advance(FILE_RELOAD_MS);
      return (await shownBy(port)) === "three";
    });
    await waitFor("refusal", async () => (await status(old, { agent })) === 401);
    expect([await status(old), await status(next)]).toEqual([401, 200]);
  } finally {
    agent.destroy();
    await api.close();
    await trust.close();
  }
});
