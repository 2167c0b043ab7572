import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Answer, type AskOptions, ask } from "../../testing/apiserver/ask.ts";
import { startTestApiserver, type TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { suiteFolder } from "../../testing/folders.ts";
import { freePort } from "../../testing/free-port.ts";
import { waitFor } from "../../testing/wait.ts";

const TIMEOUT_MS = 60_000;
const HOOKS =
  "start-apiextensions-informers start-apiextensions-controllers crd-informer-synced " +
  "start-system-namespaces-controller start-cluster-authentication-info-controller " +
  "start-kube-apiserver-identity-lease-controller " +
  "start-kube-apiserver-identity-lease-garbage-collector start-legacy-token-tracking-controller " +
  "start-service-ip-repair-controllers rbac/bootstrap-roles " +
  "scheduling/bootstrap-system-priority-classes priority-and-fairness-config-producer " +
  "bootstrap-controller start-kubernetes-service-cidr-controller kube-apiserver-autoregistration";

const dataDir = suiteFolder("r2k-health-");
let store: Store;

beforeAll(async () => {
  store = await startStore({ dataDir, listenClient: { path: join(dataDir, "s.sock") } });
});
afterAll(() => store.close());

/** A way to the store on which nothing is written before `until`. */
function holding(client: EtcdClient, until: Promise<void>): EtcdClient {
  return new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "txn") return value.bind(target) as unknown;
      return async (...words: unknown[]) => {
        await until;
        return value.apply(target, words) as unknown;
      };
    },
  });
}

it("a server that has not made all there must be answers, and is not ready", async () => {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "health", days: 1, now_ms });
  const issue = (commonName: string, more: object) =>
    issueCertificate(ca, { commonName, usages: ["server", "client"], days: 1, ...more }, now_ms);
  const tls = await issue("kube-apiserver", { ipAddresses: ["127.0.0.1"] });
  const admin = await issue("admin", { organizations: ["system:masters"] });
  const port = await freePort();
  const gate = Promise.withResolvers<void>();
  const starting = startTestApiserver(holding(store.client, gate.promise), {
    listen: [{ host: "127.0.0.1", port }],
    clientCa: ca.cert,
    tls,
  });
  const api = { server: `https://127.0.0.1:${port}`, ca } as unknown as TestApiserver;
  const get = (path: string, options: AskOptions = {}): Promise<Answer> =>
    ask(api, path, { ...admin, ...options });
  const listens = () =>
    get("/livez/ping").then(
      () => true,
      () => false,
    );
  await waitFor("the server to listen", listens, { timeout_ms: TIMEOUT_MS });

  const first = (await get("/metrics/slis")).body;
  for (const type of ["healthz", "livez", "readyz"]) {
    expect(first, "before any page was asked").toContain(
      `kubernetes_healthcheck{name="etcd",type="${type}"} 1\n`,
    );
  }
  const page = await get("/readyz");
  expect(page.status).toBe(500);
  const failing = HOOKS.split(" ").flatMap((hook) => {
    const line = `[-]poststarthook/${hook} failed: reason withheld`;
    const completed = "[-]autoregister-completion failed: reason withheld";
    return hook === "kube-apiserver-autoregistration" ? [line, completed] : [line];
  });
  expect(page.body.split("\n")).toEqual([
    "[+]ping ok",
    "[+]log ok",
    "[+]etcd ok",
    "[+]etcd-readiness ok",
    ...failing,
    "[+]shutdown ok",
    "readyz check failed",
    "",
  ]);
  const hook = await get("/readyz/poststarthook/rbac/bootstrap-roles");
  expect([hook.status, hook.body]).toEqual([500, "internal server error: not finished\n"]);
  expect((await get("/readyz/etcd")).status).toBe(200);

  gate.resolve();
  const running = await starting;
  expect((await get("/readyz")).body).toBe("ok");
  const { body } = await get("/metrics/slis");
  const name = 'name="poststarthook/rbac/bootstrap-roles"';
  expect(body).toContain(`kubernetes_healthcheck{${name},type="readyz"} 1\n`);
  expect(body).toContain(`kubernetes_healthchecks_total{${name},status="error",type="readyz"} 2\n`);
  expect(body).toContain(
    `kubernetes_healthchecks_total{${name},status="success",type="readyz"} 2\n`,
  );
  await running.close();
});
