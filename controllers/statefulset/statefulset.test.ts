import type { StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import { expect, test } from "vitest";
import { lookAtUsers } from "./statefulset.ts";

function setOf(name: string, ...templates: string[]): StatefulSet {
  return {
    metadata: { name, namespace: "n" },
    spec: {
      selector: {},
      template: {},
      volumeClaimTemplates: templates.map((template) => ({
        metadata: { name: template },
        spec: {},
      })),
    },
  } as StatefulSet;
}

test("a claim that is gone is looked at by the sets that its name means, and no other is read", () => {
  const sets = new Map(
    [
      setOf("web", "data", "data-big"),
      setOf("big-web", "data"),
      setOf("big", "data"),
      setOf("web-0", "data"),
    ].map((set) => [`n/${set.metadata.name}`, set]),
  );
  const usersOf = (name: string, namespace = "n") => {
    const [asked, found] = [[] as string[], [] as string[]];
    const store = { get: (key: string) => (asked.push(key), sets.get(key)) };
    const add = (key: string) => void found.push(key);
    lookAtUsers({ metadata: { name, namespace }, spec: {} }, { store }, { add });
    return { asked, found };
  };
  expect(usersOf("data-web-10")).toEqual({ asked: ["n/web"], found: ["n/web"] });
  expect(usersOf("data-big-web-0")).toEqual({
    asked: ["n/big-web", "n/web"],
    found: ["n/big-web", "n/web"],
  });
  expect(usersOf("data-web-0-3").found).toEqual(["n/web-0"]);
  expect(usersOf("other-web-0").found).toEqual([]);
  expect(usersOf("data-web-0", "m").found).toEqual([]);
  expect(usersOf("plain").asked).toEqual([]);
});
