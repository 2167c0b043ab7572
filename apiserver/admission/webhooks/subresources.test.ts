import { beforeAll, expect, it } from "vitest";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { jsonPatch, messageOf, rule, WebhookKit } from "../../testing/webhooks.ts";

const server = fileApiserver();
const kit = new WebhookKit(server);
const CORE = "/api/v1/namespaces/default";
const APPS = "/apis/apps/v1/namespaces/default";

const containers = [{ name: "a", image: "a" }];
const post = (path: string, body: object) => server.ask(path, { method: "POST", body });

beforeAll(async () => {
  await post(`${CORE}/serviceaccounts`, { metadata: { name: "default" } });
  for (const name of ["web", "bound"]) {
    const answer = await post(`${CORE}/pods`, { metadata: { name }, spec: { containers } });
    expect(answer.status, answer.body).toBe(201);
  }
  const labels = { app: "web" };
  await post(`${APPS}/deployments`, {
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  });
});

/** A webhook that is asked about nothing but some resources. */
async function hook(
  type: "mutating" | "validating",
  name: string,
  resources: string[],
  group = "",
): Promise<void> {
  await kit.configure(type, name, {
    objectSelector: {},
    rules: [rule({ resources, apiGroups: [group] })],
  });
}

it("scale is shown as a Scale, and changed as one", async () => {
  await hook("mutating", "scaled", ["deployments/scale"], "apps");
  const path = `${APPS}/deployments/web/scale`;
  const body = {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: { name: "web", namespace: "default" },
    spec: { replicas: 2 },
  };
  const put = (query = "") => server.ask(`${path}${query}`, { method: "PUT", body });
  await kit.active("scaled", () => put("?dryRun=All"));
  kit.answers.set("scaled", () => jsonPatch({ op: "replace", path: "/spec/replicas", value: 5 }));
  const answer = await put();
  expect(kit.asked).toMatchObject({
    kind: { group: "autoscaling", version: "v1", kind: "Scale" },
    resource: { group: "apps", resource: "deployments" },
    subResource: "scale",
    requestSubResource: "scale",
    object: { kind: "Scale", spec: { replicas: 2 } },
    oldObject: { kind: "Scale", spec: { replicas: 1 } },
  });
  expect(JSON.parse(answer.body)).toMatchObject({ spec: { replicas: 5 } });
  const deployment = JSON.parse((await server.ask(`${APPS}/deployments/web`)).body) as object;
  expect(deployment).toMatchObject({ spec: { replicas: 5 } });
});

it("status is a subresource of its own", async () => {
  await hook("validating", "states", ["pods/status"]);
  const pod = JSON.parse((await server.ask(`${CORE}/pods/web`)).body) as { status: object };
  const body = { ...pod, status: { ...pod.status, phase: "Running" } };
  const dryRun = `${CORE}/pods/web/status?dryRun=All`;
  await kit.active("states", () => server.ask(dryRun, { method: "PUT", body }));
  await server.ask(`${CORE}/pods/web`, { method: "PUT", body: pod });
  expect(kit.calls).toEqual([]);
  await server.ask(`${CORE}/pods/web/status`, { method: "PUT", body });
  expect(kit.asked).toMatchObject({
    subResource: "status",
    kind: { kind: "Pod" },
    object: { status: { phase: "Running" } },
  });
});

it("a binding is shown before the pod is bound", async () => {
  await hook("validating", "bindings", ["pods/binding"]);
  const body = { metadata: { name: "bound" }, target: { kind: "Node", name: "n1" } };
  const path = `${CORE}/pods/bound/binding`;
  await kit.active("bindings", () => post(`${path}?dryRun=All`, body));
  kit.answers.set("bindings", () => ({ allowed: false, status: { message: "not there" } }));
  expect(messageOf(await post(path, body))).toContain("denied the request: not there");
  expect(kit.asked).toMatchObject({
    operation: "CREATE",
    kind: { group: "", kind: "Binding" },
    subResource: "binding",
    name: "bound",
    namespace: "default",
    object: { kind: "Binding", target: { name: "n1" } },
  });
  expect((await server.ask(`${CORE}/pods/bound`)).body).not.toContain("n1");
});

it("an eviction is one request, not a deletion too", async () => {
  await hook("validating", "evicted", ["pods/eviction"]);
  await hook("validating", "deleted", ["pods"]);
  const eviction = (name: string) => ({
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: { name },
  });
  const dryRun = `${CORE}/pods/web?dryRun=All`;
  await kit.active("deleted", () => server.ask(dryRun, { method: "DELETE" }));
  await kit.active("evicted", () => post(`${CORE}/pods/web/eviction?dryRun=All`, eviction("web")));
  kit.calls.length = 0;
  expect((await post(`${CORE}/pods/web/eviction`, eviction("web"))).status).toBe(201);
  expect(kit.called).toEqual(["evicted"]);
  expect(kit.asked).toMatchObject({
    kind: { group: "policy", version: "v1", kind: "Eviction" },
    operation: "CREATE",
  });
});

it("connections are shown with their options", async () => {
  await hook("validating", "connects", ["pods/*", "services/proxy", "nodes/proxy"]);
  const path = `${CORE}/pods/bound/exec?container=a&stdout=true&command=sh&command=-c`;
  await kit.active("connects", () => post(path, {}));
  kit.answers.set("connects", () => ({ allowed: false, status: { message: "no shells" } }));
  expect(messageOf(await post(path, {}))).toContain("denied the request: no shells");
  expect(kit.asked).toMatchObject({
    operation: "CONNECT",
    subResource: "exec",
    name: "bound",
    kind: { group: "", version: "v1", kind: "PodExecOptions" },
    options: null,
    oldObject: null,
    object: {
      kind: "PodExecOptions",
      apiVersion: "v1",
      container: "a",
      stdout: true,
      command: ["sh", "-c"],
    },
  });
  await post(`${CORE}/pods/bound/attach`, {});
  expect(kit.asked).toMatchObject({ kind: { kind: "PodAttachOptions" } });
  await post(`${CORE}/pods/bound/portforward?ports=80`, {});
  expect(kit.asked).toMatchObject({ object: { kind: "PodPortForwardOptions", ports: [80] } });
  await server.ask(`${CORE}/pods/bound/proxy/a/b`);
  expect(kit.asked).toMatchObject({ object: { kind: "PodProxyOptions", path: "a/b" } });
  await server.ask(`${CORE}/services/s/proxy/`);
  expect(kit.asked).toMatchObject({ kind: { kind: "ServiceProxyOptions" } });
  await server.ask("/api/v1/nodes/n/proxy/metrics");
  expect(kit.asked).toMatchObject({ object: { kind: "NodeProxyOptions", path: "metrics" } });
});

it("a token is refused before it is issued", async () => {
  await hook("validating", "tokens", ["serviceaccounts/token"]);
  const path = `${CORE}/serviceaccounts/default/token`;
  await kit.active("tokens", () => post(path, {}));
  kit.answers.set("tokens", () => ({ allowed: false }));
  expect((await post(path, {})).status).toBe(400);
  expect(kit.asked).toMatchObject({
    kind: { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" },
    subResource: "token",
    operation: "CREATE",
  });
});

it("a token is issued as webhooks left the request", async () => {
  await hook("mutating", "shortened", ["serviceaccounts/token"]);
  const path = `${CORE}/serviceaccounts/default/token`;
  const ask = () => post(path, { spec: { audiences: ["a"], expirationSeconds: 7_200 } });
  await kit.active("shortened", ask);
  const spec = (expirationSeconds: number) =>
    jsonPatch({ op: "replace", path: "/spec", value: { audiences: ["b"], expirationSeconds } });
  kit.answers.set("shortened", () => spec(600));
  const answer = await ask();
  expect(answer.status, answer.body).toBe(201);
  const { status } = JSON.parse(answer.body) as { status: { token: string } };
  const claims = JSON.parse(Buffer.from(status.token.split(".")[1]!, "base64url").toString()) as {
    aud: string[];
    exp: number;
    iat: number;
  };
  expect([claims.aud, claims.exp - claims.iat]).toEqual([["b"], 600]);
  kit.answers.set("shortened", () => spec(1));
  expect((await ask()).status).toBe(422);
});

it("an eviction has the options that webhooks left, and a dry run stays one", async () => {
  await post(`${CORE}/pods`, { metadata: { name: "kept" }, spec: { containers } });
  const path = `${CORE}/pods/kept/eviction`;
  const evict = (deleteOptions: object) =>
    post(path, {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: "kept", namespace: "default" },
      deleteOptions,
    });
  await hook("mutating", "evictions", ["pods/eviction"]);
  await kit.active("evictions", () => evict({ dryRun: ["All"] }));
  expect((await evict({ dryRun: ["All"] })).status).toBe(201);
  expect(kit.asked.dryRun).toBe(true);
  const made = (value: object) => () => jsonPatch({ op: "replace", path: "/deleteOptions", value });
  kit.answers.set("evictions", made({ gracePeriodSeconds: 3 }));
  expect((await evict({ dryRun: ["All"] })).status).toBe(201);
  expect((await server.ask(`${CORE}/pods/kept`)).status).toBe(200);
  kit.answers.set("evictions", made({ preconditions: { uid: "another" } }));
  expect((await evict({ gracePeriodSeconds: 0 })).status).toBe(409);
});
