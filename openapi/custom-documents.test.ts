import type { Kind } from "@raft2kube/api/kind.ts";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { CustomDocuments } from "./custom-documents.ts";
import { documentsOf } from "./documents.ts";

const clock = systemClock();
const documents = new CustomDocuments(documentsOf(KINDS));
let turns = 0;

/** A kind whose schemas take as long as a slice of the event loop's time. */
function slowKind(name: string, added: (turn: number) => void): Kind {
  const kind = {
    ...KINDS.find(({ plural }) => plural === "configmaps")!,
    versions: [],
    group: "example.com",
    kind: name,
    definitions: () => {
      added(turns);
      const until_ms = clock.monotonic() + 12;
      while (clock.monotonic() < until_ms);
      const schemas = { [name]: { type: "object" }, [`${name}List`]: { type: "object" } };
      return { name, listName: `${name}List`, schemas };
    },
  };
  return kind as unknown as Kind;
}

it.each([
  ["version 2", () => documents.v2()],
  ["version 2 in protobuf", () => documents.v2Protobuf()],
  ["version 3", () => documents.v3("apis/example.com/v1")],
] as const)("the kinds of a document of %s have turns of their own", async (_, build) => {
  const at: number[] = [];
  documents.show(Array.from({ length: 8 }, (__, i) => slowKind(`K${i}`, (turn) => at.push(turn))));
  let timer = setImmediate(function next() {
    turns++;
    timer = setImmediate(next);
  });
  await build();
  clearImmediate(timer);
  expect(at).toHaveLength(8);
  expect(new Set(at).size).toBe(8);
});
