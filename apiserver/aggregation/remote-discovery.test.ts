import { expect, it } from "vitest";
import { AGGREGATED_RESOURCES_MAX } from "../limits.ts";
import type { RemoteApiService } from "./api-services.ts";
import type { Backends } from "./backends.ts";
import { readDiscovery, resourcesOf } from "./remote-discovery.ts";

const named = (name: string) => ({
  name,
  kind: "K",
  namespaced: true,
  singularName: "",
  verbs: ["get"],
});

// The longest list that is read has some of these. With a copy for each they take half a minute.
it("100,000 subresources of one resource are read", () => {
  const names = Array.from({ length: 100_000 }, (_, at) => `a/${at}`);
  const resources = resourcesOf(["a", "b", ...names].map(named));
  expect(resources.map(({ resource }) => resource)).toEqual(["a", "b"]);
  expect(resources[0]!.subresources!.map(({ subresource }) => `a/${subresource}`)).toEqual(names);
}, 10_000);

it.each([
  ["aggregated discovery", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"],
  ["the version's own list", "application/json"],
])("a version has a bounded number of resources (%s)", async (_, type) => {
  const remote = { spec: { group: "g", version: "v1" } } as RemoteApiService;
  const read = async (count: number) => {
    const names = Array.from({ length: count }, (_, at) => `a${at}`);
    const resources = names.map((resource) => ({ resource, scope: "Cluster", verbs: ["list"] }));
    const items = [{ metadata: { name: "g" }, versions: [{ version: "v1", resources }] }];
    const list = { groupVersion: "g/v1", resources: names.map(named) };
    const body = Buffer.from(JSON.stringify({ items, ...list }));
    const get = async () => ({ status: 200, headers: { "content-type": type }, body });
    const backends = { get } as unknown as Backends;
    return (await readDiscovery(backends, remote, undefined)).discovery.resources;
  };
  expect(await read(AGGREGATED_RESOURCES_MAX)).toHaveLength(AGGREGATED_RESOURCES_MAX);
  await expect(read(AGGREGATED_RESOURCES_MAX + 1)).rejects.toMatchObject({ code: "TOO_MANY" });
});
