import { expect, test } from "vitest";
import { discoverAll, kindKey } from "./discovery.ts";
import type { KubeRequester } from "./request.ts";

const widgets = {
  resource: "widgets",
  scope: "Namespaced",
  verbs: ["list"],
  responseKind: { kind: "Widget" },
};

function serving(versions: object[]): Pick<KubeRequester, "request"> {
  const groups = { items: [{ metadata: { name: "x.io" }, versions }] };
  const request = ({ path }: { path: string }) => Promise.resolve(path === "/apis" ? groups : {});
  return { request } as unknown as KubeRequester;
}

test("a kind of any served version is found as its group's preferred resource", async () => {
  const client = serving([
    { version: "v1", resources: [widgets] },
    { version: "v1beta1", resources: [widgets] },
  ]);
  const { resources, kinds, stale } = await discoverAll(client);
  expect(resources).toEqual([expect.objectContaining({ plural: "widgets", version: "v1" })]);
  expect(kinds.get(kindKey("x.io/v1beta1", "Widget"))).toBe(resources[0]);
  expect(kinds.get(kindKey("x.io/v1", "Widget"))).toBe(resources[0]);
  expect(kinds.size).toBe(2);
  expect(stale).toEqual([]);
});

test("versions whose server does not answer are named, with or without resources", async () => {
  const freshness = "Stale";
  const client = serving([
    { version: "v1", freshness },
    { version: "v2", freshness, resources: [widgets] },
    { version: "v3", freshness: "Current" },
  ]);
  expect((await discoverAll(client)).stale).toEqual(["x.io/v1", "x.io/v2"]);
});
