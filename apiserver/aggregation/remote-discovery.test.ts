import { expect, it } from "vitest";
import { resourcesOf } from "./remote-discovery.ts";

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
