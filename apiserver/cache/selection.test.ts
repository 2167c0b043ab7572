import { expect, it } from "vitest";
import { Entry } from "../object/entry.ts";
import { EVERYTHING, Projection } from "./selection.ts";

function entry(revision: number): Entry {
  const metadata = { name: "web", namespace: "ns", resourceVersion: String(revision) };
  return new Entry({
    key: "/registry/x/ns/web",
    name: "web",
    namespace: "ns",
    uid: "web",
    revision,
    labels: {},
    fields: {},
    body: Buffer.from(JSON.stringify({ metadata })),
  });
}

it("a deletion's entry is shared by all watchers, also those that catch up", () => {
  const deleted = { type: "DELETED", revision: 8, entry: entry(8), previous: entry(5) } as const;
  for (const projection of [new Projection(deleted), new Projection(deleted)]) {
    const item = projection.seenBy(EVERYTHING);
    expect(item).toMatchObject({ type: "DELETED", revision: 8 });
    expect(item && "entry" in item && item.entry).toBe(deleted.entry);
  }
});

it("an object that ceases to match is deleted as it matched, at the new revision", () => {
  const [before, after] = [entry(5), entry(8)];
  const selection = { ...EVERYTHING, matches: (one: Entry) => one === before };
  const changed = { type: "MODIFIED", revision: 8, entry: after, previous: before } as const;
  const item = new Projection(changed).seenBy(selection);
  expect(item).toMatchObject({ type: "DELETED", revision: 8, entry: { revision: 8 } });
});
