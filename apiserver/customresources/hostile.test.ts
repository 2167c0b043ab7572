import type { KubeObject } from "@raft2kube/api/kind.ts";
import { KINDS, kindOf } from "@raft2kube/api/kinds.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { createObject } from "../registry/create.ts";
import { internalWrite } from "../registry/internal-write.ts";
import type { Writer } from "../registry/writer.ts";
import { Resource } from "../resource/resource.ts";
import { Resources } from "../resource/resources.ts";
import { CustomResources } from "./custom-resources.ts";
import { type Definition, definitionsIn, isServed } from "./definition.ts";
import { deleteInstances } from "./instances.ts";
import { define, definitionOf } from "./testing/definitions.ts";

const server = fileApiserver();
const { ask } = server;
const clock = systemClock();

const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const isGone = (path: string) => async () => (await ask(path)).status === 404;

it.each([
  ["customresourcedefinitions", "apiextensions.k8s.io"],
  ["apiservices", "apiregistration.k8s.io"],
])("a definition over the rows of %s serves and deletes none of them", async (plural, group) => {
  const bystander = definitionOf("bystanders", "Bystander");
  if (await isGone(`${DEFINITIONS}/${bystander.metadata.name}`)()) await define(ask, bystander);
  const { apiVersion, kind, spec } = definitionOf(plural, "Overlap");
  const name = `${plural}.${group}`;
  const annotations = { "api-approved.kubernetes.io": "unapproved, a test" };
  const versions = spec.versions.map((each) => ({ ...each, name: "v2" }));
  const metadata = { name, annotations };
  const scope = "Cluster";
  const overlap = { apiVersion, kind, metadata, spec: { ...spec, group, versions, scope } };
  await define(ask, overlap);
  expect((await ask(`/apis/${group}/v2/${plural}`)).status).toBe(404);
  const rows = async () => {
    const list = JSON.parse((await ask(`/apis/${group}/v1/${plural}`)).body) as {
      items: { metadata: { name: string } }[];
    };
    return list.items
      .map(({ metadata }) => metadata.name)
      .filter((each) => each !== name && each !== `v2.${group}`);
  };
  const before = await rows();
  expect(before.length).toBeGreaterThan(0);
  expect((await ask(`${DEFINITIONS}/${name}`, { method: "DELETE" })).status).toBe(200);
  await waitFor("the end of the definition", isGone(`${DEFINITIONS}/${name}`));
  expect(await rows()).toEqual(before);
});

it("objects of a later definition of the same name are not those of the deleted one", async () => {
  const etcd = await startEtcd();
  const resource = new Resource(kindOf("", "v1", "ConfigMap")!, etcd.client, clock);
  const create = (name: string) =>
    resource.store.create<KubeObject>({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "test" },
    });
  const { metadata } = await create("old");
  await create("new");
  expect(await deleteInstances(resource, Number(metadata.resourceVersion), clock)).toBe(0);
  expect(await resource.store.find("test", "old")).toBeUndefined();
  expect(await resource.store.find("test", "new")).toBeDefined();
  await resource.close();
  await etcd.close();
});

it("a creation that admission holds up while the definition goes leaves no object", async () => {
  const etcd = await startEtcd();
  const resource = new Resource(kindOf("", "v1", "ConfigMap")!, etcd.client, clock);
  const admission = {
    admit: () => Promise.resolve(),
    validate: () => {
      resource.terminating = true;
      return Promise.resolve();
    },
  } as unknown as Writer["admission"];
  const writer = { clock, admission } as Writer;
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "late" } };
  await expect(
    createObject(writer, resource, object, "test", internalWrite()),
  ).rejects.toMatchObject({ status: { code: 403 } });
  expect(await resource.stored()).toBe(0);
  await resource.close();
  await etcd.close();
});

it("a status that says another plural opens no other definition's objects", () => {
  const crd = definitionOf("thieves", "Thief");
  const conditions = [{ type: "Established", status: "True" }];
  const accepting = (plural: string) =>
    ({ ...crd, status: { conditions, acceptedNames: { plural, kind: "Thief" } } }) as never;
  expect([isServed(accepting("thieves")), isServed(accepting("victims"))]).toEqual([true, false]);
});

it("kinds whose path is taken leave all that there is as it was", async () => {
  const etcd = await startEtcd();
  const resources = new Resources(KINDS, etcd.client, clock);
  const group = "a.example.com";
  const mapsIn = (...versions: string[]) =>
    versions.map((version) => ({
      ...kindOf("", "v1", "ConfigMap")!,
      group,
      version,
      plural: "maps",
      storage: { prefix: `${group}/maps`, as: { group, version, kind: "Map" } },
    }));
  resources.install("first", mapsIn("v2"));
  expect(() => resources.install("second", mapsIn("v1", "v2"))).toThrow(/two kinds/);
  expect(resources.find(group, "v1", "maps")).toBeUndefined();
  expect(resources.find(group, "v2", "maps")).toBeDefined();
  await resources.close();
  await etcd.close();
});

it("a definition that has gone is not brought back by the word of an earlier write", async () => {
  const etcd = await startEtcd();
  const resources = new Resources(KINDS, etcd.client, clock);
  const followed = await CustomResources.follow(resources, () => undefined);
  const { store } = definitionsIn(resources);
  const crd = (await store.create(definitionOf("ghosts", "Ghost"))) as unknown as Definition;
  const name = crd.metadata.name ?? "";
  await waitFor("the definition", () => followed.get(name));
  await store.change("", name, (object) => ({ do: "delete", object: object! }));
  await waitFor("its end", () => followed.get(name) === undefined);
  followed.note(crd);
  expect(followed.get(name)).toBeUndefined();
  followed.close();
  await resources.close();
  await etcd.close();
});

it.each(["/apis/a.b/v1/x%2Fy", "/apis/a.b%2Fc/v1/x", "/apis/a.b/v1/X"])(
  "%s names no definition: 404",
  async (path) => {
    expect((await ask(path)).status).toBe(404);
  },
);
