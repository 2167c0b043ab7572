import { execFile, spawn } from "node:child_process";
import { connect } from "node:tls";
import { promisify } from "node:util";
import * as k8s from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, type AskOptions, ask as send } from "../../testing/apiserver/ask.ts";
import { startApiserverOnEtcd } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";

const run = promisify(execFile);

let api: TestApiserver;
let kubeconfig: string;

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  kubeconfig = await api.kubeconfigFor("admin", ["system:masters"]);
});
afterAll(() => api.close());

async function kubectl(...words: string[]): Promise<string> {
  const options = ["--kubeconfig", kubeconfig, "--request-timeout=10s", "--cache-dir", api.dir];
  const { stdout } = await run("kubectl", [...options, ...words], { timeout: 30_000 });
  return stdout;
}

const ask = (path: string, options: AskOptions = {}) => send(api, path, options);

async function asAdmin(path: string, options: AskOptions = {}): Promise<Answer> {
  return await ask(path, { ...(await api.credentials("admin", ["system:masters"])), ...options });
}

/** Watches of ConfigMaps that are being served. */
async function watchesOpen(): Promise<number> {
  const { body } = await asAdmin("/metrics");
  const rows = body
    .split("\n")
    .filter((line) =>
      /^apiserver_longrunning_requests\{verb="WATCH".*resource="configmaps"/.test(line),
    );
  return rows.reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(" "))), 0);
}

describe("kubectl", () => {
  it("creates, watches and deletes a ConfigMap", async () => {
    const watch = spawn("kubectl", [
      "--kubeconfig",
      kubeconfig,
      "get",
      "configmap",
      "--watch-only",
      "--output-watch-events",
      "--no-headers",
    ]);
    let seen = "";
    watch.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString("utf8")));
    await waitFor("the watch", async () => (await watchesOpen()) > 0);
    await kubectl("create", "configmap", "a", "--from-literal=x=1");
    await kubectl("label", "configmap", "a", "k=v");
    await kubectl("delete", "configmap", "a");
    await waitFor("three events", () => seen.split("\n").length >= 4);
    watch.kill();
    expect(seen.match(/^\w+/gm)).toEqual(["ADDED", "MODIFIED", "DELETED"]);
  });

  it("applies, scales, changes and explains a Deployment", async () => {
    await kubectl("create", "deployment", "web", "--image=busybox");
    await kubectl("scale", "deployment", "web", "--replicas=3");
    await kubectl("set", "image", "deployment/web", "busybox=nginx");
    const replicas = await kubectl(
      "get",
      "deployment",
      "web",
      "-o",
      "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}",
    );
    expect(replicas).toBe("3 nginx");
    expect(await kubectl("explain", "deployment.spec.replicas")).toContain("replicas <integer>");
    expect(await kubectl("get", "deployment", "web")).toMatch(/web\s+0\/3/);
  });

  it("asks what others may do", async () => {
    const can = (user: string, ...words: string[]) =>
      kubectl("auth", "can-i", "--quiet", "--as", user, ...words).then(
        () => true,
        () => false,
      );
    const scheduler = "system:kube-scheduler";
    expect(await can(scheduler, "create", "pods", "--subresource=binding")).toBe(true);
    expect(await can(scheduler, "delete", "nodes")).toBe(false);
    expect(await can("nobody", "get", "secrets")).toBe(false);
  });
});

describe("an informer of @kubernetes/client-node", () => {
  it("lists, follows, and goes on after the apiserver restarted", async () => {
    const config = new k8s.KubeConfig();
    config.loadFromFile(kubeconfig);
    const core = config.makeApiClient(k8s.CoreV1Api);
    const list = () => core.listNamespacedConfigMap({ namespace: "default" });
    const path = "/api/v1/namespaces/default/configmaps";
    const informer = k8s.makeInformer(config, path, list);
    const seen: string[] = [];
    informer.on("add", (map) => seen.push(`add ${map.metadata?.name}`));
    informer.on("delete", (map) => seen.push(`delete ${map.metadata?.name}`));
    let wanted = true;
    informer.on("error", () => void (wanted && informer.start()));
    await kubectl("create", "configmap", "i1");
    await informer.start();
    await waitFor("the first", () => seen.includes("add i1"));
    await api.restart();
    await kubectl("create", "configmap", "i2");
    await waitFor("the second", () => seen.includes("add i2"));
    await kubectl("delete", "configmap", "i1");
    await waitFor("the deletion", () => seen.includes("delete i1"));
    wanted = false;
    await informer.stop();
    expect(seen.filter((word) => word === "add i1")).toEqual(["add i1"]);
  });
});

describe("authentication and authorization", () => {
  it("an anonymous request reads health and version, and nothing else", async () => {
    expect((await ask("/healthz")).status).toBe(200);
    expect((await ask("/version")).status).toBe(200);
    const refused = await ask("/api/v1/secrets");
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.body)).toMatchObject({
      kind: "Status",
      reason: "Forbidden",
      message:
        `secrets is forbidden: User "system:anonymous" cannot list resource "secrets" ` +
        `in API group "" at the cluster scope`,
    });
  });

  it("headers of a front proxy are not believed from outside", async () => {
    const headers = { "x-remote-user": "admin", "x-remote-group": "system:masters" };
    expect((await ask("/api/v1/secrets", { headers })).status).toBe(403);
  });

  it.each([
    ["garbage", "not-a-token"],
    [
      "alg none",
      `${Buffer.from(`{"alg":"none"}`).toString("base64url")}.${Buffer.from(
        `{"sub":"system:serviceaccount:kube-system:x"}`,
      ).toString("base64url")}.`,
    ],
  ])("a token that is %s is a 401", async (_what, token) => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await ask("/api/v1/namespaces", { headers });
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body)).toMatchObject({ message: "Unauthorized", code: 401 });
  });

  it("a service account's token works for its audience, and ends with its account", async () => {
    await kubectl("create", "serviceaccount", "robot");
    const token = (await kubectl("create", "token", "robot")).trim();
    const foreign = (await kubectl("create", "token", "robot", "--audience=vault")).trim();
    const review = (bearer: string) =>
      ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", {
        method: "POST",
        headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
        body: `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`,
      });
    const known = await review(token);
    expect(JSON.parse(known.body)).toMatchObject({
      status: { userInfo: { username: "system:serviceaccount:default:robot" } },
    });
    expect((await review(foreign)).status).toBe(401);
    const late = (await kubectl("create", "token", "robot")).trim();
    await kubectl("delete", "serviceaccount", "robot");
    expect((await review(late)).status).toBe(401);
  });

  it("a user cannot grant permissions that they do not have", async () => {
    await kubectl(
      "create",
      "clusterrole",
      "rbac-writer",
      "--verb=create,get",
      "--resource=clusterroles,clusterrolebindings",
    );
    await kubectl(
      "create",
      "clusterrolebinding",
      "rbac-writer",
      "--clusterrole=rbac-writer",
      "--user=mallory",
    );
    const mallory = await api.credentials("mallory");
    const rules = [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }];
    const role = { metadata: { name: "greedy" }, rules };
    const path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    const answer = await waitFor("the binding to hold", async () => {
      const given = await ask(path, { method: "POST", body: JSON.stringify(role), ...mallory });
      return given.body.includes("cannot create") ? undefined : given;
    });
    expect(answer.status).toBe(403);
    expect(answer.body).toContain("attempting to grant RBAC permissions not currently held");
  });
});

describe("what is sent", () => {
  it("a body past the limit is a 413", async () => {
    const body = Buffer.alloc(3 * 1024 * 1024 + 1, 0x20);
    const answer = await asAdmin("/api/v1/namespaces/default/configmaps", { method: "POST", body });
    expect(answer.status).toBe(413);
  });

  it("an unknown field is refused when asked so, else warned about", async () => {
    const body = JSON.stringify({ metadata: { name: "odd" }, dataa: { x: "1" } });
    const path = "/api/v1/namespaces/default/configmaps?dryRun=All&fieldValidation=";
    const strict = await asAdmin(`${path}Strict`, { method: "POST", body });
    expect(strict.status).toBe(400);
    expect(strict.body).toContain(`unknown field \\"dataa\\"`);
    const warned = await asAdmin(`${path}Warn`, { method: "POST", body });
    expect(warned.status).toBe(201);
    expect(warned.headers["warning"]).toContain(`unknown field \\"dataa\\"`);
    expect(warned.body).not.toContain("dataa");
  });

  it("a strict request with unknown fields and duplicate keys is refused naming all", async () => {
    const data = '"data":{"a":"1","a":"2"}';
    const body = `{"dataa":1,"metadata":{"name":"odd"},${data},"odd":{"b":1}}`;
    const path = "/api/v1/namespaces/default/configmaps?dryRun=All&fieldValidation=Strict";
    const headers = { "content-type": "application/json" };
    const strict = await asAdmin(path, { method: "POST", body, headers });
    expect((JSON.parse(strict.body) as { message: string }).message).toContain(
      'strict decoding error: unknown field "dataa", unknown field "odd", duplicate field "data.a"',
    );
  });

  it("a review is no table, and what is stored is", async () => {
    const headers = {
      "content-type": "application/json",
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
    };
    const review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    const asked = await asAdmin(review, { method: "POST", body: "{}", headers });
    expect(asked.status).toBe(406);
    const token = "/api/v1/namespaces/default/serviceaccounts/default/token";
    expect((await asAdmin(token, { method: "POST", body: "{}", headers })).status).toBe(406);
    const either = { ...headers, accept: `${headers.accept},application/json` };
    expect((await asAdmin(review, { method: "POST", body: "{}", headers: either })).status).toBe(
      201,
    );
    const path = "/api/v1/namespaces/default/configmaps?dryRun=All";
    const body = JSON.stringify({ metadata: { name: "row" } });
    const made = await asAdmin(path, { method: "POST", body, headers });
    expect(JSON.parse(made.body)).toMatchObject({ kind: "Table" });
  });

  it("a dry run leaves nothing behind", async () => {
    const body = JSON.stringify({ metadata: { name: "dry" } });
    const path = "/api/v1/namespaces/default/configmaps";
    expect((await asAdmin(`${path}?dryRun=All`, { method: "POST", body })).status).toBe(201);
    expect((await asAdmin(`${path}/dry`)).status).toBe(404);
  });

  it("an old resourceVersion is a conflict, a wrong uid too", async () => {
    const path = "/api/v1/namespaces/default/configmaps";
    const made = JSON.parse(
      (
        await asAdmin(path, {
          method: "POST",
          body: JSON.stringify({ metadata: { name: "twice" } }),
        })
      ).body,
    ) as { metadata: { resourceVersion: string; uid: string }; data?: object };
    const put = (object: object) =>
      asAdmin(`${path}/twice`, { method: "PUT", body: JSON.stringify(object) });
    expect((await put({ ...made, data: { a: "1" } })).status).toBe(200);
    const late = await put({ ...made, data: { a: "2" } });
    expect(late.status).toBe(409);
    expect(late.body).toContain("the object has been modified; please apply your changes");
    const wrong = { metadata: { name: "twice", uid: "other" } };
    expect((await put(wrong)).status).toBe(409);
  });

  it("a list has any limit of 64 bits, and none beyond", async () => {
    const list = (limit: string) => asAdmin(`/api/v1/namespaces?limit=${limit}`);
    for (const limit of ["9223372036854775807", "-9223372036854775808"]) {
      const { status, body } = await list(limit);
      expect([status, body]).toEqual([200, expect.stringContaining('"name":"kube-system"')]);
      expect(body).not.toContain('"continue":');
    }
    const beyond = await list("9223372036854775808");
    expect([beyond.status, beyond.body]).toEqual([
      400,
      expect.stringContaining('ParseInt: parsing \\"9223372036854775808\\": value out of range'),
    ]);
  });

  it("an answer too old to continue, and a revision not yet reached, say so", async () => {
    const future = await asAdmin(
      "/api/v1/pods?resourceVersion=999999999" + "&resourceVersionMatch=NotOlderThan",
    );
    expect(future.status).toBe(504);
    expect(future.body).toContain("ResourceVersionTooLarge");
  });

  it("each type that clients know", async () => {
    const yaml = await asAdmin("/api/v1/namespaces/default", {
      headers: { accept: "application/yaml" },
    });
    expect(yaml.body).toMatch(/^kind: Namespace\napiVersion: v1$/m);
    const table = await asAdmin("/api/v1/namespaces", {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    expect(JSON.parse(table.body)).toMatchObject({
      kind: "Table",
      columnDefinitions: [{ name: "Name" }, { name: "Status" }, { name: "Age" }],
    });
    const partial = await asAdmin("/api/v1/namespaces", {
      headers: { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" },
    });
    expect(JSON.parse(partial.body)).toMatchObject({ kind: "PartialObjectMetadataList" });
    expect(partial.body).not.toContain(`"spec"`);
  });
});

describe("a watch whose client does not read", () => {
  it("is cut, and its memory with it", async () => {
    const idle = async () => (await watchesOpen()) === 0;
    await waitFor("no other watch", idle);
    const { port } = api.apiserver.address;
    const admin = await api.credentials("admin", ["system:masters"]);
    const options = { host: "127.0.0.1", port, ca: api.ca.cert, ...admin };
    const socket = connect({ ...options, ALPNProtocols: ["http/1.1"] });
    const path = "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=2";
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await waitFor("the watch to begin", async () => !(await idle()));
    const large = { data: { x: "x".repeat(900_000) } };
    for (let i = 0; i < 12; i++) {
      const body = { metadata: { name: `large-${i}` }, ...large };
      await asAdmin("/api/v1/namespaces/default/configmaps", { method: "POST", body });
    }
    await waitFor("the watch to end", idle);
    socket.destroy();
  });
});

it("reports how long its event loop was blocked", async () => {
  const { body } = await asAdmin("/metrics");
  expect(body).toMatch(/^r2k_loop_delay_p999_ms \d/m);
  expect(body).toMatch(/^r2k_loop_delay_max_ms \d/m);
});

it("kubectl shows the fields' owners; an apply of another's field is a conflict", async () => {
  await kubectl("create", "configmap", "owned", "--from-literal=x=1");
  const shown = await kubectl("get", "configmap", "owned", "--show-managed-fields", "-o", "yaml");
  expect(shown).toMatch(/manager: kubectl-create\n {4}operation: Update/);
  const body = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "owned" },
    data: { x: "2" },
  };
  const headers = { "content-type": "application/apply-patch+yaml" };
  const path = "/api/v1/namespaces/default/configmaps/owned?fieldManager=me";
  const answer = await asAdmin(path, { method: "PATCH", headers, body });
  expect(JSON.parse(answer.body)).toMatchObject({
    code: 409,
    message: 'Apply failed with 1 conflict: conflict with "kubectl-create" using v1: .data.x',
  });
});
