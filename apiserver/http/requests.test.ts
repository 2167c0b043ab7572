import { connect, type TLSSocket } from "node:tls";
import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { grant } from "../testing/grant.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
const RBAC = "/apis/rbac.authorization.k8s.io/v1";

const server = fileApiserver();
const ask = server.ask;

/** A raw connection, and all that came back on it. */
function open(head: string): { socket: TLSSocket; bytes: () => Buffer } {
  const { port } = server.api.apiserver.address;
  const options = { host: "127.0.0.1", port, ca: server.api.ca.cert, ...server.admin };
  const socket = connect({ ...options, ALPNProtocols: ["http/1.1"] });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.write(`${head}\r\nHost: x\r\n\r\n`);
  return { socket, bytes: () => Buffer.concat(chunks) };
}

it("a user that may update but not create creates no object by apply or PUT", async () => {
  const apiGroup = "rbac.authorization.k8s.io";
  const rules = [
    {
      apiGroups: ["", "coordination.k8s.io"],
      resources: ["configmaps", "leases"],
      verbs: ["get", "patch", "update"],
    },
  ];
  const name = "changer";
  const post = (path: string, body: object) => ask(path, { method: "POST", body });
  await post(`${RBAC}/clusterroles`, { metadata: { name }, rules });
  await post(`${RBAC}/clusterrolebindings`, {
    metadata: { name },
    roleRef: { apiGroup, kind: "ClusterRole", name },
    subjects: [{ kind: "User", apiGroup, name }],
  });
  const changer = await server.api.credentials(name);
  const apply = (target: string) =>
    ask(`${MAPS}/${target}?fieldManager=m`, {
      ...changer,
      method: "PATCH",
      headers: { "content-type": "application/apply-patch+yaml" },
      body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: target }, data: { a: "b" } },
    });
  await post(MAPS, { metadata: { name: "there" } });
  await waitFor("the right to change", async () => (await apply("there")).status === 200);
  const applied = await apply("sneaked");
  expect([applied.status, applied.body]).toEqual([
    403,
    expect.stringContaining(
      String.raw`configmaps \"sneaked\" is forbidden: User \"changer\" cannot create resource`,
    ),
  ]);
  const body = { metadata: { name: "sneaked" } };
  const put = await ask(`${LEASES}/sneaked`, { ...changer, method: "PUT", body });
  expect(put.status).toBe(403);
  expect((await ask(`${MAPS}/sneaked`)).status).toBe(404);
  expect((await ask(`${LEASES}/sneaked`)).status).toBe(404);
  expect((await ask(`${LEASES}/sneaked`, { method: "PUT", body })).status).toBe(201);
});

it("a request gets the timeout that it asks for, and 504 after it", async () => {
  const odd = await ask(`${MAPS}?timeout=soon`);
  expect([odd.status, odd.body]).toEqual([
    400,
    expect.stringContaining(
      String.raw`invalid timeout specified in the request URL - time: invalid duration \"soon\"`,
    ),
  ]);
  expect((await ask(`${MAPS}?timeout=30s`)).status).toBe(200);
  // Its body never comes.
  const waiting = open(`POST ${MAPS}?timeout=50ms HTTP/1.1\r\nContent-Length: 10`);
  const received = () => waiting.bytes().toString();
  await waitFor("the answer", () => received().includes(`"code":504`));
  expect(received()).toMatch(/^HTTP\/1\.1 504 /);
  expect(received()).toContain("request did not complete within the allotted timeout");
  waiting.socket.destroy();
});

it("a watch for longer than a timer lasts does not end at once", async () => {
  const watch = open(`GET ${MAPS}?watch=1&resourceVersion=0&timeoutSeconds=3000000 HTTP/1.1`);
  await waitFor("the watch", () => watch.bytes().includes("200 OK"));
  await ask(MAPS, { method: "POST", body: { metadata: { name: "seen-late" } } });
  await waitFor("its event", () => watch.bytes().includes("seen-late"));
  watch.socket.destroy();
});

it("a watch in protobuf for metadata alone has nothing else", async () => {
  const body = { metadata: { name: "partial" }, data: { secret: "not-for-you" } };
  await ask(MAPS, { method: "POST", body });
  const accept = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
  const query = "?watch=1&fieldSelector=metadata.name%3Dpartial&timeoutSeconds=1";
  const answer = await ask(`${MAPS}${query}`, { headers: { accept } });
  expect(answer.body).not.toContain("not-for-you");
  // Two strings of a message, each after its length.
  expect(answer.body).toContain("meta.k8s.io/v1\x12\x15PartialObjectMetadata");
});

it("metadata alone has a protobuf form in its older version as well", async () => {
  await ask(MAPS, { method: "POST", body: { metadata: { name: "older" } } });
  const form = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1";
  const accept = `application/vnd.kubernetes.protobuf;${form}`;
  const answer = await ask(`${MAPS}/older`, { headers: { accept } });
  expect(answer.status).toBe(200);
  expect(answer.body).toContain("meta.k8s.io/v1beta1\x12\x15PartialObjectMetadata");
});

it("a user that may watch objects by name sees those alone, with any selector", async () => {
  const rule = { verbs: ["list", "watch"], apiGroups: [""], resources: ["configmaps"] };
  const watcher = await grant(server, "watcher", "default", [
    { ...rule, resourceNames: ["allowed"] },
  ]);
  for (const name of ["allowed", "hidden"]) {
    await ask(MAPS, { method: "POST", body: { metadata: { name } } });
  }
  const asked = async (path: string) => (await ask(path, watcher)).status;
  const own = "metadata.name%3Dallowed";
  expect(await asked(`${MAPS}?fieldSelector=${own}`)).toBe(200);
  expect(await asked(`${MAPS}?fieldSelector=metadata.name%3Dhidden`)).toBe(403);
  expect(await asked(`${MAPS}?fieldSelector=metadata.name!%3Dx%5C,${own}`)).toBe(403);
  expect(await asked(`${MAPS}?fieldSelector=metadata.name!%3Dx`)).toBe(403);
  const watch = "/api/v1/watch/namespaces/default/configmaps/allowed?timeoutSeconds=1";
  const selecting = `${watch}&fieldSelector=metadata.namespace%3Ddefault`;
  expect(await asked(selecting)).toBe(400);
  expect(await asked(`${selecting},${own}`)).toBe(200);
});

it("below the path of watches there is nothing but watches", async () => {
  const watch = "/api/v1/watch/namespaces/default";
  const body = { metadata: { name: "made-by-a-watch" } };
  expect((await ask(`${watch}/configmaps`, { method: "POST", body })).status).toBe(405);
  expect((await ask(`${MAPS}/made-by-a-watch`)).status).toBe(404);
  expect((await ask(`${watch}/configmaps/kept`, { method: "DELETE" })).status).toBe(405);
  expect((await ask(`${watch}/services/kubernetes/proxy/`)).status).toBe(405);
});

it("a client names its request, and impersonates with extras as they come", async () => {
  const named = await ask("/api/v1/namespaces/default", { headers: { "audit-id": "mine" } });
  expect(named.headers["audit-id"]).toBe("mine");
  const headers = { "impersonate-user": "somebody", "impersonate-extra-%zz": "x" };
  const answer = await ask("/api/v1/namespaces/default", { headers });
  expect(answer.status).toBe(403);
});

it("an object that is larger than the store takes is refused as too large", async () => {
  const roles = `${RBAC}/clusterroles`;
  const rule = (length: number) => [
    { apiGroups: [""], verbs: ["get"], resources: ["x".repeat(length)] },
  ];
  const create = (name: string, length: number) =>
    ask(roles, { method: "POST", body: { metadata: { name }, rules: rule(length) } });
  const grow = (length: number) =>
    ask(`${roles}/small`, {
      method: "PATCH",
      headers: { "content-type": "application/merge-patch+json" },
      body: { rules: rule(length) },
    });
  expect((await create("small", 1)).status).toBe(201);
  // The first is beyond the store's request, the other beyond a message to it.
  for (const length of [1_600_000, 2_500_000]) {
    for (const answer of [await create("large", length), await grow(length)]) {
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
        413,
        {
          reason: "RequestEntityTooLarge",
          message: expect.stringContaining("is larger than what the store takes (") as string,
        },
      ]);
    }
  }
  expect((await ask(`${roles}/large`)).status).toBe(404);
});
