import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decodeJson } from "./codec/json.ts";
import type { KubeObject } from "./kind.ts";
import { KINDS, kindOf } from "./kinds.ts";

const DIVERGENCE = join(import.meta.dirname, "../docs/DIVERGENCE.md");
const stored = KINDS.filter((each) => each.storage !== undefined);

describe("all kinds", () => {
  it("are found by kind", () => {
    expect(kindOf("apps", "v1", "Deployment")?.plural).toBe("deployments");
    expect(kindOf("apps", "v1", "Nothing")).toBeUndefined();
  });

  it("lie at places of their own, unless they share their objects", () => {
    const owners = new Map<string, string>();
    for (const kind of stored) {
      const as = JSON.stringify(kind.storage?.as);
      const other = owners.get(kind.storage!.prefix) ?? as;
      expect(other, kind.schema).toBe(as);
      owners.set(kind.storage!.prefix, as);
    }
  });

  it.each(stored.map((each) => [each.schema, each] as const))(
    "%s: an object with metadata alone can be read, filled, checked and shown",
    (_name, kind) => {
      const { object } = decodeJson<KubeObject>(kind.schema, { metadata: { name: "a" } });
      kind.strategy.defaults(object);
      kind.strategy.prepareCreate(object, { now_ms: 0 });
      expect(Array.isArray(kind.strategy.validateCreate(object, { now_ms: 0 }))).toBe(true);
      const old = structuredClone(object);
      kind.strategy.prepareUpdate(object, old, { now_ms: 0 });
      expect(object, "an update without a change changes nothing").toEqual(old);
      kind.strategy.validateUpdate(object, old, { now_ms: 0 });
      for (const each of kind.columns) expect(each.value(object, 0)).not.toBe(undefined);
      for (const read of Object.values(kind.selectableFields)) {
        expect(typeof read(object)).toBe("string");
      }
    },
  );
});

describe("docs/DIVERGENCE.md", () => {
  it("names exactly the kinds that nothing acts on", () => {
    const section = readFileSync(DIVERGENCE, "utf8")
      .split("\n## ")
      .find((each) => each.startsWith("Kinds that are stored"));
    const rows = section?.match(/^\| `\S+` \| .* \|$/gm) ?? [];
    const expected = KINDS.filter((each) => each.notActedOn !== undefined).map(
      (each) => `| \`${each.schema}\` | ${each.notActedOn} |`,
    );
    expect(rows.sort()).toEqual(expected.sort());
  });

  it("names no workload, and none of the kinds that serve them", () => {
    const groups = new Set(["core", "apps", "batch", "autoscaling", "policy"]);
    const inert = KINDS.filter((each) => each.notActedOn !== undefined);
    expect(inert.filter(({ schema }) => groups.has(schema.split("/")[0]!))).toEqual([]);
  });
});
