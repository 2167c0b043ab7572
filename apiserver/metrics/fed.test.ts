import { once } from "node:events";
import { createServer } from "node:https";
import { type AddressInfo, connect as connectPlain, type Socket } from "node:net";
import { connect } from "node:tls";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, type AskOptions, ask as askServer } from "../../testing/apiserver/ask.ts";
import { startApiserverOnStore } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";

const NS = "/api/v1/namespaces/default";
/** Our own store: it proves how new a watch is, so lists come from the cache. */
let api: TestApiserver;
let admin: KeyPair;

beforeAll(async () => {
  api = await startApiserverOnStore();
  admin = await api.credentials("admin", ["system:masters"]);
  // Objects without a cache are counted once a minute: the count is there before the first read.
  const template = { spec: { containers: [{ name: "c", image: "i" }] } };
  const made = await post(`${NS}/podtemplates`, { metadata: { name: "t" }, template });
  expect(made.status, made.body).toBe(201);
});
afterAll(() => api.close());

const ask = (path: string, options: AskOptions = {}): Promise<Answer> =>
  askServer(api, path, { ...admin, ...options });
const post = (path: string, body: object, options: AskOptions = {}): Promise<Answer> =>
  ask(path, { method: "POST", body, ...options });

/** All samples that are not zero. */
async function samples(): Promise<Map<string, number>> {
  const { body } = await ask("/metrics");
  const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))] as const;
      })
      .filter(([, value]) => value !== 0),
  );
}

/** Growth of the samples with these names during `act`. */
async function growth(act: () => Promise<unknown>, ...names: string[]) {
  const before = await samples();
  await act();
  const grown: Record<string, number> = {};
  for (const [sample, value] of await samples()) {
    const by = value - (before.get(sample) ?? 0);
    const wanted = names.some((name) => sample === name || sample.startsWith(`${name}{`));
    if (by !== 0 && wanted) grown[sample] = by;
  }
  return grown;
}

/** Waits until the samples with this prefix have grown by `act`, which may happen later. */
async function growthOf(name: string, act: () => Promise<unknown>): Promise<number> {
  const sum = async () =>
    [...(await samples())]
      .filter(([sample]) => sample.startsWith(name))
      .reduce((all, [, value]) => all + value, 0);
  const before = await sum();
  await act();
  let grown = 0;
  await waitFor(`${name} to grow`, async () => (grown = (await sum()) - before) > 0);
  return grown;
}

/** A POST whose body never comes. */
function postNothing(query: string): Socket {
  const { host, port } = api.apiserver.address;
  const socket = connect({ host, port, ca: api.ca.cert, ...admin, ALPNProtocols: ["http/1.1"] });
  socket.on("error", () => undefined);
  socket.write(`POST ${NS}/configmaps${query} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n`);
  return socket;
}

describe("what ends badly is counted:", () => {
  it("requests that take too long, and what became of them", async () => {
    const before = await samples();
    const sockets: Socket[] = [];
    const act = () => Promise.resolve(void sockets.push(postNothing("?timeout=50ms")));
    expect(await growthOf("apiserver_request_terminations_total", act)).toBe(1);
    // The work ends with it: the rest of the body is not awaited.
    const ended = 'apiserver_request_post_timeout_total{source="timeout-handler",status="error"}';
    await waitFor("the work to end", async () => (await samples()).has(ended));
    expect(before.has(ended)).toBe(false);
    sockets[0]!.destroy();
  });

  it("requests whose client goes away", async () => {
    const act = async () => {
      const socket = postNothing("");
      const read = () => ask("/metrics").then(({ body }) => !/^r2k_bodies_bytes 0$/m.test(body));
      await waitFor("the request to begin", read);
      socket.destroy();
    };
    expect(await growthOf("apiserver_request_aborts_total", act)).toBe(1);
  });

  it("connections that are none", async () => {
    const act = async () => {
      const { host, port } = api.apiserver.address;
      const socket = connectPlain({ host, port });
      socket.on("error", () => undefined);
      await once(socket, "connect");
      socket.end("this is no TLS");
    };
    expect(await growthOf("apiserver_tls_handshake_errors_total", act)).toBe(1);
  });
});

it("a kubelet that is not believed is not asked for a log", async () => {
  const ca = await createCa({ commonName: "other", days: 1, now_ms: Date.now() });
  const usages = ["server"] as const;
  const pair = await issueCertificate(ca, { commonName: "n", usages, days: 1 }, Date.now());
  const kubelet = createServer(pair).listen(0, "127.0.0.1");
  await once(kubelet, "listening");
  const { port } = kubelet.address() as AddressInfo;
  const patch = (path: string, body: object) =>
    ask(path, {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify(body),
    });
  await post("/api/v1/nodes", { metadata: { name: "n" } });
  await patch("/api/v1/nodes/n/status", {
    status: {
      addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  });
  await post(`${NS}/serviceaccounts`, { metadata: { name: "default" } });
  const spec = { nodeName: "n", containers: [{ name: "c", image: "i" }] };
  expect((await post(`${NS}/pods`, { metadata: { name: "p" }, spec })).status).toBe(201);
  expect((await ask(`${NS}/pods/p/log`)).body).toContain("certificate");
  kubelet.close();
});

describe("what happens is counted:", () => {
  it("authentication and authorization", async () => {
    const act = async () => {
      await ask(`${NS}/pods`, { cert: "", key: "" });
      await ask(`${NS}/pods`, { cert: "", key: "", headers: { authorization: "Bearer x" } });
      await ask(`${NS}/pods`, { headers: { "impersonate-user": "somebody" } });
    };
    expect(
      await growth(
        act,
        "authentication_attempts",
        "authorization_attempts_total",
        "apiserver_impersonation_attempts_total",
      ),
    ).toEqual({
      // One of each is the look at the metrics themselves.
      'authentication_attempts{result="success"}': 3,
      'authentication_attempts{result="error"}': 1,
      'authorization_attempts_total{result="allowed"}': 1,
      'authorization_attempts_total{result="no-opinion"}': 2,
      'apiserver_impersonation_attempts_total{mode="user-info",decision="allowed"}': 1,
    });
  });

  it("tokens, verified once and known then", async () => {
    await post(`${NS}/serviceaccounts`, { metadata: { name: "robot" } });
    const asked = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
    const made = await post(`${NS}/serviceaccounts/robot/token`, asked);
    const { token } = (JSON.parse(made.body) as { status: { token: string } }).status;
    const by = { cert: "", key: "", headers: { authorization: `Bearer ${token}` } };
    const act = async () => {
      for (let i = 0; i < 3; i++) await ask("/version", by);
    };
    expect(
      await growth(
        act,
        "authentication_token_cache_request_total",
        "authentication_token_cache_fetch_total",
        "serviceaccount_valid_tokens_total",
      ),
    ).toEqual({
      'authentication_token_cache_request_total{status="miss"}': 1,
      'authentication_token_cache_request_total{status="hit"}': 2,
      'authentication_token_cache_fetch_total{status="ok"}': 1,
      serviceaccount_valid_tokens_total: 1,
    });
  });

  it("admission, by plugin and by what it refused", async () => {
    const act = async () => {
      await post("/api/v1/namespaces/none/configmaps", { metadata: { name: "a" } });
      await post(`${NS}/configmaps`, { metadata: { name: "admitted" } });
    };
    const grown = await growth(
      act,
      "apiserver_admission_controller_admission_duration_seconds_count",
      "apiserver_admission_step_admission_duration_seconds_count",
    );
    const plugin = (name: string, rejected: boolean) =>
      "apiserver_admission_controller_admission_duration_seconds_count" +
      `{name="${name}",type="admit",operation="CREATE",rejected="${rejected}"}`;
    const step = (type: string, rejected: boolean) =>
      "apiserver_admission_step_admission_duration_seconds_count" +
      `{type="${type}",operation="CREATE",rejected="${rejected}"}`;
    expect(grown).toMatchObject({
      [plugin("NamespaceLifecycle", true)]: 1,
      [plugin("NamespaceLifecycle", false)]: 1,
      [plugin("LimitRanger", false)]: 1,
      [step("admit", true)]: 1,
      [step("admit", false)]: 1,
      [step("validate", false)]: 1,
    });
  });

  it("the store's calls, and lists from the cache", async () => {
    const maps = `${NS}/configmaps`;
    await ask(maps);
    const act = async () => {
      for (const name of ["c1", "c2", "c3"]) await post(maps, { metadata: { name } });
      await post(maps, { metadata: { name: "c1" } });
      await ask(`${maps}/c1`, { method: "DELETE" });
      await ask(`${maps}?labelSelector=a%3Db`);
    };
    const grown = await growth(
      act,
      "etcd_requests_total",
      "apiserver_cache_list_total",
      "apiserver_cache_list_returned_objects_total",
      "apiserver_watch_cache_events_received_total",
      "apiserver_watch_cache_consistent_read_total",
    );
    const of = (name: string, more = "") => `${name}{group="",resource="configmaps"${more}}`;
    expect(grown).toMatchObject({
      [of("etcd_requests_total", ',operation="create"')]: 4,
      [of("etcd_requests_total", ',operation="delete"')]: 1,
      [of("apiserver_cache_list_total", ',index=""')]: 1,
      [of("apiserver_watch_cache_events_received_total")]: 4,
      [of("apiserver_watch_cache_consistent_read_total", ',success="true",fallback="false"')]: 1,
    });
  });

  it("objects, whether a cache holds them or not", async () => {
    const objects = (await samples()).get(
      'apiserver_resource_objects{group="",resource="podtemplates"}',
    );
    expect(objects).toBe(1);
    const all = await ask("/metrics");
    expect(all.body).toContain('apiserver_storage_objects{resource="daemonsets.apps"} 0\n');
    // A cache that were started by the question would hold them for good.
    expect(all.body).not.toContain('watch_cache_capacity{group="",resource="podtemplates"}');
  });

  it("what the Pod Security Standards say", async () => {
    const level = "pod-security.kubernetes.io/enforce";
    const metadata = { name: "strict", labels: { [level]: "restricted" } };
    await post("/api/v1/namespaces", { metadata });
    await post("/api/v1/namespaces/strict/serviceaccounts", { metadata: { name: "default" } });
    const spec = { containers: [{ name: "c", image: "i" }] };
    const act = () => post("/api/v1/namespaces/strict/pods", { metadata: { name: "p" }, spec });
    const refused =
      'pod_security_evaluations_total{decision="deny",mode="enforce",' +
      'policy_level="restricted",policy_version="latest",' +
      'request_operation="create",resource="pod",subresource=""}';
    expect(await growth(act, "pod_security_evaluations_total")).toEqual({ [refused]: 1 });
  });

  it("bodies", async () => {
    const act = () => post(`${NS}/configmaps`, { metadata: { name: "f" } });
    expect(await growth(act, "apiserver_request_body_size_bytes_count")).toEqual({
      'apiserver_request_body_size_bytes_count{group="",resource="configmaps",verb="create"}': 1,
    });
  });
});
