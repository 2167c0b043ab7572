import { kindOf } from "@raft2kube/api/kinds.ts";
import { expect, it } from "vitest";
import { entryOf } from "../cache/entry-of-row.ts";
import type { CacheEvent } from "../cache/event.ts";
import type { Resources } from "../resource/resources.ts";
import { CustomResources } from "./custom-resources.ts";
import type { Definition } from "./definition.ts";

const KIND = kindOf("apiextensions.k8s.io", "v1", "CustomResourceDefinition")!;

const definition = (revision: number) =>
  ({
    metadata: { name: "tabs.example.com", resourceVersion: String(revision) },
    spec: { group: "example.com", names: { plural: "tabs", kind: "Tab" }, versions: [] },
  }) as unknown as Definition;

it("a definition that this server has written is not parsed again when the cache brings it", async () => {
  let take: (event: CacheEvent) => void = () => undefined;
  const cache = {
    subscribe: (listener: typeof take) => {
      take = listener;
      return () => undefined;
    },
  };
  const resource = { cache: () => Promise.resolve(cache) };
  const resources = { of: () => resource, remove: () => undefined } as unknown as Resources;
  const followed = await CustomResources.follow(resources, () => undefined);
  const parsed: number[] = [];
  const brings = (revision: number) => {
    const entry = entryOf(KIND, definition(revision), "key", revision);
    const object = entry.object.bind(entry);
    const noted = () => {
      parsed.push(revision);
      return object();
    };
    take({ type: "MODIFIED", entry: Object.assign(entry, { object: noted }) } as CacheEvent);
  };
  followed.note(definition(5));
  for (const revision of [4, 5, 6, 6]) brings(revision);
  expect(parsed).toEqual([6]);
  expect(followed.get("tabs.example.com")?.metadata.resourceVersion).toBe("6");
});
